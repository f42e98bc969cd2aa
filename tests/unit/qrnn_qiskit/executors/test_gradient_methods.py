"""Gradient methods: how they are read and written, and which angles they choose."""

from __future__ import annotations

import numpy as np
import pytest

from qrnn_qiskit import SimulatorExecutor
from qrnn_qiskit.executors.gradient_methods import (
    GRADIENT_METHODS,
    Coordinates,
    ParameterShift,
    Spsa,
    choose_gradient,
    parse_gradient,
)


def test_methods_are_read_and_written() -> None:
    assert parse_gradient("parameter-shift") == ParameterShift()
    method = parse_gradient("spsa?draws=4&perturbation=0.05")
    assert method == Spsa(draws=4, perturbation=0.05)
    assert method.name == "spsa"
    assert parse_gradient(str(method)) == method
    assert choose_gradient(SimulatorExecutor()) == ParameterShift()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("spas", "unknown gradient 'spas'.*Did you mean 'spsa'"),
        ("spsa?draws=0", "draws must be an integer of at least 1.*0"),
        ("spsa?draws=some", "draws must be of type int.*'some'"),
        ("spsa?perturbation=-1", "perturbation must be a finite angle above 0"),
        ("spsa?perturbation=nan", "perturbation must be a finite angle above 0"),
        ("spsa?step=1", "spsa takes draws=NUMBER.*'step=1'"),
        ("parameter-shift?draws=2", "parameter-shift takes no key"),
    ],
)
def test_unknown_names_and_bad_values_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_gradient(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("coordinates?floor=0", "above 0 and at most 1"),
        ("coordinates?floor=1.5", "above 0 and at most 1"),
        ("coordinates?draws=0", "draws"),
        ("coordinates?perturbation=0.1", "draws=NUMBER and floor=NUMBER"),
        ("spsa?floor=0.1", "spsa takes draws=NUMBER and perturbation=NUMBER"),
        ("parameter-shift?draws=1", "no key"),
        ("coordinates?draws=x", "int"),
    ],
)
def test_bad_keys_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_gradient(text)


def test_methods_are_written_in_full() -> None:
    for text in (
        "coordinates",
        "coordinates?floor=1",
        "spsa?draws=3",
        "spsa?draws=2000000&perturbation=0.12345678",
        "parameter-shift",
    ):
        method = parse_gradient(text)
        assert parse_gradient(str(method)) == method
    assert str(parse_gradient("coordinates")) == "coordinates?draws=64&floor=0.1"


def test_a_method_checks_its_values_however_it_is_made() -> None:
    with pytest.raises(ValueError, match=r"draws must be an integer of at least 1.*\b0\b"):
        Spsa(draws=0)
    with pytest.raises(ValueError, match=r"above 0.*-0\.1"):
        Spsa(perturbation=-0.1)
    with pytest.raises(ValueError, match=r"above 0 and at most 1.*1\.5"):
        Coordinates(floor=1.5)


def test_shifts_are_counted_for_the_methods_that_need_a_backward_job() -> None:
    runs = np.array([2, 4, 2])
    counted = {name: parse_gradient(name).count_shifts(runs, 3) for name in GRADIENT_METHODS}
    assert counted["parameter-shift"].tolist() == [2, 4, 2] * 3
    assert counted["coordinates"].tolist() == [4] * (3 * 64)
    for name, shifts in counted.items():
        assert parse_gradient(name).needs_backward_job == bool(len(shifts))


def test_parameter_shift_chooses_all_wanted_angles_and_coordinates_some_of_them() -> None:
    wanted = np.array([[True, False, True], [False, True, True]])
    reach = np.array([[1.0, 1.0, 0.5], [1.0, 0.0, 1.0]])
    sequences, angles, factors = ParameterShift().choose_shifts(wanted, reach)
    assert (sequences.tolist(), angles.tolist()) == ([0, 0, 1, 1], [0, 2, 1, 2])
    assert factors.tolist() == [1.0] * 4
    method = Coordinates(draws=1000, floor=0.2)
    sequences, angles, factors = method.choose_shifts(wanted, reach)
    assert wanted[sequences, angles].all()
    # Chances by hand; factors times chances are the shares of the draws.
    chances = np.array([[0.8 * 2 / 3 + 0.1, 0.0, 0.8 / 3 + 0.1], [0.0, 0.1, 0.9]])
    shares = factors * chances[sequences, angles]
    np.testing.assert_allclose([shares[sequences == 0].sum(), shares[sequences == 1].sum()], 1.0)
    np.testing.assert_allclose(factors, 1.0, atol=0.5)
    assert Coordinates(draws=7).replace_for_replay() == Spsa(draws=7)
    assert not method.in_expectation_mode
