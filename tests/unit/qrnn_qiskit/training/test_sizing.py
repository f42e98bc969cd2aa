"""Sizes that meet a number of trainable parameters."""

from __future__ import annotations

import time

import pytest

from qrnn_qiskit.training.build import KINDS, build_recurrent
from qrnn_qiskit.training.schema import ModelConfig
from qrnn_qiskit.training.sizing import TOLERANCE, find_size, list_sizes

QRNNS = [
    {"activation": "relu"},
    {"activation": "glu"},
    {"readout": "none"},
    {"readout": "measured", "num_ancillas": 2, "num_layers": 2},
    {"ansatz": "product"},
    {"entangler": "rzz", "rotations": ["rx", "ry", "rz"], "observables": "z"},
    {"reset_state": True},
    {"num_registers": 2},
    {"num_registers": 2, "num_qubits": 2, "register_feedback": "shared", "activation": "relu"},
]


@pytest.mark.parametrize("width", [1, 8, 28])
@pytest.mark.parametrize("wanted", [1200, 2500, 7000])
@pytest.mark.parametrize(
    "settings",
    [{"kind": kind} for kind in KINDS if kind != "hmm"] + QRNNS,
    ids=lambda s: str(list(s.values())),
)
def test_every_kind_has_as_many_parameters_as_asked(
    settings: dict[str, object], wanted: int, width: int
) -> None:
    config = ModelConfig(**{"num_layers": 2, "parameters": wanted} | settings)
    model = build_recurrent(config, width)
    matrix = 16 * 15 // 2 if config.kind == "orthogonal" else 0
    assert abs(model.count_parameters() - matrix - wanted) <= TOLERANCE * wanted
    assert find_size(config, width).parameters == model.count_parameters() - matrix
    assert model.sizes


@pytest.mark.parametrize(("width", "wanted"), [(8, 1200), (1, 1200), (10, 1250), (28, 3000)])
def test_a_linear_controller_is_met_by_layers(width: int, wanted: int) -> None:
    model = build_recurrent(ModelConfig(activation="linear", parameters=wanted), width)
    assert set(model.sizes) == {"num_layers"}
    assert abs(model.count_parameters() - wanted) <= TOLERANCE * wanted


def test_the_nearest_sizes_are_told_where_none_is_near_enough() -> None:
    with pytest.raises(ValueError, match=r"set model.hidden_size"):
        build_recurrent(ModelConfig(kind="hmm", parameters=500), 8)
    config = ModelConfig(activation="linear", parameters=250)
    with pytest.raises(ValueError, match=r"168 \(num_layers=1\) and 336 \(num_layers=2\)"):
        build_recurrent(config, 8)
    with pytest.raises(ValueError, match=r"parameters=20; the nearest are 56 \(hidden_size=2\)"):
        build_recurrent(ModelConfig(kind="unitary", num_layers=2, parameters=20), 8)


def test_a_circuit_of_a_file_has_one_size_with_a_linear_controller(tmp_path: object) -> None:
    from pathlib import Path

    path = Path(str(tmp_path)) / "step.qasm"
    path.write_text(
        'OPENQASM 3.0; include "stdgates.inc"; input float a; qubit[4] q; rx(a) q[0];\n'
    )
    config = ModelConfig(ansatz=str(path), activation="linear", parameters=21)
    assert build_recurrent(config, 8).sizes == {}
    assert build_recurrent(config, 8).count_parameters() == 21


@pytest.mark.parametrize(
    "settings",
    [{}, {"ansatz": "product"}, {"entangler": "rzz"}, {"rotations": ["rx", "rz"]}],
    ids=str,
)
def test_layers_of_a_linear_controller_are_counted_without_building_them(
    settings: dict[str, object],
) -> None:
    model = ModelConfig(activation="linear", **settings)
    for size, layers in zip(list_sizes(model, 3), range(1, 6), strict=False):
        built = build_recurrent(model.model_copy(update={"num_layers": layers}), 3)
        assert size.settings == {"num_layers": layers}
        assert size.parameters == built.count_parameters()
    start = time.process_time()
    size = find_size(model.model_copy(update={"parameters": 10_000_000}), 3)
    assert abs(size.parameters - 10_000_000) <= TOLERANCE * 10_000_000
    assert time.process_time() - start < 2
