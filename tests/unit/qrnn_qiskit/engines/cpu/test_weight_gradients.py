"""The controller's gradients as the kernels sum them up."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from qrnn_qiskit import QRNN
from qrnn_qiskit.engines.cpu.weight_gradients import CHUNK


def differentiate(model: QRNN, x: Tensor, weights: Tensor) -> list[Tensor]:
    """Of the weighted readouts by the inputs and by all parameters that ask for it."""
    wanted = [each for each in (x, *model.parameters()) if each.requires_grad]
    return list(torch.autograd.grad(model(x)[0], wanted, weights))


@pytest.mark.parametrize("activation", ["linear", "relu", "gelu", "glu"])
@pytest.mark.parametrize("readout", ["expectation", "none"])
@pytest.mark.parametrize(
    ("num_qubits", "hidden", "width", "batch", "steps"),
    [
        (1, 1, 1, 1, 1),
        (3, 7, 3, 9, CHUNK - 1),
        (2, 4, 2, 8, CHUNK),
        (2, 5, 4, 17, CHUNK + 1),
        (3, 6, 1, 20, 2 * CHUNK + 3),
    ],
)
def test_gradients_are_those_of_torch_for_all_sizes(
    activation: str,
    readout: str,
    num_qubits: int,
    hidden: int,
    width: int,
    batch: int,
    steps: int,
) -> None:
    torch.manual_seed(0)
    models = [
        QRNN(
            width,
            num_qubits,
            controller_hidden=None if activation == "linear" else hidden,
            activation=activation,
            readout=readout,
            dtype=torch.float64,
            engine=engine,
        )
        for engine in ("auto", "torch")
    ]
    models[1].load_state_dict(models[0].state_dict())
    x = torch.randn(batch, steps, width, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(batch, steps, 3 * num_qubits, dtype=torch.float64)
    found, expected = (differentiate(model, x, weights) for model in models)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)


def test_sums_do_not_depend_on_the_number_of_threads() -> None:
    torch.manual_seed(0)
    model, x = QRNN(3, 6), torch.randn(70, 20, 3)
    weights = torch.randn(70, 20, 18)
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(differentiate(model, x, weights))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(map(torch.equal, found[0], other))


def test_frozen_weights_are_not_differentiated() -> None:
    torch.manual_seed(0)
    model = QRNN(3, 2)
    x, weights = torch.randn(4, 5, 3, requires_grad=True), torch.randn(4, 5, 6)
    expected = differentiate(model, x, weights)
    model.requires_grad_(False)
    (by_x,) = differentiate(model, x, weights)
    assert torch.equal(by_x, expected[0])
    model.controller.layers[0].bias.requires_grad_(True)
    by_x, by_bias = differentiate(model, x, weights)
    assert torch.equal(by_x, expected[0])
    assert torch.equal(by_bias, expected[2])


def test_idle_lanes_add_nothing() -> None:
    torch.manual_seed(0)
    model, x = QRNN(3, 4, dtype=torch.float64), torch.randn(11, 6, 3, dtype=torch.float64)
    weights = torch.randn(11, 6, 12, dtype=torch.float64)
    together = differentiate(model, x, weights)
    alone = [differentiate(model, x[b : b + 1], weights[b : b + 1]) for b in range(11)]
    for index, gradient in enumerate(together):
        torch.testing.assert_close(gradient, sum(each[index] for each in alone))
