"""torch.compile, torch.func, traces and exports: the same numbers, or one clear sentence."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.autograd import forward_ad
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils.flop_counter import FlopCounterMode

from circuits.errors import UserError
from qrnn_qiskit import QRNN, HiddenState

MODES: list[dict[str, Any]] = [
    {},
    {"readout": "none"},
    {"reset_state": True},
    {"engine": "torch"},
    {"readout": "measured"},
]


# Dynamo looks at the gradient of every tensor that it meets.
pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def make(**arguments: Any) -> QRNN:
    torch.manual_seed(0)
    return QRNN(3, 2, controller_hidden=5, dtype=torch.float64, **arguments)


def draw(batch: int = 2, steps: int = 3) -> Tensor:
    random = torch.Generator().manual_seed(1)
    return torch.randn(batch, steps, 3, dtype=torch.float64, generator=random)


class Around(nn.Module):
    """Operations of torch before and after the recurrence, as in a task's model."""

    def __init__(self, qrnn: QRNN) -> None:
        super().__init__()
        self.qrnn = qrnn
        self.head = nn.Linear(qrnn.num_readouts, 2, dtype=torch.float64)

    def forward(
        self, x: Tensor, state: HiddenState | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, HiddenState]:
        output, state = self.qrnn(2.0 * x, state, lengths)
        return self.head(state.readouts).sum() + output.sin().sum(), state


def differentiate(
    run: Callable[..., Any], model: nn.Module, *inputs: Any
) -> tuple[Tensor, list[Tensor], HiddenState]:
    model.zero_grad()
    loss, state = run(*inputs)
    loss.backward()
    return loss.detach(), [each.grad.clone() for each in model.parameters()], state.detach()


@pytest.mark.training
@pytest.mark.parametrize(
    ("arguments", "is_warm"), [(MODES[0], False), (MODES[0], True), (MODES[2], False)], ids=str
)
def test_compiled_models_are_the_same_as_eager_ones(
    arguments: dict[str, Any], is_warm: bool
) -> None:
    """Two batch shapes, forward and backward, with a carried state and with lengths."""
    model = Around(make(**arguments))
    compiled = torch.compile(model, backend="aot_eager")
    if is_warm:
        model(draw())
    for batch, steps in ((2, 3), (4, 5), (2, 3)):
        x, carried = draw(batch, steps), None
        for lengths in (None, torch.arange(batch) % steps + 1):
            expected = differentiate(model, model, x, carried, lengths)
            found = differentiate(compiled, model, x, carried, lengths)
            torch.testing.assert_close(found[:2], expected[:2], rtol=0.0, atol=1e-12)
            torch.testing.assert_close(found[2].readouts, expected[2].readouts)
            carried = expected[2]


@pytest.mark.training
def test_the_module_itself_compiles_and_so_do_its_angles() -> None:
    model, x = make(), draw()
    assert torch.equal(torch.compile(model, backend="eager")(x)[0], model(x)[0])
    assert torch.equal(torch.compile(model.angles, backend="eager")(x), model.angles(x))
    expected = model(x)[0]
    model.compile(backend="eager")
    assert torch.equal(model(x)[0], expected)


def test_a_compiled_model_reports_what_an_eager_one_does() -> None:
    compiled = torch.compile(make(), backend="eager")
    with pytest.raises(ValueError, match=r"x must be finite.*sequence 0, step 0"):
        compiled(torch.full((1, 2, 3), torch.nan, dtype=torch.float64))
    with pytest.raises(ValueError, match="between 1 and the 3 steps"):
        compiled(draw(), None, torch.tensor([1, 9]))


def test_fullgraph_gives_the_reason() -> None:
    compiled = torch.compile(make(), backend="eager", fullgraph=True)
    with pytest.raises(torch._dynamo.exc.Unsupported, match="leave fullgraph=True out"):
        compiled(draw())


@pytest.mark.training
@pytest.mark.parametrize("arguments", [{}, {"reset_state": True}], ids=str)
def test_compiled_autograd_gives_the_same_gradients(arguments: dict[str, Any]) -> None:
    """Also in a second pass through the same graph."""
    model = make(**arguments)

    def run(is_compiled: bool) -> list[Tensor]:
        model.zero_grad()
        loss = model(draw())[0].square().sum()
        for _ in range(2):
            enable = torch._dynamo.compiled_autograd._enable(torch.compile(backend="eager"))
            with enable if is_compiled else nullcontext():
                loss.backward(retain_graph=True)
        return [each.grad.clone() for each in model.parameters()]

    torch.testing.assert_close(run(True), run(False), rtol=0.0, atol=1e-12)


def call(model: QRNN, x: Tensor) -> Tensor:
    output: Tensor = model(x)[0]
    return output


def differentiate_batch(model: QRNN, x: Tensor) -> Any:
    output = call(model, x)
    many = torch.ones(2, *output.shape, dtype=output.dtype)
    return torch.autograd.grad(output, list(model.parameters()), many, is_grads_batched=True)


