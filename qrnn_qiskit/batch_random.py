"""Random numbers for a batch, the same whether one process or several share its sequences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["Draws", "Dropout", "Share", "hold_share"]


@dataclass(frozen=True)
class Share:
    """The sequences of a batch that one of several processes runs.

    Attributes:
        rows: Their indices in the batch.
        total: Number of sequences of the batch.
        is_empty: Whether the batch has no sequence for this process. It then runs the first one,
            so that all processes do the same work, but does not count it.
    """

    rows: slice
    total: int
    is_empty: bool = False

    @property
    def size(self) -> int:
        """Number of sequences that this process runs."""
        return len(range(*self.rows.indices(self.total)))

    @property
    def weight(self) -> float:
        """Fraction of the batch that counts."""
        return 0.0 if self.is_empty else self.size / self.total


_held: ContextVar[Share | None] = ContextVar("share", default=None)


@contextmanager
def hold_share(share: Share) -> Iterator[None]:
    """Treat every batch of ``share.size`` sequences in this context as this share of a batch."""
    token = _held.set(share)
    try:
        yield
    finally:
        _held.reset(token)


class Draws:
    """Random numbers for the sequences of a batch, step after step.

    They are drawn on ``device`` for the whole batch, of which a process takes its share. One number
    of torch's generator on the CPU seeds them all, so that the next batch does not depend on the
    number of steps of this one.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        seed = int(torch.randint(2**62, (), device="cpu"))
        self._generator = torch.Generator(device).manual_seed(seed)

    def keep(self, num_steps: int, like: Tensor, probability: float) -> Tensor:
        """Draw dropout factors (T, B, ...) for ``like`` (B, ...): 0, or 1 / (1 - probability)."""
        total, rows = _find_share(len(like))
        kept = like.new_empty(num_steps, total, *like.shape[1:])
        kept.bernoulli_(1.0 - probability, generator=self._generator)
        return kept[:, rows].div_(1.0 - probability)

    def choose(self, weights: Tensor, batch_size: int) -> Tensor:
        """Draw an index (B * N,) for each row of ``weights`` (B * N, C), in proportion to them.

        The N rows of a sequence are contiguous.
        """
        total, rows = _find_share(batch_size)
        waits = weights.new_empty(total, len(weights) // batch_size, weights.shape[1])
        waits.exponential_(generator=self._generator)
        # The event with the shortest exponential waiting time is drawn in proportion to its rate.
        return (weights / waits[rows].flatten(0, 1)).argmax(1)


class Dropout(nn.Dropout):
    """:class:`torch.nn.Dropout` for (B, H) or (B, T, H), drawn by :class:`Draws`."""

    def forward(self, input: Tensor) -> Tensor:
        """Drop units in training mode."""
        if not self.training or self.p == 0 or input.dim() < 2:
            return super().forward(input)
        draws = Draws(input.device)
        if input.dim() == 2:
            return input * draws.keep(1, input, self.p)[0]
        return input * draws.keep(input.shape[1], input[:, 0], self.p).transpose(0, 1)


def _find_share(batch_size: int) -> tuple[int, slice]:
    """Return the number of sequences to draw for, and the rows of this batch among them."""
    share = _held.get()
    if share is None or share.size != batch_size:
        return batch_size, slice(None)
    return share.total, share.rows
