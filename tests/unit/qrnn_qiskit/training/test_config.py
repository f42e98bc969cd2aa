from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qrnn_qiskit.tasks import get_task
from qrnn_qiskit.training.config import Config, ConfigError, read_config, resolve_config
from qrnn_qiskit.training.experiment import build_model
from qrnn_qiskit.training.schema import format_toml, list_keys

pytestmark = pytest.mark.usefixtures("toy")


def test_layers_override_each_other_in_order(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("seed = 5\n[train]\nepochs = 7\nbatch_size = 9\n")
    config = resolve_config("toy", {"train.batch_size": "11"}, file)
    assert config.train.learning_rate == 0.01  # built in
    assert config.train.patience == 9  # the task's
    assert (config.seed, config.train.epochs) == (5, 7)  # the file's
    assert config.train.batch_size == 11  # --set


def test_an_unambiguous_last_name_suffices(configure: Callable[..., Config]) -> None:
    config = configure(epochs="4", num_qubits="3", size="12")
    assert config.train.epochs == 4
    assert config.model.num_qubits == 3
    assert config.data.size == 12  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "expected"), [("ry", ["ry"]), ("rx, rz", ["rx", "rz"]), ('["ry"]', ["ry"])]
)
def test_a_list_of_names_needs_no_brackets(text: str, expected: list[str]) -> None:
    assert resolve_config("digits", {"rotations": text}).model.rotations == expected


def test_an_ambiguous_last_name_lists_the_candidates() -> None:
    with pytest.raises(ConfigError, match=r"'dropout'.*model\.dropout, data\.dropout"):
        resolve_config("toy", {"dropout": "0.1"})


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("train.epoch", "train.epochs"),
        ("model.num_qubit", "model.num_qubits"),
        ("learning_rat", "train.learning_rate"),
        ("traim.epochs", "train.epochs"),
        ("sead", "seed"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest(key: str, nearest: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown key '{key}'.*'{nearest}'"):
        resolve_config("toy", {key: "1"})


def test_an_unknown_key_of_a_file_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[train]\nepoch = 7\n")
    with pytest.raises(ConfigError, match=r"settings\.toml: unknown key 'train\.epoch'"):
        resolve_config("toy", {}, file)


@pytest.mark.parametrize(
    ("key", "value", "arrived", "required"),
    [
        ("train.epochs", "ten", r"'ten' \(a string\)", "valid integer"),
        ("train.epochs", "2.0", r"2\.0 \(a float\)", "valid integer"),
        ("train.epochs", "true", r"True \(a boolean\)", "valid integer"),
        ("train.epochs", "0", r"0 \(an integer\)", "greater than 0"),
        ("train.epochs", "none", "'none'", "valid integer"),
        ("train.learning_rate", "nan", "nan", "finite number"),
        ("train.schedule", "cosin", "'cosin'", "'constant', 'cosine' or 'linear'"),
        ("model.dtype", "float16", "'float16'", "'float32' or 'float64'"),
        ("model.rotations", 3, "3", r"a list, written as model.rotations=\["),
        ("model.observables", "3.5", None, None),
        ("seed", "-1", "-1", "greater than or equal to 0"),
        ("seed", "99999999999999999999", "99999999999999999999", "valid integer|less than"),
    ],
)
def test_a_wrong_value_says_key_arrived_and_required(
    key: str, value: str, arrived: str | None, required: str | None
) -> None:
    if arrived is None:
        assert resolve_config("toy", {key: value}).model.observables == value
        return
    with pytest.raises(ConfigError, match=f"^{key} = {arrived}.*must be.*({required})") as info:
        resolve_config("toy", {key: value})
    assert info.value.__cause__ is not None


def test_a_missing_required_key_is_named() -> None:
    with pytest.raises(ConfigError, match=r"data\.target: is required.*--set data\.target=VALUE"):
        resolve_config("series", {"data.file": "x.csv"})


def test_strings_that_read_as_values_stay_text_where_text_is_required(
    configure: Callable[..., Config],
) -> None:
    assert configure(column="2024").data.column == "2024"  # type: ignore[attr-defined]
    assert configure(column="true").data.column == "true"  # type: ignore[attr-defined]
    assert configure(column='"3"').data.column == "3"  # type: ignore[attr-defined]


def test_none_switches_an_optional_key_off(configure: Callable[..., Config]) -> None:
    config = configure(patience="none", controller_hidden="None", clip_norm=None)
    assert config.train.patience is None
    assert config.model.controller_hidden is None
    assert config.train.clip_norm is None


def test_another_task_in_the_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('task = "digits"\n')
    with pytest.raises(ConfigError, match=r"of the task 'toy', got .*'digits'"):
        resolve_config("toy", {}, file)


def test_files_that_are_no_toml_or_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        resolve_config("toy", {}, tmp_path / "absent.toml")
    (tmp_path / "bad.toml").write_text("epochs: 3\n")
    with pytest.raises(ConfigError, match="is not a TOML file"):
        resolve_config("toy", {}, tmp_path / "bad.toml")


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 2**63 - 1),
    rate=st.floats(1e-12, 1e3),
    strength=st.floats(0.0, math.pi),
    patience=st.none() | st.integers(1, 99),
    observables=st.none() | st.just("z") | st.lists(st.sampled_from(["XX", "ZI"]), min_size=1),
)
def test_config_toml_is_complete_and_reads_back_equal(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    rate: float,
    strength: float,
    patience: int | None,
    observables: Any,
) -> None:
    config = resolve_config(
        "toy",
        {
            "seed": seed,
            "learning_rate": rate,
            "coupling_strength": strength,
            "patience": patience,
            "observables": observables,
        },
    )
    path = tmp_path_factory.mktemp("config") / "config.toml"
    path.write_text(format_toml(config), encoding="utf-8")
    assert read_config(path) == config
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    written = {key for table in ("model", "data", "train") for key in tables[table]}
    assert written == {key.split(".")[1] for key in list_keys(type(config)) if "." in key}


