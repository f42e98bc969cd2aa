"""The splits of a dataset: as it gives them, or drawn at random."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qrnn_qiskit.tasks.data.data_error import DataError
from qrnn_qiskit.tasks.data.dataset import SPLITS, Dataset
from qrnn_qiskit.tasks.data.splitting import SplitSettings, split_stratified

__all__ = ["divide"]


def divide(data: Dataset, settings: SplitSettings) -> list[NDArray[np.int64]]:
    """Divide a dataset into training, validation and test sequences.

    Splits that the dataset does not give are drawn from the sequences that are in no other one,
    with the fractions and the seed of the settings, and with the class shares of the whole.

    Returns:
        The positions of the sequences of each split.

    Raises:
        DataError: A split is empty, or a class has no sequence in one of them.
    """
    given = np.zeros(len(data), np.int8) if data.split is None else data.split
    parts = [np.flatnonzero(given == split) for split in range(len(SPLITS))]
    rest, drawn = parts[0], [split for split in (1, 2) if not len(parts[split])]
    if drawn:
        _, *sizes = settings.divide(len(rest))
        wanted = [sizes[split - 1] for split in drawn]
        left = len(rest) - sum(wanted)
        if min(left, *wanted) < 1:
            names = ", ".join(SPLITS[split] for split in drawn)
            raise DataError(
                f"expected enough sequences to draw the splits {names} from, got {len(rest)}; give "
                "more sequences, other fractions, or the splits"
            )
        targets = data.targets
        by_class = targets.goal == "classes" and not targets.is_stepwise
        strata = targets.numbers[rest] if by_class else np.zeros(len(rest), np.int64)
        chosen = split_stratified(strata, (left, *wanted), settings.split_seed)
        for split, part in zip((0, *drawn), chosen, strict=True):
            parts[split] = rest[part]
    if not len(parts[0]):
        raise DataError("expected at least one sequence in the split train, got none")
    _require_classes(data, parts)
    return parts


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
