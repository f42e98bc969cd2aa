"""Properties of all gradients: full precision, first derivatives in reverse mode, no transforms."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor

from circuits.errors import UserError
from qrnn_qiskit.interop import transforms
from qrnn_qiskit.interop.transforms import TransformError

__all__ = [
    "Function",
    "SecondDerivativeError",
    "once_differentiable",
]

_is_batched = torch._C._functorch.is_legacy_batchedtensor


class SecondDerivativeError(UserError, NotImplementedError):
    """A second derivative was requested of a gradient that has none."""


class Function(torch.autograd.Function):
    """A :class:`torch.autograd.Function` that explains why it has no forward-mode derivative."""

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        """Refuse (TransformError)."""
        raise TransformError(
            "a forward-mode derivative of the QRNN was requested (torch.autograd.forward_ad, or "
            "strategy='forward-mode'), but its adjoint method gives only reverse-mode derivatives; "
            "use torch.autograd.grad"
        )


class _Refusal(torch.autograd.Function):
    """Return gradients unchanged, and raise an error where they are differentiated.

    ``sources`` are the tensors that they depend on.
    """

    @staticmethod
    def forward(
        ctx: Any, gradients: tuple[Tensor | None, ...], *sources: Tensor
    ) -> tuple[Tensor | None, ...]:
        # Torch marks the outputs of a Function, and a gradient may be a tensor saved by a graph.
        return tuple(None if each is None else each.detach() for each in gradients)

    @staticmethod
    def backward(ctx: Any, *by_gradients: Tensor | None) -> None:
        raise SecondDerivativeError(
            "a second derivative of the QRNN was requested (a gradient with create_graph=True that "
            "was differentiated again), but its adjoint method runs outside of torch's graph and "
            "gives only first derivatives. Leave create_graph out, or use the difference of two "
            "first derivatives, at x + h and at x - h"
        )


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate the backward function of a :class:`torch.autograd.Function`.

    Autocast is off in it, as in forward. With ``create_graph`` its gradients raise
    SecondDerivativeError where they are differentiated by a leaf of the graph. With torch's own
    decorator they would not be connected to the graph, so that beside another term of a loss they
    would silently count as constants.
    """

    @functools.wraps(backward)
    def run(ctx: Any, *gradients: Tensor | None) -> Any:
        if torch.compiler.is_compiling():  # compiled autograd
            return transforms.run_outside(run, ctx, *gradients)
        devices = set()
        for each in gradients:
            if each is not None:
                if _is_batched(each):  # stands for several, as with is_grads_batched=True
                    transforms.refuse_batched()
                devices.add(each.device.type)
        keeps_graph = torch.is_grad_enabled()
        if not keeps_graph and not any(map(torch.is_autocast_enabled, devices)):
            return backward(ctx, *gradients)  # the usual case: to enter contexts costs time
        with ExitStack() as contexts:
            contexts.enter_context(torch.no_grad())
            for device in devices:
                contexts.enter_context(torch.autocast(device, enabled=False))
            found = backward(ctx, *gradients)
        if not keeps_graph:
            return found
        found = found if isinstance(found, tuple) else (found,)
        given = (each for each in gradients if each is not None)
        return _Refusal.apply(found, *given, *_find_leaves(ctx))

    return run


def _find_leaves(node: Any) -> list[Tensor]:
    """Return the leaves of the graph below a node."""
    leaves, seen, waiting = [], {node}, [node]
    while waiting:
        for below, _ in waiting.pop().next_functions:
            if below is not None and below not in seen:
                seen.add(below)
                waiting.append(below)
                if hasattr(below, "variable"):
                    leaves.append(below.variable)
    return leaves
