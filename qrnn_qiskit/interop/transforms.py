"""Compiled code among the tools of torch that read, record or transform a computation.

Dynamo, which torch.compile uses, would follow the recurrence into compiled code, where it passes
descriptions of tensors in place of their memory. A registered operator, such as
``torch.library.custom_op`` makes, takes only tensors and numbers: the compiled circuit, a custom
controller and a device would have to be found by a number that means nothing in another process,
the checks of inputs and lengths depend on the data, and dropout draws from torch's generator. So
the graph breaks here, and the model runs as it does without torch.compile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import torch
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

from circuits.errors import UserError

__all__ = ["TransformError", "refuse_batched", "refuse_transforms", "run_outside"]

_REASON = (
    "the recurrence of QRNN is compiled already and runs outside of torch's graphs, so that "
    "torch.export cannot export it; leave fullgraph=True out of torch.compile, which then compiles "
    "what stands before and after it"
)


class TransformError(UserError, NotImplementedError):
    """The simulator was called inside of a transform of torch that cannot see into it."""


def refuse_transforms() -> None:
    """Refuse to run inside of a transform of :mod:`torch.func`, or while torch records a trace.

    Raises:
        TransformError: One is active. The kernels read numbers at their address, where a transform
            has none, and a trace would keep the numbers of one call as constants.
    """
    if torch._C._are_functorch_transforms_active():
        refuse_batched()
    if torch._C._len_torch_dispatch_stack():
        _refuse_modes()
    if torch._C._get_tracing_state() is not None:
        raise TransformError(
            "the simulator runs compiled code that torch.jit.trace cannot record: a trace would "
            "keep the numbers of this call as constants. Save model.state_dict() and build the "
            "model in Python; circuits are exported as QPY or OpenQASM 3"
        )


def refuse_batched() -> NoReturn:
    """Refuse a transform of torch, such as one that computes several values at once."""
    raise TransformError(
        "the simulator runs compiled code that transforms of torch (torch.func.vmap, grad, vjp, "
        "jvp, jacrev, jacfwd, hessian, and vectorize=True or is_grads_batched=True of "
        "torch.autograd) cannot see into. Use torch.autograd.grad, or "
        "torch.autograd.functional.jacobian without vectorize; torch.func.functional_call works "
        "outside of a transform, and a batch of sequences needs no vmap"
    )


def _refuse_modes() -> None:
    """Refuse the modes that replace tensors; others, such as a counter of operations, only look."""
    for mode in _get_current_dispatch_mode_stack():
        if getattr(mode, "_mode_key", None) is not None:
            raise TransformError(
                f"the simulator runs compiled code, but {type(mode).__name__} is active, which "
                "records operations of torch or replaces tensors by descriptions of them "
                "(torch.export, make_fx, FakeTensorMode); call the model outside of it"
            )


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    if torch.compiler.is_compiling():  # still: nothing compiles here, so somebody exports
        raise TransformError(
            "torch.export cannot export a QRNN, whose recurrence runs in compiled code outside of "
            "torch's graphs; save model.state_dict() and build the model in Python. Circuits are "
            "exported as QPY or OpenQASM 3"
        )
    return function(*arguments)


run_outside: Callable[..., Any]


def __getattr__(name: str) -> Any:
    """Make ``run_outside`` on first use, because importing Dynamo takes a second or two."""
    if name != "run_outside":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = torch.compiler.disable(_call, reason=_REASON)  # type: ignore[no-untyped-call]
    return globals()[name]
