from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qrnn_qiskit import metrics


def test_cross_entropy_of_one_target_is_minus_its_log_probability() -> None:
    probabilities = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]], dtype=torch.float64)
    values = metrics.cross_entropy(probabilities.log() + 3.0, torch.tensor([0, 1]))
    assert values.tolist() == pytest.approx([math.log(2), math.log(5)], abs=1e-12)


def test_cross_entropy_and_accuracy_average_over_steps() -> None:
    probabilities = torch.tensor([[[0.5, 0.5], [0.2, 0.8], [0.9, 0.1], [0.4, 0.6]]])
    targets = torch.tensor([[1, 1, 1, 0]])
    expected = -np.log([0.5, 0.8, 0.1, 0.4]).mean()
    assert metrics.cross_entropy(probabilities.log(), targets).tolist() == pytest.approx([expected])
    assert metrics.accuracy(probabilities.log(), targets).tolist() == [0.25]


@settings(max_examples=20, deadline=None)
@given(count=st.integers(1, 6), steps=st.integers(1, 5), seed=st.integers(0, 2**16))
def test_a_sequence_has_the_same_value_alone_as_in_a_batch(
    count: int, steps: int, seed: int
) -> None:
    random = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, steps, 4, generator=random)
    targets = torch.randint(4, (count, steps), generator=random)
    for metric in (metrics.cross_entropy, metrics.accuracy):
        together = metric(logits, targets)
        alone = torch.cat([metric(logits[[i]], targets[[i]]) for i in range(count)])
        assert torch.allclose(together, alone, atol=1e-6)


def test_normalized_squared_error_averages_to_the_nmse() -> None:
    prediction = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    targets = torch.tensor([[1.0, 4.0], [0.0, 5.0]])
    values = metrics.normalized_squared_error(prediction, targets, variance=4.0)
    assert values.tolist() == [0.5, 1.125]


def test_estimate_mean_gives_the_standard_error_of_the_mean() -> None:
    values = torch.tensor([1.0, 2.0, 4.0, 9.0])
    estimate = metrics.estimate_mean(values)
    assert estimate.value == 4.0
    assert estimate.standard_error == pytest.approx(np.std(values.numpy(), ddof=1) / 2)


def test_one_sequence_has_no_standard_error() -> None:
    assert metrics.estimate_mean(torch.tensor([2.5])) == (2.5, None)


@pytest.mark.parametrize("shape", [(0,), (2, 2)])
def test_estimate_mean_refuses_what_is_no_list_of_values(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"shape \(sequences,\)"):
        metrics.estimate_mean(torch.zeros(shape))


def test_shapes_that_would_broadcast_are_refused() -> None:
    with pytest.raises(ValueError, match=r"same shape \(sequences, horizon\)"):
        metrics.normalized_squared_error(torch.zeros(4, 1), torch.zeros(4))
    with pytest.raises(ValueError, match="int64 classes"):
        metrics.cross_entropy(torch.zeros(4, 3), torch.zeros(4))
    with pytest.raises(ValueError, match="int64 classes"):
        metrics.accuracy(torch.zeros(4, 3), torch.zeros(1, dtype=torch.int64))


@pytest.mark.parametrize(
    ("share", "count", "low", "high"),
    [  # Wilson's interval by statsmodels, proportion_confint(method="wilson")
        (1.0, 10, 0.7224672001371107, 1.0),
        (0.0, 10, 0.0, 0.27753279986288926),
        (0.5, 10, 0.236593090512564, 0.7634069094874361),
        (1.0, 1, 0.2065493143772375, 1.0),
        (0.947, 397, 0.9203699090905204, 0.9650624537299213),
    ],
)
def test_an_interval_of_a_proportion_is_wilsons(
    share: float, count: int, low: float, high: float
) -> None:
    assert metrics.estimate_interval(share, count) == pytest.approx((low, high), abs=1e-12)


@pytest.mark.parametrize(("share", "count"), [(-0.1, 5), (1.1, 5), (math.nan, 5), (0.5, 0)])
def test_an_interval_of_no_proportion_is_refused(share: float, count: int) -> None:
    with pytest.raises(ValueError, match="share from 0 to 1 of at least one"):
        metrics.estimate_interval(share, count)


@settings(max_examples=50, deadline=None)
@given(count=st.integers(1, 500), data=st.data())
def test_an_interval_contains_its_share_and_has_a_width(count: int, data: st.DataObject) -> None:
    share = data.draw(st.integers(0, count)) / count
    low, high = metrics.estimate_interval(share, count)
    assert 0 <= low <= share <= high <= 1
    assert high > low