def test_every_task_has_valid_defaults() -> None:
    from qrnn_qiskit.tasks import list_tasks

    required = {
        "series": {"file": "x.csv", "target": "y"},
        "text": {"file": "x.csv"},
    }
    for task in list_tasks():
        config = resolve_config(task.name, required.get(task.name, {}))
        assert config.task == task.name


@pytest.mark.parametrize(
    ("chosen", "strength"),
    [
        ({}, math.pi),
        ({"readout": "measured"}, math.pi / 2),
        ({"readout": "measured", "coupling_strength": "1.0"}, 1.0),
        ({"readout": "measured", "coupling": "direct"}, math.pi),
    ],
    ids=str,
)
def test_the_coupling_of_the_digits_depends_on_the_mode(
    chosen: dict[str, Any], strength: float
) -> None:
    assert resolve_config("digits", chosen).model.coupling_strength == strength


def test_arguments_of_measured_mode_can_be_set() -> None:
    config = resolve_config(
        "digits",
        {
            "readout": "measured",
            "num_ancillas": "2",
            "coupling": "symmetric",
            "coupling_strength": "1.2",
            "measured_qubits": "[1, 2]",
            "measured_bases": "XZ",
            "ancilla_return": "reset",
            "measurement_frame": "undone",
            "bit_feedback": "false",
            "readout_error": "[0.01, 0.02]",
            "step_noise": "damping:0.01,dephasing:0.02",
        },
    )
    model = build_model(config, get_task("digits")(config.data))
    assert model.qrnn.readout_size == 2
    assert model.qrnn.measurement.is_undone
    assert not model.qrnn.measurement.bit_feedback
    sampled = resolve_config("digits", {"readout": "measured", "num_trajectories": "8"})
    assert sampled.model.num_trajectories == 8


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("epochs", "1" + "0" * 23, "must be less than or equal to 1000000$"),
        ("epochs", "9" * 5000, r"'9+'\.\.\. has 5000 characters; expected at most 4096"),
        ("epochs", 10**5000, "16610 bits; it must fit into 64 bits"),
        ("epochs", "\uff15", "valid integer"),
        ("epochs", "[" * 3000, "valid integer"),
        ("epochs", "1e300", "valid integer"),
        ("batch_size", "99999999999", "less than or equal to 1000000$"),
        ("warmup_steps", "99999999999", "less than or equal to 1000000000$"),
        ("patience", "99999999999", "less than or equal to 1000000$"),
        ("num_layers", "100000000", "less than or equal to 20000$"),
        ("num_qubits", "100000000", "less than or equal to 2000$"),
        ("controller_hidden", "100000000", "less than or equal to 100000$"),
        ("hidden_size", "100000000", "less than or equal to 100000$"),
        ("parameters", "1" + "0" * 23, "less than or equal to 10000000$"),
        ("num_trajectories", "1" + "0" * 23, "less than or equal to 1000000$"),
        ("num_ancillas", "1" + "0" * 23, "model.num_ancillas = .*must fit into 64 bits"),
    ],
    ids=range(16),
)
def test_sizes_are_checked_before_anything_is_built(key: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        resolve_config("toy", {key: value})
    assert len(str(caught.value)) < 400


def test_a_file_with_a_byte_order_mark_or_absurd_numbers(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("\ufeff[train]\nepochs = 7\n", encoding="utf-8")
    assert resolve_config("toy", {}, file).train.epochs == 7
    for text in ("9" * 5000, "[" * 3000):
        file.write_text(f"[train]\nepochs = {text}\n", encoding="utf-8")
        with pytest.raises(ConfigError, match=r"settings\.toml is not a TOML file"):
            resolve_config("toy", {}, file)


@pytest.mark.parametrize("key", ["model.ansatz", "train.epochs", "data.split_seed"])
def test_a_value_that_is_not_utf8_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match=rf"{key} = .* not UTF-8"):
        resolve_config("digits", {key: os.fsdecode(b"d\xe9.qasm")})


def test_a_value_of_thousands_of_characters_is_refused_with_its_beginning() -> None:
    with pytest.raises(ConfigError, match=r"rotations = 'rx,.* has 9000 characters") as caught:
        resolve_config("digits", {"rotations": "rx," * 3000})
    assert len(str(caught.value)) < 400
