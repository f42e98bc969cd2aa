"""Measure the test accuracy of the digits in measured mode: bits, coupling and strength.

    python benchmarks/measured_digits.py
    python benchmarks/measured_digits.py --seeds 0 --splits 0 --only direct

Prints the runs of each setting and a summary, in Markdown.
"""

from __future__ import annotations

import argparse

from digits import measure_runs, summarize

SETTINGS: dict[str, dict[str, str]] = {
    "expectation": {"readout": "expectation"},
    "none": {"readout": "none"},
    "cry, m = 1, g = pi/2 (default)": {},
    "cry, m = 1, g = pi": {"coupling_strength": "3.141592653589793"},
    "cry, m = 1, g = 1": {"coupling_strength": "1.0"},
    "cry, m = 2, g = pi/2": {"num_ancillas": "2"},
    "cry, m = 2, g = 1": {"num_ancillas": "2", "coupling_strength": "1.0"},
    "symmetric, m = 1, g = 0.8": {"coupling": "symmetric", "coupling_strength": "0.8"},
    "symmetric, m = 1, g = 1.5": {"coupling": "symmetric", "coupling_strength": "1.5"},
    "symmetric, m = 1, g = 2.2": {"coupling": "symmetric", "coupling_strength": "2.2"},
    "direct, m = 1": {"coupling": "direct"},
}


def main() -> None:
    """Train every setting with every pair of seeds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--splits", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", default="", help="only settings whose name contains this text")
    arguments = parser.parse_args()
    rows = []
    for name, settings in SETTINGS.items():
        if arguments.only in name:
            print(f"\n## {name}\n")
            chosen = {"readout": "measured"} | settings
            accuracies = measure_runs(chosen, arguments.splits, arguments.seeds)
            rows.append(f"| {name} | {summarize(accuracies)} |")
    print("\n| setting | test accuracy |\n|---|---|", *rows, sep="\n")


if __name__ == "__main__":
    main()
