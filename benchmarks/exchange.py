"""Exchange the hidden states of two records and see whether the prediction follows the state.

    python benchmarks/exchange.py RUN [RUN ...]

A RUN is a run folder of the task ``square`` or ``stabilizer``. Records are drawn in pairs whose
last observable, its outcome and the next observable are the same, so that from there on the inputs
of both are the same and only the states differ. Counted are pairs whose exact probabilities of the
next outcome differ. Prints, for each run:

- own: mean distance of the prediction from the exact probability after its own past;
- exchanged, other past: distance of the prediction from the state of the other record from the
  exact probability after the past of the other record. As small as ``own`` if the state is all that
  the model remembers;
- exchanged, own past: distance from the exact probability after its own past. Large if the model
  remembers nothing elsewhere.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from qrnn_qiskit import load
from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.tasks.base import Sequences, TaskModel
from qrnn_qiskit.tasks.records.measurements import PauliTask
from qrnn_qiskit.tasks.records.paulis import draw_outcomes


def main() -> None:
    """Print the distances of every run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--pairs", type=int, default=4000, help="pairs drawn")
    parser.add_argument("--steps", type=int, default=12, help="outcomes before the exchange")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print("| run | pairs | own | exchanged, other past | exchanged, own past |")
    print("|---|---|---|---|---|")
    for path in arguments.runs:
        trained = load(path)
        if not isinstance(trained.task, PauliTask):
            parser.error(f"{path} is a run of the task {trained.task.name!r}; give one of square")
        records, exact = draw_pairs(trained.task, arguments)
        own, exchanged = exchange(trained.model, records)
        other = swap(exact)
        figures = [(own - exact), (exchanged - other), (exchanged - exact)]
        means = " | ".join(f"{float(each.abs().mean()):.4f}" for each in figures)
        print(f"| {path} | {len(records) // 2} | {means} |")


def draw_pairs(task: PauliTask, arguments: argparse.Namespace) -> tuple[Tensor, Tensor]:
    """Return records (N, T + 1, 2), rows 2i and 2i + 1 a pair, and the exact last probabilities."""
    random = np.random.default_rng([arguments.seed, 3])
    shape = (arguments.pairs, 2, arguments.steps + 1)
    tokens = random.integers(len(task.labels), size=shape)
    tokens[:, 1, -2:] = tokens[:, 0, -2:]
    flat = tokens.reshape(-1, shape[-1])
    outcomes, probabilities = draw_outcomes(task.labels, flat, random)
    last = probabilities.reshape(shape)[..., -1]
    before = outcomes.reshape(shape)[..., -2]
    kept = np.repeat((before[:, 0] == before[:, 1]) & (last[:, 0] != last[:, 1]), 2)
    records = np.stack((flat, outcomes), -1)[kept]
    return torch.from_numpy(records), torch.from_numpy(probabilities[kept, -1])


@torch.no_grad()
def exchange(model: TaskModel, records: Tensor) -> tuple[Tensor, Tensor]:
    """Predict the last outcome from the own state and from that of the other record, (N,) each."""
    model.eval()
    past = Sequences(records[:, :-1], torch.empty(len(records), 0))
    x = model.embed(Sequences(records, torch.empty(len(records), 0)))[:, -1:]
    state = model.run(past)[1]
    partners = swap(torch.arange(len(records)))
    own, exchanged = (predict(model, x, each) for each in (state, state[partners]))
    return own, exchanged


def predict(model: TaskModel, x: Tensor, state: HiddenState) -> Tensor:
    """Return the probability (N,) of a 1 in the only step of x."""
    if model.qrnn.record_size:
        unknown = torch.ones(*x.shape[:2], 1, dtype=x.dtype)
        return model.qrnn.filter(x, unknown, state=state).log_likelihood[:, 0].exp()
    odds = model.head(*model.qrnn(x, state))
    return torch.sigmoid(odds[:, 0, 0])


def swap(values: Tensor) -> Tensor:
    """Exchange the rows 2i and 2i + 1."""
    return values.unflatten(0, (-1, 2)).flip(1).flatten(0, 1)


if __name__ == "__main__":
    main()
