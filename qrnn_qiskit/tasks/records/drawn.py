"""Records that a device drew, judged by the exact process.

A device predicts nothing: it has the outcomes. Where the exact process leaves no choice, they come
true or not. An outcome against it counts as misread, so that the process goes on from the other
one. The log-loss is that of the exact process if it trusts determined outcomes as far as they come
true: with the share d of determined outcomes, of which the share q comes true,

    (1 - d) log 2 + d h(q),   h(q) = -q log q - (1 - q) log(1 - q).

Without errors it is the entropy of the process, and its excess over that is d h(q).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from qrnn_qiskit.metrics import MeanAndError, estimate_mean
from qrnn_qiskit.tasks.base import Sequences
from qrnn_qiskit.tasks.records.paulis import find_probabilities

__all__ = ["is_drawn", "measure_drawn", "summarize_drawn"]


def is_drawn(prediction: Tensor) -> bool:
    """Return whether a prediction is records (N, shots, T) uint8, and not logarithms (N, T, 2)."""
    return prediction.dtype == torch.uint8


def measure_drawn(labels: Sequence[str], records: Tensor, batch: Sequences) -> dict[str, Tensor]:
    """Measure the shares of determined and of wrong outcomes among all of a sequence, (N,) each.

    Args:
        labels: The Paulis behind the tokens.
        records: (N, shots, T).
        batch: The tokens of the sequences; their outcomes are not read.
    """
    count, shots, steps = records.shape
    tokens = batch.inputs[..., 0].numpy()
    outcomes = records.numpy()
    ones = find_probabilities(labels, np.repeat(tokens, shots, 0), outcomes.reshape(-1, steps))
    ones = ones.reshape(count, shots, steps)
    shares = {"determined_share": ones != 0.5, "wrong_share": np.abs(outcomes - ones) == 1}
    return {name: torch.from_numpy(each.mean((1, 2))) for name, each in shares.items()}


def summarize_drawn(values: Mapping[str, Tensor]) -> dict[str, MeanAndError]:
    """Compute the metrics of the tasks from the shares of :func:`measure_drawn`, and one more.

    ``determined_true`` is the share of determined outcomes that come true; it is left out, with
    ``determined_loss``, where no outcome is determined.
    """
    determined, wrong = values["determined_share"].double(), values["wrong_share"].double()
    share = determined.mean().item()
    found = {"determined_share": estimate_mean(determined)}
    if share == 0:  # nothing that could come true: the entropy is all there is
        log_loss = MeanAndError(math.log(2), 0.0)
        return found | {"excess": MeanAndError(0.0, 0.0), "log_loss": log_loss}
    true = 1 - wrong.mean().item() / share
    loss = _find_entropy(true)
    # The errors of functions of means, to first order: those of the mean of what a sequence adds.
    by_true = ((1 - true) * determined - wrong) / share
    slope = math.log((1 - true) / true) if 0 < true < 1 else 0.0
    by_excess = determined * loss + share * slope * by_true
    excess = share * loss
    parts = {
        "excess": (excess, by_excess),
        "log_loss": ((1 - share) * math.log(2) + excess, by_excess - determined * math.log(2)),
        "determined_loss": (loss, slope * by_true),
        "determined_true": (true, by_true),
    }
    return found | {
        name: MeanAndError(value, estimate_mean(each).standard_error)
        for name, (value, each) in parts.items()
    }


def _find_entropy(share: float) -> float:
    """Return the entropy of a bit in nats."""
    return -sum(each * math.log(each) for each in (share, 1 - share) if each > 0)
