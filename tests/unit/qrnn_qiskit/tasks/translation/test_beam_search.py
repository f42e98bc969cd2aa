"""Search over a Markov chain, whose best sequences can be counted out."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor

from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.tasks.translation.beam_search import search

PADDING, START, END = 0, 1, 2
LENGTH = 4
COUNT = 12


def step(last: Tensor, state: HiddenState) -> tuple[Tensor, HiddenState]:
    """Log-probabilities that depend on the sequence's own table and on all tokens before."""
    memory = (0.7 * state.readouts + last[:, None] / 7).sin()
    random = torch.Generator().manual_seed(1)
    table = torch.randn(3, 6, generator=random)
    logits = memory @ table
    logits[:, [PADDING, START]] = -20.0
    return logits.log_softmax(1), HiddenState(memory)


def make_states(count: int) -> HiddenState:
    torch.manual_seed(2)
    return HiddenState(torch.randn(count, 3))


def find(count: int = COUNT, width: int = 1, max_length: int = LENGTH) -> Tensor:
    return search(
        step,
        make_states(count),
        start=START,
        end=END,
        padding=PADDING,
        max_length=max_length,
        width=width,
    )


def score(sequence: int, tokens: list[int]) -> float:
    """Log-probability of the tokens after each other, per token."""
    state, last, total = make_states(COUNT)[sequence], START, 0.0
    for token in tokens:
        logarithms, state = step(torch.tensor([last]), state)
        total += logarithms[0, token].item()
        last = token
    return total / len(tokens)


def strip(row: list[int]) -> list[int]:
    return [token for token in row if token != PADDING]


def test_width_1_is_greedy() -> None:
    found = find(width=1).tolist()
    for sequence in range(COUNT):
        state, last, tokens = make_states(COUNT)[sequence], START, []
        while last != END and len(tokens) < LENGTH:
            logarithms, state = step(torch.tensor([last]), state)
            last = int(logarithms.argmax())
            tokens.append(last)
        assert strip(found[sequence]) == tokens


def test_a_wide_beam_finds_the_best_of_all_sequences() -> None:
    ended = [[*body, END] for length in range(LENGTH) for body in product((3, 4, 5), repeat=length)]
    sequences = ended + [list(body) for body in product((3, 4, 5), repeat=LENGTH)]
    found = find(width=150).tolist()
    for sequence in range(3):
        best = max(sequences, key=lambda tokens: score(sequence, tokens))
        assert score(sequence, strip(found[sequence])) == pytest.approx(score(sequence, best))


def test_a_wider_beam_finds_better_sequences_than_greedy_search() -> None:
    narrow, wide = find(COUNT, width=1).tolist(), find(COUNT, width=8).tolist()
    gains = [score(i, strip(wide[i])) - score(i, strip(narrow[i])) for i in range(COUNT)]
    assert sum(gains) > 0.01


def test_nothing_comes_after_the_end_and_a_batch_equals_its_parts() -> None:
    for width in (1, 3):
        found = find(width=width)
        for row in found.tolist():
            if END in row:
                assert set(row[row.index(END) + 1 :]) <= {PADDING}
        alone = search(
            step,
            make_states(COUNT)[2],
            start=START,
            end=END,
            padding=PADDING,
            max_length=LENGTH,
            width=width,
        )
        assert torch.equal(alone[0], found[2])
    assert find(max_length=2).shape == (COUNT, 2)
