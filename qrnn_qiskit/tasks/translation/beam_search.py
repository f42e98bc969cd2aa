"""Word after word: greedy and beam search."""

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
    """The most probable sequence of tokens for each state, by beam search; greedy for width 1.

    Hypotheses are compared by their log-probability while they grow and by that per token at the
    end, which does not favour short ones.

    Args:
        step: from the last tokens (B * width,) int64 and states, log-probabilities (B * width, V)
            and new states; the hypotheses of a sequence stand side by side.
        state: of B sequences.
        start, end, padding: the first token, which is not returned, the last one, which is, and
            what fills the rest.
        max_length: most tokens; hypotheses that have no end by then are taken as they are.
        width: hypotheses kept for each sequence.

    Returns:
        (B, max_length) int64.
    """
    count = len(state)
    first = torch.arange(count)[:, None] * width  # the first hypothesis of each sequence
    tokens = torch.full((count, width, max_length), padding)
    scores = state.readouts.new_full((count, width), -math.inf)
    scores[:, 0] = 0.0  # all begin alike: only one of them counts
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
