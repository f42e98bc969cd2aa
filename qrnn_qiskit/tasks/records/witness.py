"""The witness of contextuality of the Peres-Mermin square, from records of its observables.

A context is a row or a column of the square: three observables that commute. Where they are
measured in succession, the product of their outcomes +1 and -1 is +1, and -1 in the last column. If
each observable had a value in advance, whatever is measured beside it, then

    <R1> + <R2> + <R3> + <C1> + <C2> - <C3>

were at most 4; quantum mechanics gives 6 for every state (Cabello, Phys. Rev. Lett. 101, 210401,
2008; measured on ions by Kirchmair et al., arXiv:0904.1655). It is assumed that a measurement does
not disturb one that commutes with it, which noise does: the bound is one for ideal measurements.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qrnn_qiskit.metrics import MeanAndError

__all__ = ["CONTEXTS", "SIGNS", "average_contexts", "measure_contexts", "summarize_contexts"]

# The tokens of the square, row by row.
_CELLS = np.arange(9).reshape(3, 3)
CONTEXTS = dict(zip(("R1", "R2", "R3", "C1", "C2", "C3"), [*_CELLS, *_CELLS.T], strict=True))
"""The tokens of each context."""
SIGNS = dict(zip(CONTEXTS, (1, 1, 1, 1, 1, -1), strict=True))
"""The product of the three observables of each context."""


def measure_contexts(tokens: Tensor, records: Tensor) -> dict[str, Tensor]:
    """Count the places where a context is measured in succession, and add up the products there.

    Args:
        tokens: (N, T) the observable that each step measures.
        records: (N, shots, T) the outcomes, 0 for +1 and 1 for -1.

    Returns:
        For each context ``places_R1`` (N,), the number of places, and ``products_R1`` (N,), the sum
        over these places of the mean product over the shots; and ``shots`` (N,).
    """
    measured, outcomes = tokens.numpy(), records.numpy()
    signs = 1 - 2 * outcomes.astype(np.int64)
    products = (signs[..., :-2] * signs[..., 1:-1] * signs[..., 2:]).mean(1)
    triples = np.stack([measured[:, start : measured.shape[1] - 2 + start] for start in range(3)])
    triples = np.sort(triples, 0)
    values: dict[str, NDArray[np.float64]] = {}
    for name, members in CONTEXTS.items():
        is_place = (triples == members[:, None, None]).all(0)
        values[f"places_{name}"] = is_place.sum(1).astype(float)
        values[f"products_{name}"] = (products * is_place).sum(1)
    values["shots"] = np.full(len(measured), float(outcomes.shape[1]))
    return {name: torch.from_numpy(each) for name, each in values.items()}


def average_contexts(values: Mapping[str, Tensor]) -> dict[str, MeanAndError]:
    """Average the product of each context that was measured, with the error of its shots.

    The error is that of a share with one more shot of each kind, which is never 0.
    """
    found = {}
    for name in CONTEXTS:
        places = values[f"places_{name}"].sum().item()
        if places:
            mean = values[f"products_{name}"].sum().item() / places
            count = places * values["shots"][0].item()
            share = ((1 + mean) / 2 * count + 1) / (count + 2)
            found[name] = MeanAndError(mean, 2 * (share * (1 - share) / count) ** 0.5)
    return found


def summarize_contexts(values: Mapping[str, Tensor]) -> dict[str, MeanAndError]:
    """Compute the ``witness`` with its standard error.

    The error is that of the mean over sequences, whose places differ in what was measured before,
    or that of the shots where it is larger. There is no witness where fewer than two sequences
    measure a context.
    """
    if min(int((values[f"places_{name}"] > 0).sum()) for name in CONTEXTS) < 2:
        return {}
    means = average_contexts(values)
    witness, of_shots = 0.0, 0.0
    by_sequence = torch.zeros(len(values["shots"]), dtype=torch.float64)
    for name, (mean, error) in means.items():
        places, products = values[f"places_{name}"], values[f"products_{name}"]
        witness += SIGNS[name] * mean
        of_shots += 0.0 if error is None else error**2
        by_sequence += SIGNS[name] * (products - mean * places) / places.mean()
    of_sequences = by_sequence.var(correction=1).item() / len(by_sequence)
    return {"witness": MeanAndError(witness, max(of_shots, of_sequences) ** 0.5)}
