"""Decoding word by word: greedy and beam search."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from qrnn_qiskit.hidden_state import HiddenState

__all__ = ["search"]


def search(
    step: Callable[[Tensor, HiddenState], tuple[Tensor, HiddenState]],
    state: HiddenState,
    *,
    start: int,
    end: int,
    padding: int,
    max_length: int,
    width: int = 1,
) -> Tensor:
    """Find a probable sequence of tokens for each state by beam search; greedy for width 1.

    Hypotheses are ranked by their log-probability while they grow, and by the log-probability per
    token at the end, which does not favour short ones.

    Args:
        step: Maps the last tokens (B * width,) int64 and states to log-probabilities
            (B * width, V) and new states; the hypotheses of a sequence are adjacent.
        state: Initial state of B sequences.
        start, end, padding: The first token, which is not returned, the last one, which is, and
            the filler after it.
        max_length: Maximal number of tokens; hypotheses without an end are cut there.
        width: Number of hypotheses kept for each sequence.

    Returns:
        The tokens, (B, max_length) int64.
    """
    count = len(state)
    first = torch.arange(count)[:, None] * width  # the first hypothesis of each sequence
    tokens = torch.full((count, width, max_length), padding)
    scores = state.readouts.new_full((count, width), -math.inf)
    scores[:, 0] = 0.0  # all start equal: only one of them counts
    finished = torch.zeros(count, width, dtype=torch.bool)
    last = torch.full((count * width,), start)
    state = state[torch.arange(count).repeat_interleave(width)]
    for position in range(max_length):
        logarithms, state = step(last, state)
        logarithms = logarithms.reshape(count, width, -1).clone()
        size = logarithms.shape[2]
        logarithms[finished] = -math.inf
        logarithms[..., padding] = torch.where(finished, 0.0, -math.inf)
        scores, best = (scores[:, :, None] + logarithms).flatten(1).topk(width)
        origin, token = best // size, best % size
        tokens = tokens.gather(1, origin[:, :, None].expand_as(tokens))
        tokens[:, :, position] = token
        finished = finished.gather(1, origin) | (token == end)
        if bool(finished.all()):
            break
        last, state = token.flatten(), state[(first + origin).flatten()]
    lengths = (tokens != padding).sum(dim=2).clamp(min=1)
    chosen = (scores / lengths).argmax(dim=1)
    return tokens[torch.arange(count), chosen]
