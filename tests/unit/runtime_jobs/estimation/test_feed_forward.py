"""Random functions of the bits that are fed forward: their weights, draws and means."""

from __future__ import annotations

import numpy as np
import pytest

from runtime_jobs.estimation.feed_forward import (
    FUNCTIONS,
    draw_functions,
    find_heard,
    find_overhead,
    invert_registers,
    split_shots,
    weigh_functions,
)

ERRORS = np.array([[0.01, 0.04], [0.05, 0.02], [0.03, 0.03], [0.0, 0.02], [0.0, 0.0]])
MATRICES = np.eye(2)[FUNCTIONS].swapaxes(1, 2)  # [function, heard, recorded]


@pytest.mark.parametrize("errors", ERRORS)
def test_the_mixture_of_functions_inverts_the_readout_error(errors: np.ndarray) -> None:
    zero, one = errors
    assignment = np.array([[1 - zero, one], [zero, 1 - one]])
    mixture = np.tensordot(weigh_functions(errors), MATRICES, 1)
    np.testing.assert_allclose(mixture @ assignment, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(invert_registers(errors[None, None])[0], mixture, atol=1e-12)


def test_the_overhead_is_that_of_the_paper() -> None:
    errors = np.full((2, 3, 2), 0.02)
    assert find_overhead(errors, 5) == pytest.approx(1 / (1 - 2 * 0.02) ** (4 * 2 * 3))
    assert find_overhead(errors, 1) == 1.0


def test_shots_are_divided_over_rows() -> None:
    assert split_shots(1000) == (25, 40)
    assert split_shots(16) == (16, 1)
    assert split_shots(4099) == (102, 40)


@pytest.mark.parametrize(("error", "rows"), [(0.005, 25), (0.04, 25), (0.04, 400)])
def test_the_overhead_is_that_of_the_draws(error: float, rows: int) -> None:
    errors, steps, batch = np.full((1, 1, 2), error), 6, 4000
    random = np.random.default_rng(4)
    draws = draw_functions(random, errors, steps, batch, rows)
    weights = draws.weigh(weigh_functions(errors))[:, :, -1:]
    mean = draws.average(weights, random.normal(size=(batch, rows, 1)), 0.0)
    found = mean.values.std() * np.sqrt(rows)
    assert found == pytest.approx(find_overhead(errors, steps, rows), rel=0.05)
    assert find_overhead(errors, steps, rows) >= find_overhead(errors, steps) > 1


@pytest.mark.parametrize("scale", [0.1, 1.0, 4.0])
def test_weights_average_to_one_and_functions_to_the_inverse(scale: float) -> None:
    errors = scale * np.array([[[0.01, 0.04], [0.05, 0.02]]])
    steps, batch, rows = 4, 2000, 40
    draws = draw_functions(np.random.default_rng(1), errors, steps, batch, rows)
    heard = find_heard(draws).reshape(batch, rows, steps - 1, 4)
    assert (heard[:, : draws.plain] == np.arange(4)).all()
    assert (draws.functions != 0).any((2, 3, 4)).all()  # the other rows redirect something
    weights = draws.weigh(weigh_functions(errors))
    # The value that the last step hears, for each recorded one: its mean is the inverse.
    results = np.eye(4)[heard[:, :, -1]].transpose(0, 1, 3, 2)  # [heard, recorded]
    mean = draws.average(weights[:, :, -1, None, None], results, 0.0)
    error = np.sqrt(mean.variances.mean(0) / batch) + 1e-12
    residuals = (mean.values.mean(0) - invert_registers(errors)[0]) / error
    assert np.abs(residuals).max() < 4.5
    # The total weight is exactly 1, whatever was drawn.
    ones = draws.average(weights, np.ones((batch, rows, steps)), 0.0)
    np.testing.assert_allclose(ones.values, 1.0, atol=1e-12)


def test_errors_may_differ_between_the_steps() -> None:
    errors = np.array([[[0.01, 0.04], [0.05, 0.02]]])
    steps, batch, rows = 4, 2000, 40
    each = np.array([0.2, 1.0, 3.0])[:, None, None, None] * errors
    draws = draw_functions(np.random.default_rng(1), each, steps, batch, rows)
    weights, heard = draws.weigh(weigh_functions(each)), find_heard(draws)
    heard = heard.reshape(batch, rows, steps - 1, 4)
    for step in range(steps - 1):
        results = np.eye(4)[heard[:, :, step]].transpose(0, 1, 3, 2)
        mean = draws.average(weights[:, :, step + 1, None, None], results, 0.0)
        error = np.sqrt(mean.variances.mean(0) / batch) + 1e-12
        residuals = (mean.values.mean(0) - invert_registers(each[step])[0]) / error
        assert np.abs(residuals).max() < 4.5
    repeated = np.repeat(errors[None], steps - 1, 0)
    one, same = (
        draw_functions(np.random.default_rng(1), given, steps, 10, rows)
        for given in (errors, repeated)
    )
    np.testing.assert_array_equal(one.functions, same.functions)
    np.testing.assert_allclose(
        one.weigh(weigh_functions(errors)), same.weigh(weigh_functions(repeated))
    )