def run_dual(model: QRNN, x: Tensor) -> Any:
    with forward_ad.dual_level():
        return call(model, forward_ad.make_dual(x, torch.ones_like(x)))


def run_fake(model: QRNN, x: Tensor) -> Any:
    with FakeTensorMode(allow_non_fake_inputs=True):
        return call(model, x)


def find_jacobian(model: QRNN, x: Tensor, **arguments: Any) -> Any:
    return torch.autograd.functional.jacobian(lambda a: call(model, a), x, **arguments)


TRANSFORMS: dict[str, tuple[Callable[[QRNN, Tensor], Any], str]] = {
    "vmap": (lambda m, x: torch.func.vmap(lambda a: call(m, a[None])[0])(x), "torch.func.vmap"),
    "grad": (
        lambda m, x: torch.func.grad(
            lambda p: torch.func.functional_call(m, p, (x,))[0].sum()  # type: ignore[no-any-return]
        )(dict(m.named_parameters())),
        "Use torch.autograd.grad",
    ),
    "jacrev": (lambda m, x: torch.func.jacrev(lambda a: call(m, a))(x), "jacrev"),
    "jacfwd": (lambda m, x: torch.func.jacfwd(lambda a: call(m, a))(x), "jacfwd"),
    "jvp": (lambda m, x: torch.func.jvp(lambda a: call(m, a), (x,), (x,)), "jvp"),
    "hessian": (lambda m, x: torch.func.hessian(lambda a: call(m, a).sum())(x), "hessian"),
    "vectorized": (lambda m, x: find_jacobian(m, x, vectorize=True), "without vectorize"),
    "batched": (differentiate_batch, "is_grads_batched=True"),
    "forward mode": (run_dual, "only reverse-mode derivatives"),
    "forward strategy": (
        lambda m, x: find_jacobian(m, x, vectorize=True, strategy="forward-mode"),
        "only reverse-mode derivatives",
    ),
    "jit.trace": (lambda m, x: torch.jit.trace(lambda a: call(m, a), x), "torch.jit.trace cannot"),
    "jit.script": (lambda m, x: torch.jit.script(m), "torch.jit.script cannot"),
    "onnx": (
        lambda m, x: torch.onnx.export(m, (x,), io.BytesIO(), dynamo=False),
        "torch.jit.trace cannot",
    ),
    "export": (lambda m, x: torch.export.export(m, (x,)), "torch.export cannot export a QRNN"),
    "make_fx": (lambda m, x: make_fx(lambda a: call(m, a))(x), "ProxyTorchDispatchMode is active"),
    "fake mode": (run_fake, "FakeTensorMode is active"),
    "symbolic_trace": (lambda m, x: torch.fx.symbolic_trace(m), "as a torch.Tensor, got a Proxy"),
}


@pytest.mark.filterwarnings("ignore")  # torch.jit and the exporter of ONNX are deprecated
@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("arguments", MODES, ids=str)
def test_transforms_are_refused_in_one_sentence(arguments: dict[str, Any], name: str) -> None:
    transform, message = TRANSFORMS[name]
    model, x = make(**arguments), draw()
    with pytest.raises(UserError, match=message):
        transform(model, x)
    call(model, x).sum().backward()  # nothing stays behind


def test_strict_export_gives_the_reason() -> None:
    with pytest.raises(torch._dynamo.exc.Unsupported, match=r"torch\.export cannot export it"):
        torch.export.export(make(), (draw(),), strict=True)


@pytest.mark.parametrize("arguments", MODES, ids=str)
def test_functional_call_takes_other_weights(arguments: dict[str, Any]) -> None:
    model, x = make(**arguments), draw()
    weights = {k: (v.detach() + 0.1).requires_grad_() for k, v in model.named_parameters()}
    output = torch.func.functional_call(model, weights, (x,))[0]
    found = torch.autograd.grad(output.sum(), list(weights.values()))
    other = make(**arguments)
    other.load_state_dict(weights)
    expected = other(x)[0]
    assert torch.equal(output, expected)
    torch.testing.assert_close(found, torch.autograd.grad(expected.sum(), list(other.parameters())))


@pytest.mark.parametrize("arguments", MODES, ids=str)
def test_a_jacobian_row_by_row(arguments: dict[str, Any]) -> None:
    model, x = make(**arguments), draw(1, 2)
    jacobian = find_jacobian(model, x)
    step = torch.zeros_like(x)
    step[0, 0, 1] = 1e-6
    with torch.no_grad():
        expected = (call(model, x + step) - call(model, x - step)) / 2e-6
    torch.testing.assert_close(jacobian[..., 0, 0, 1], expected, rtol=0.0, atol=1e-7)


def test_modes_that_only_look_are_no_obstacle() -> None:
    model, x = make(), draw()
    expected = model(x)[0]
    with FlopCounterMode(display=False):
        torch.testing.assert_close(model(x)[0], expected, rtol=0.0, atol=1e-12)
