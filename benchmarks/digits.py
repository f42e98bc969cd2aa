"""Measure the test accuracy of the demo's digits model over training seeds and split seeds.

    python benchmarks/digits.py                     # 3 x 3 runs
    python benchmarks/digits.py --set model.readout=none

Prints one row per run and the mean, in Markdown.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.evaluation import evaluate
from qrnn_qiskit.training.run_folder import create_run
from qrnn_qiskit.training.trainer import train


def main() -> None:
    """Train every pair of seeds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--splits", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    settings = dict(setting.split("=", 1) for setting in arguments.set)
    accuracies = measure_runs(settings, arguments.splits, arguments.seeds)
    print(f"\n{summarize(accuracies)}, {len(accuracies)} runs")


def measure_runs(
    settings: Mapping[str, str], splits: Sequence[int], seeds: Sequence[int]
) -> list[float]:
    """Train every pair of seeds in a temporary folder, print a row each; return the accuracies."""
    print("| split seed | training seed | best epoch | test accuracy | test cross-entropy | s |")
    print("|---|---|---|---|---|---|")
    accuracies = []
    with tempfile.TemporaryDirectory() as folder:
        for split in splits:
            for seed in seeds:
                overrides = {"seed": seed, "data.split_seed": split, **settings}
                config = resolve_config("digits", overrides)
                run = create_run(Path(folder) / f"{split}-{seed}", config)
                start = time.perf_counter()
                result = train(run)
                seconds = time.perf_counter() - start
                metrics = evaluate(run).metrics
                accuracy = metrics["accuracy"]["value"]
                entropy = metrics["cross_entropy"]["value"]
                assert accuracy is not None
                assert entropy is not None
                accuracies.append(accuracy)
                print(
                    f"| {split} | {seed} | {result.best_epoch} | {accuracy:.4f} | {entropy:.4f} "
                    f"| {seconds:.0f} |",
                    flush=True,
                )
    return accuracies


def summarize(accuracies: Sequence[float]) -> str:
    """Return mean, standard deviation and range as text."""
    spread = statistics.stdev(accuracies) if len(accuracies) > 1 else float("nan")
    return (
        f"mean {statistics.mean(accuracies):.4f}, standard deviation {spread:.4f}, "
        f"from {min(accuracies):.4f} to {max(accuracies):.4f}"
    )


if __name__ == "__main__":
    main()
