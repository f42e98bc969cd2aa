"""Feed-forward without bias from readout errors, by random functions of the bits.

The method of arXiv:2406.07611. A misread bit selects a wrong branch, and no processing of the
results undoes that. But the inverse of the readout error is a mixture of the four functions of a
bit, with weights that add up to 1, some of them negative. In each run every bit that is fed forward
goes through a random function, and the results are added up with the weights. The mean is that of
error-free bits; its variance grows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "FUNCTIONS",
    "Draws",
    "Mean",
    "ShotSplit",
    "draw_functions",
    "find_heard",
    "find_overhead",
    "invert_registers",
    "split_shots",
    "weigh_functions",
]

# What a branch hears for a recorded bit of 0 and 1: the bit, its opposite, always 0, always 1.
FUNCTIONS = np.array([[0, 1], [1, 0], [0, 0], [1, 1]])

_ROW_SHOTS = 40  # the most shots of a row, which share the functions
_LEAST_ROWS = 16
_LEAST_REDIRECTED = 4
_SPARE = 1e-4  # in the drawing of functions, so that none is impossible

Values = NDArray[np.float64]


class ShotSplit(NamedTuple):
    """The shots of a circuit divided over rows of values, each with its own functions.

    Attributes:
        rows: Rows of each set of values.
        shots: Shots of a row.
    """

    rows: int
    shots: int


def split_shots(shots: int) -> ShotSplit:
    """Divide shots over rows; a remainder of less than one row is not run.

    There are at least 16 rows, as far as the shots suffice, of at most 40 shots each. Each row
    counts as a circuit for the limits of the service.
    """
    each = min(_ROW_SHOTS, max(1, shots // _LEAST_ROWS))
    return ShotSplit(shots // each, each)


def weigh_functions(errors: Values, like: Values | None = None) -> Values:
    """Return the weights of the functions of a bit whose mixture undoes its readout error.

    Args:
        errors: (..., 2) probabilities that 0 is read as 1 and that 1 is read as 0.
        like: Errors that decide which of the constants is used; ``errors`` by default.

    Returns:
        (..., 4) in the order of ``FUNCTIONS``; they add up to 1.
    """
    zero, one = errors[..., 0], errors[..., 1]
    chosen = errors if like is None else like
    first = chosen[..., 0] >= chosen[..., 1]
    larger, rest = np.where(first, zero, one), np.where(first, zero - one, one - zero)
    weights = np.stack([1 - larger, -larger, rest * first, rest * ~first], -1)
    found: Values = weights / (1 - zero - one)[..., None]
    return found


def find_overhead(errors: Values, num_steps: int, rows: int | None = None) -> float:
    """Return the factor on the standard errors of the readouts after T steps.

    With shots of all rows in proportion to the probability of their functions it is the product of
    the absolute weights of all bits that are fed forward: those of every step but the last. For
    equal errors r of both bits that is 1 / (1 - 2 r) for each bit. With few rows more of them are
    redirected than in proportion.

    Args:
        errors: (R, m, 2), see :func:`weigh_functions`; those of one register, unless an observable
            joins several.
        num_steps: T.
        rows: Rows of each set of values; any number by default.
    """
    weights = weigh_functions(errors)
    total, kept = np.abs(weights).sum(-1).prod(), np.abs(weights[..., 0]).prod()
    total, kept = float(total ** (num_steps - 1)), float(kept ** (num_steps - 1))
    share = 1 - kept / total
    if rows is None or share < _SPARE:
        return total
    others = _count_redirected(rows, share)
    plain = kept**2 / (rows - others)
    return math.sqrt(rows * (plain + share * (total**2 - kept**2 / (1 - share)) / others))


def _count_redirected(rows: int, share: float) -> int:
    """Return how many rows have other functions than the bits, by the probability of those."""
    count = max(math.ceil(rows * share), min(_LEAST_REDIRECTED, rows // 2))
    return min(count, rows - max(2, rows // 8))


def invert_registers(errors: Values) -> Values:
    """Return for each register the matrix that undoes the readout errors of its bits.

    Args:
        errors: (R, m, 2), see :func:`weigh_functions`.

    Returns:
        (R, 2^m, 2^m), [true value, recorded value].
    """
    matrices = []
    for bits in errors:
        whole: Values = np.ones((1, 1))
        for zero, one in bits:  # bit 0 is the least significant
            inverse = np.linalg.inv([[1 - zero, one], [zero, 1 - one]])
            whole = np.asarray(np.kron(inverse, whole), np.float64)
        matrices.append(whole)
    return np.stack(matrices)


@dataclass(frozen=True)
class Draws:
    """Functions of the bits that are fed forward, drawn for B sets of values.

    Attributes:
        plain: Rows of each set in which every branch hears its bits as they are recorded.
        functions: (B, N, T - 1, R, m) those of the other N rows, as indices of ``FUNCTIONS``.
        share: Probability of the other rows if all functions were drawn freely.
        chances: (R, m, 4), or (T - 1, R, m, 4), probability of each function.
    """

    plain: int
    functions: NDArray[np.int64]
    share: float
    chances: Values

    @property
    def rows(self) -> int:
        """The rows of each set of values."""
        return self.plain + int(self.functions.shape[1])

    def weigh(self, weights: Values) -> Values:
        """Return the weight of the rows that are not plain, for results after each step.

        Args:
            weights: Of the functions of each bit, see :func:`weigh_functions`, in the shape of
                ``chances``.

        Returns:
            (B, N, T) the weight of what is measured in step t: the product over the functions of
            the steps before it, over the probability with which they were drawn.
        """
        steps, registers, bits = self.functions.shape[2:]
        ratios = np.broadcast_to(weights / self.chances, (steps, registers, bits, 4))[
            np.arange(steps)[:, None, None],
            np.arange(registers)[:, None],
            np.arange(bits),
            self.functions,
        ]
        product = np.cumprod(ratios.prod((3, 4)), axis=2)
        first = np.ones((*product.shape[:2], 1))
        return np.concatenate((first, product), 2)

    def average(self, weights: Values, results: Values, largest: Values | float) -> Mean:
        """Return the weighted mean of the results of all rows of each set.

        The plain rows come first. Their mean is subtracted from the other rows and added again with
        the sum of all weights, which is known: 1.

        Args:
            weights: (B, N, ...) see :meth:`weigh`, of the same dimensions as ``results``.
            results: (B, rows, ...).
            largest: The largest possible variance of a result, of the same dimensions as one. The
                variance between rows is taken as if two more rows had shown it: never 0, and not
                far too small by chance where there are few rows.
        """
        plain, others = results[:, : self.plain], results[:, self.plain :]
        mean = plain.mean(1)
        variance = _estimate_variance(plain, largest)
        if not others.shape[1]:
            return Mean(mean, variance)
        excess = weights * (others - mean[:, None])
        share = 1 - self.share * weights.mean(1)  # of the plain rows in the estimate
        most = 2 * largest * (weights**2).mean(1)  # that of a difference of two results
        variance = share**2 * variance + self.share**2 * _estimate_variance(excess, most)
        return Mean(mean + self.share * excess.mean(1), variance)


def _estimate_variance(results: Values, largest: Values | float) -> Values:
    """Estimate the variance of the mean of results (B, rows, ...)."""
    rows = results.shape[1]
    squares = ((results - results.mean(1, keepdims=True)) ** 2).sum(1)
    found: Values = (squares + 2 * largest) / (rows + 1) / rows
    return found


class Mean(NamedTuple):
    """Means and the variances of these estimates."""

    values: Values
    variances: Values


def draw_functions(
    random: np.random.Generator, errors: Values, num_steps: int, batch: int, rows: int
) -> Draws:
    """Draw the functions of the bits of T steps for each row of ``batch`` sets of values.

    Most rows are plain where errors are small. Their number is fixed, in proportion to their
    probability, and only the other rows are drawn: with at least one function that is not the bit.

    Args:
        random: Source of the draws.
        errors: (R, m, 2), or (T - 1, R, m, 2) where they differ between the steps, see
            :func:`weigh_functions`.
        num_steps: T.
        batch: B.
        rows: Rows of each set, at least 4.
    """
    sizes = np.abs(weigh_functions(errors)) + _SPARE
    chances = sizes / sizes.sum(-1, keepdims=True)
    shape = (num_steps - 1, *errors.shape[-3:-1])
    each = np.broadcast_to(chances, (*shape, 4)).reshape(-1, 4)
    kept = np.concatenate(([1.0], np.cumprod(each[:, 0])))  # no other function before each bit
    share = 1 - kept[-1]
    if not len(each):
        return Draws(rows, np.zeros((batch, 0, *shape), np.int64), 0.0, chances)
    count = _count_redirected(rows, share)
    total = batch * count
    drawn = _draw(random, each, total)
    first = _draw(random, (kept[:-1] * (1 - each[:, 0]) / share)[None], total)[:, 0]
    others = each[:, 1:] / each[:, 1:].sum(-1, keepdims=True)
    places = np.arange(len(each))
    drawn[places < first[:, None]] = 0
    drawn[np.arange(total), first] = 1 + _draw(random, others, total)[np.arange(total), first]
    return Draws(rows - count, drawn.reshape(batch, count, *shape), share, chances)


def _draw(random: np.random.Generator, chances: Values, count: int) -> NDArray[np.int64]:
    """Draw one of several choices at each of M places, ``count`` times: (count, M)."""
    limits = np.cumsum(chances, 1)[:, :-1]
    drawn = random.random((count, len(chances)))
    found: NDArray[np.int64] = (drawn[:, :, None] >= limits).sum(2)
    return found


def find_heard(draws: Draws) -> NDArray[np.int64]:
    """Return the register value that each branch hears instead of each recorded value.

    Returns:
        (B * rows, T - 1, R, 2^m), the plain rows of each set first; bit a of a value is that of
        ancilla a.
    """
    batch, count, steps, registers, bits = draws.functions.shape
    values = np.arange(1 << bits)
    heard = np.zeros((batch, draws.rows, steps, registers, 1 << bits), np.int64)
    heard[:, : draws.plain] = values
    for bit in range(bits):
        by_value = FUNCTIONS[draws.functions[..., bit]][..., (values >> bit) & 1]
        heard[:, draws.plain :] |= by_value << bit
    assert count + draws.plain == heard.shape[1]
    return heard.reshape(batch * draws.rows, steps, registers, 1 << bits)
