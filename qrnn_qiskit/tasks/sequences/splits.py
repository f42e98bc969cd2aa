"""The splits of a dataset: as it gives them, or drawn at random."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qrnn_qiskit.tasks.data.data_error import DataError
from qrnn_qiskit.tasks.data.dataset import SPLITS, Dataset
from qrnn_qiskit.tasks.data.splitting import SplitSettings

__all__ = ["divide"]


def divide(data: Dataset, settings: SplitSettings) -> list[NDArray[np.int64]]:
    """Divide a dataset into training, validation and test sequences.

    Splits that the dataset does not give are drawn from its training sequences, or from all: of
    each class the share of the settings, but at least one sequence.

    Returns:
        The positions of the sequences of each split.

    Raises:
        DataError: A split is empty, or a class has no sequence in one of them.
    """
    given = np.zeros(len(data), np.int8) if data.split is None else data.split
    parts = [np.flatnonzero(given == split) for split in range(len(SPLITS))]
    drawn = [split for split in (1, 2) if not len(parts[split])]
    if drawn:
        shares = {1: settings.validation_fraction, 2: settings.test_fraction}
        chosen = _draw(data, parts[0], [shares[split] for split in drawn], settings.split_seed)
        for split, part in zip((0, *drawn), chosen, strict=True):
            parts[split] = part
    if not len(parts[0]):
        raise DataError("expected at least one sequence in the split train, got none")
    _require_classes(data, parts)
    return parts


def _draw(
    data: Dataset, rows: NDArray[np.int64], shares: list[float], seed: int
) -> list[NDArray[np.int64]]:
    """Draw parts of these shares from the sequences in ``rows``; the rest comes first."""
    targets = data.targets
    by_class = targets.goal == "classes" and not targets.is_stepwise
    strata = targets.numbers[rows] if by_class else np.zeros(len(rows), np.int64)
    # RandomState is frozen across NumPy versions, so a trained model keeps its split.
    random = np.random.RandomState(seed)
    found: list[list[NDArray[np.int64]]] = [[] for _ in range(len(shares) + 1)]
    for stratum in np.unique(strata) if len(rows) else [0]:
        members = random.permutation(rows[strata == stratum])
        sizes = [max(1, round(share * len(members))) for share in shares]
        if len(members) <= sum(sizes):
            whose = f" of the class {targets.classes[stratum]!r}" if by_class else ""
            raise DataError(
                f"expected at least {len(sizes) + 1} sequences{whose} to draw the splits from, got "
                f"{len(members)}; give more of them, smaller fractions, or the splits"
            )
        cuts = np.cumsum([len(members) - sum(sizes), *sizes])[:-1]
        for part, chosen in zip(found, np.split(members, cuts), strict=True):
            part.append(chosen)
    return [random.permutation(np.concatenate(part)) for part in found]


def _require_classes(data: Dataset, parts: list[NDArray[np.int64]]) -> None:
    """Require every class in every split; of classes of steps, only in the training split."""
    targets = data.targets
    if targets.goal != "classes":
        return
    for name, part in zip(SPLITS, parts, strict=True):
        counts = np.bincount(
            targets.numbers[part][targets.numbers[part] >= 0], minlength=targets.size
        )
        if counts.all():
            continue
        missing = int(np.argmin(counts))
        total = int((targets.numbers == missing).sum())
        unit = "steps" if targets.is_stepwise else "sequences"
        raise DataError(
            f"the class {targets.classes[missing]!r} has no sequence in the split {name} ({total} "
            f"{unit} in all); give more of it, leave it out, or choose other splits"
        )
