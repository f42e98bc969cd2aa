"""The scale of each column of a series: fitted on training rows, checked wherever it is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from qrnn_qiskit.tasks.data.data_error import NOTES, DataError

__all__ = ["fit_scale", "standardize"]

ROUNDING = 1e-12  # a range below this share of the values is an error of rounding
LARGEST = 1e30  # beyond, squares and products leave the range of float32
SMALLEST = 1e-30
FAR = 1e3  # standard deviations that get a warning
TOO_FAR = 1e6  # standard deviations with which nothing can be computed


def fit_scale(
    training: NDArray[np.float64], columns: Sequence[str], place: str, num_targets: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit mean and standard deviation of each column, the ``num_targets`` targets first.

    An input that is constant, or constant but for rounding, has deviation 1 and is only centred; a
    warning names it.

    Raises:
        DataError: The target is constant, or the values of a column are too large or too close to
            one another; the message names the column.
    """
    largest = np.abs(training).max(axis=0)
    for name, value in zip(columns, largest, strict=True):
        if value > LARGEST:
            raise DataError(
                f"{place}: column {name!r} has values up to {value:.3g}; expected at most "
                f"{LARGEST:g}: give it in another unit"
            )
    spread = np.ptp(training, axis=0)
    constant = spread <= ROUNDING * largest
    deviation = training.std(axis=0)
    for column, name in enumerate(columns):
        if constant[column]:
            _report_constant(
                name, column < num_targets, float(spread[column]), len(training), place
            )
        elif deviation[column] < SMALLEST:
            raise DataError(
                f"{place}: column {name!r} has values that differ by only {spread[column]:.3g}; "
                f"expected a standard deviation of at least {SMALLEST:g}: give it in another unit"
            )
    deviation[constant] = 1.0
    return training.mean(axis=0), deviation


def _report_constant(name: str, is_target: bool, spread: float, count: int, place: str) -> None:
    but = "" if spread == 0 else f" but for rounding (they differ by {spread:.1e})"
    if is_target:
        raise DataError(
            f"{place}: column {name!r} has the same value in all {count} training rows{but}; "
            "there is nothing to learn"
        )
    NOTES.warning(
        "%s: column %r has the same value in all %d training rows%s; it is only centred, and the "
        "model can learn nothing from it",
        place,
        name,
        count,
        but,
    )


def standardize(
    values: NDArray[np.float64],
    mean: NDArray[np.float64],
    deviation: NDArray[np.float64],
    columns: Sequence[str],
    place: str,
    locate: Callable[[int], str] = lambda row: f"row {row + 1}",
) -> NDArray[np.float64]:
    """Standardize columns; a warning names a column with a value of more than 1,000 deviations.

    ``locate`` describes the place of a row, counted from 0, for these messages.

    Raises:
        DataError: A value is more than 1,000,000 standard deviations from the mean of the training
            rows; the message names its column and row.
    """
    for column, name in enumerate(columns):
        with np.errstate(over="ignore"):  # an infinite distance is refused below
            distance = np.abs((values[:, column] - mean[column]) / deviation[column])
        row = int(distance.argmax())
        if distance[row] <= FAR:
            continue
        found = (
            f"{place}, {locate(row)}, column {name!r}: {values[row, column]:.6g} is "
            f"{distance[row]:.1e} standard deviations from the mean of the training rows, "
            f"{mean[column]:.6g}"
        )
        if distance[row] > TOO_FAR:
            raise DataError(f"{found}; correct the value, or rescale the column")
        NOTES.warning("%s; the model has seen nothing like it", found)
    scaled: NDArray[np.float64] = (values - mean) / deviation
    return scaled
