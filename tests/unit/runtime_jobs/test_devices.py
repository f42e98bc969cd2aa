from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrnn_qiskit.executors import SimulatorExecutor
from runtime_jobs import DeviceError, DeviceName, open_device, parse_device_name
from runtime_jobs.devices import DEVICES

words = st.from_regex(r"[a-z][a-z0-9_.-]{0,8}", fullmatch=True)
targets = words.filter(lambda word: not word.startswith("ibm_"))
device_names = st.builds(
    DeviceName,
    st.sampled_from(DEVICES),
    st.none() | targets,
    shots=st.none() | st.integers(1, 10**9),
    seed=st.none() | st.integers(0, 2**63),
    noise=st.none() | words,
    mitigation=st.none() | words | st.sampled_from(["0", "1", "2"]),
)


@settings(max_examples=50, deadline=None)
@given(device_names)
def test_a_device_name_is_read_back_as_written(name: DeviceName) -> None:
    assert parse_device_name(str(name)) == name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("simulator", DeviceName("simulator")),
        ("aer?shots=4096", DeviceName("aer", shots=4096)),
        ("aer:kingston?seed=0&shots=1", DeviceName("aer", "kingston", shots=1, seed=0)),
        ("ibm:ibm_kingston", DeviceName("ibm", "kingston")),
        ("ibm:kingston?mitigation=1", DeviceName("ibm", "kingston", mitigation="1")),
    ],
)
def test_names_are_parsed(text: str, expected: DeviceName) -> None:
    assert parse_device_name(text) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "expected a device name name[:target][?key=value[&...]], got ''"),
        (":kingston", "expected a device name"),
        ("simulater", "did you mean 'simulator'? known: simulator, aer, ibm"),
        ("gpu", "unknown device 'gpu' in 'gpu'; known: simulator, aer, ibm"),
        ("aer:", "name[:target][?key=value[&...]], got ''"),
        ("aer:two words", "got 'two words'"),
        ("aer?", "expected key=value, got ''"),
        ("aer?shots", "expected key=value, got 'shots'"),
        ("aer?shots=", "expected key=value, got 'shots='"),
        ("aer?shot=1", "unknown key 'shot'; known: shots, seed, noise, mitigation"),
        ("aer?shots=1&shots=2", "key 'shots' is given twice"),
        ("aer?shots=many", "shots to be a whole number, got 'many'"),
        ("aer?shots=0", "shots to be at least 1, got 0"),
        ("aer?seed=-1", "seed to be at least 0, got -1"),
    ],
)
def test_bad_names_are_refused_with_what_is_expected(text: str, complaint: str) -> None:
    with pytest.raises(DeviceError, match=re.escape(complaint)):
        parse_device_name(text)


def test_the_simulator_opens_and_its_seed_decides_the_samples() -> None:
    from qiskit.circuit import Parameter, QuantumCircuit

    circuit = QuantumCircuit(3)
    for qubit in range(3):
        circuit.ry(Parameter(f"a{qubit}"), qubit)
    values = [[1.0, 1.5, 2.0]]
    first = open_device("simulator?seed=5")
    assert isinstance(first, SimulatorExecutor)
    counts = first.sample(circuit, values, 1000)
    assert counts == open_device("simulator", seed=5).sample(circuit, values, 1000)
    assert counts != open_device("simulator", seed=6).sample(circuit, values, 1000)


@pytest.mark.parametrize(
    ("name", "options", "key"),
    [
        ("simulator?noise=thermal", {}, "noise 'thermal'"),
        ("simulator?mitigation=1", {}, "mitigation is '1'"),
        ("simulator?shots=10", {}, "shots is 10"),
        ("simulator", {"shots": 10}, "shots is 10"),
        ("simulator", {"gradient": "spsa"}, "gradient is 'spsa'"),
    ],
)
def test_the_simulator_refuses_options_that_it_would_ignore(
    name: str, options: dict[str, int | str], key: str
) -> None:
    with pytest.raises(DeviceError, match=re.escape(key)):
        open_device(name, **options)


def test_aer_opens_with_its_shots_and_gradient() -> None:
    exact, sampled = open_device("aer"), open_device("aer?seed=1", shots=64, gradient="spsa")
    assert (exact.name, exact.shots, exact.gradient) == ("aer", None, None)
    assert (sampled.name, sampled.shots, sampled.gradient) == ("aer?shots=64&seed=1", 64, "spsa")


def test_name_and_argument_must_not_differ() -> None:
    with pytest.raises(DeviceError, match="seed=1 in its name, but the argument is seed=2"):
        open_device("simulator?seed=1", seed=2)
    assert open_device("simulator?seed=1", seed=1).name == "simulator"


def test_arguments_are_checked_as_names_are() -> None:
    with pytest.raises(DeviceError, match="seed to be at least 0, got -1"):
        open_device("simulator", seed=-1)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("aer?shots=99999999999999999999", "shots to be at most 1000000000"),
        ("aer?shots=" + "9" * 5000, "a number of 5000 digits"),
        ("aer?shots=\uff15", "got '\uff15'; write it with the digits 0 to 9"),
        ("aer?shots=1_000", "got '1_000'; write it with the digits 0 to 9"),
        ("aer?shots= 5", "got ' 5'; write it with the digits 0 to 9"),
        ("aer?shots=1e3", "got '1e3'; write it with the digits 0 to 9"),
        ("aer?seed=18446744073709551616", "seed to be at most 18446744073709551615"),
        ("aer:kingston?patches=1000000000", "patches to be at most 1000"),
        ("aer:kingston?spacing=99999999", "spacing to be at most 2000"),
    ],
)
def test_counts_are_plain_digits_within_limits(text: str, complaint: str) -> None:
    with pytest.raises(DeviceError, match=re.escape(complaint)):
        parse_device_name(text)


@pytest.mark.parametrize("shots", [10.5, "10", True, 10**30, 10**5000, float("nan")], ids=type)
def test_arguments_of_other_types_and_sizes_are_refused(shots: object) -> None:
    with pytest.raises(DeviceError, match=r"shots to be (a whole number|at most 1000000000)"):
        open_device("aer", shots=shots)  # type: ignore[arg-type]
