"""What the model lets past its door: inputs, lengths, angles, sizes that fit into memory."""

from __future__ import annotations

import math
import os
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from numbers import Real

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from circuits.errors import InvalidTypeError, InvalidValueError

_BLOCK_BYTES = 128  # one amplitude of one block: real and imaginary lane vectors of 64 bytes
_AUTOCAST = (torch.bfloat16, torch.float16)
_CPU = torch.device("cpu")


def check_memory(num_qubits: int, num_blocks: int = 1, num_arrays: int = 1) -> None:
    """Refuse arrays of states that do not fit into this machine's memory.

    Without other numbers: the states of one block, below which nothing runs.

    Raises:
        ValueError: The message has the bytes needed and those there are.
    """
    amplitude = num_arrays * num_blocks * _BLOCK_BYTES
    # Far beyond what fits, the number of bytes would itself not fit into memory.
    is_huge = num_qubits > 100
    needed = amplitude << min(num_qubits, 101)
    exponent = num_qubits + amplitude.bit_length() - 1
    check_fit(
        needed,
        f"num_qubits={num_qubits} needs",
        f"for {num_arrays} array(s) with the states of {num_blocks} block(s) of sequences "
        f"(2^{num_qubits} amplitudes each; a block has 16 sequences in float32, 8 in float64)",
        "Take fewer qubits" + (" or a smaller batch." if num_blocks > 1 else "."),
        size=f"2^{exponent} bytes" if is_huge else None,
    )


def check_fit(needed: int, who: str, what: str, remedy: str, size: str | None = None) -> None:
    """Refuse what does not fit into this machine's memory.

    Args:
        needed: Bytes.
        who: Subject and verb of the sentence, "num_qubits=60 needs".
        what: What the memory is for.
        remedy: What to do, a sentence.
        size: ``needed`` as text, unless it is to be formatted.

    Raises:
        ValueError: The message has the bytes needed and those there are.
    """
    present = count_memory()
    if needed > present:
        raise InvalidValueError(
            f"{who} {size or _format_bytes(needed)} of memory {what}, and this machine has "
            f"{_format_bytes(present)}. {remedy}"
        )


@cache
def count_memory() -> int:
    """Bytes of memory of this machine; asked for once, since that takes as long as a short step."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _format_bytes(size: int) -> str:
    value = float(size)
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if value < 1024 or unit == "PiB":
            break
        value /= 1024
    return f"{value:.3g} {unit}"


def check_number(
    name: str, value: object, *, minimum: float = -math.inf, below: float = math.inf
) -> None:
    """Refuse anything but a finite number of at least ``minimum`` and below ``below``.

    Raises:
        TypeError: No number.
        ValueError: NaN, infinite or out of range.
    """
    limits = [f"at least {minimum:g}"] if minimum > -math.inf else []
    limits += [f"below {below:g}"] if below < math.inf else []
    required = f"{name} must be a finite number {' and '.join(limits)}".rstrip()
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InvalidTypeError(f"{required}, and {value!r} ({type(value).__name__}) arrived")
    number = float(value)
    if not (math.isfinite(number) and minimum <= number < below):
        raise InvalidValueError(f"{required}, and {number} arrived")


def check_inputs(
    x: Tensor, input_size: int, dtype: torch.dtype, device: torch.device = _CPU
) -> None:
    """Refuse anything but inputs (batch, time, input_size) like the model's parameters.

    Whether they are finite is asked by :func:`check_finite`, or by the kernels that read them.

    Raises:
        TypeError: x is no tensor or has another dtype.
        ValueError: Another rank, width or device, no sequence, or no step.
    """
    required = f"x must have shape (batch, time, {input_size})"
    if not isinstance(x, Tensor):
        is_packed = isinstance(x, PackedSequence)
        hint = " Give the padded tensor, batch first, and its lengths=." if is_packed else ""
        raise InvalidTypeError(
            f"{required} as a torch.Tensor, and a {type(x).__name__} arrived.{hint}"
        )
    if x.dim() != 3:
        hint = " Add the batch axis with x.unsqueeze(0)." if x.dim() == 2 else ""
        raise InvalidValueError(
            f"{required}, and {tuple(x.shape)} of rank {x.dim()} arrived.{hint}"
        )
    if x.shape[2] != input_size:
        raise InvalidValueError(f"{required}, and {tuple(x.shape)} with width {x.shape[2]} arrived")
    if 0 in x.shape[:2]:
        raise InvalidValueError(
            f"{required} with at least one sequence and one step, and {tuple(x.shape)} arrived"
        )
    if x.dtype != dtype:
        way = f"x.to({dtype})"
        if x.dtype in (torch.float32, torch.float64):  # those that a model can have
            way += f" or model.to({x.dtype})"
        raise InvalidTypeError(
            f"x must have the model's dtype {dtype}, and {x.dtype} arrived. Convert it: {way}."
        )
    if x.device != device:
        raise InvalidValueError(
            f"x must be on {device}, where the model is, and is on {x.device}. Move one of them: "
            f"x.to({str(device)!r}) or model.to({str(x.device)!r})."
        )


def check_finite(x: Tensor) -> None:
    """Refuse NaN and infinite numbers in inputs (batch, time, input_size).

    Raises:
        ValueError: The message says where the first one is.
    """
    total = (x.detach() if x.requires_grad else x).sum()
    if math.isfinite(total.item()):  # the sum of finite numbers may be infinite
        return
    finite = torch.isfinite(x)
    if not bool(finite.all()):
        sequence, step, feature = (int(index) for index in (~finite).nonzero()[0])
        raise InvalidValueError(
            f"x must be finite, and x[{sequence}, {step}, {feature}] (sequence {sequence}, step "
            f"{step}) is {float(x[sequence, step, feature])}"
        )


def check_lengths(lengths: Tensor | None, x: Tensor) -> list[int] | None:
    """Return ``lengths`` as integers, each from 1 to the number of steps.

    Raises:
        TypeError: Not integers.
        ValueError: Not one number for each sequence, or a number out of range.
    """
    if lengths is None:
        return None
    batch, steps = x.shape[:2]
    if not isinstance(lengths, Tensor):
        lengths = torch.as_tensor(lengths, device="cpu")
    if lengths.is_floating_point() or lengths.is_complex() or lengths.dtype == torch.bool:
        raise InvalidTypeError(f"lengths must be integers, and {lengths.dtype} arrived")
    if lengths.shape != (batch,):
        raise InvalidValueError(
            f"lengths must have shape ({batch},), one number for each sequence, and "
            f"{tuple(lengths.shape)} arrived"
        )
    numbers: list[int] = lengths.tolist()
    for sequence, number in enumerate(numbers):
        if not 1 <= number <= steps:
            raise InvalidValueError(
                f"lengths must lie between 1 and the {steps} steps of x, and sequence {sequence} "
                f"has {number}"
            )
    return numbers


def check_angles(theta: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    """Refuse what a controller returned if it is not of ``shape`` (..., P) and ``dtype``.

    Raises:
        TypeError: Another dtype.
        ValueError: Another shape.
    """
    if tuple(theta.shape) != shape:
        raise InvalidValueError(
            f"the controller must return {shape[-1]} angles for each sequence, shape {shape}, and "
            f"returned {tuple(theta.shape)}"
        )
    if theta.dtype != dtype:
        raise InvalidTypeError(
            f"the controller must return angles of the model's dtype {dtype}, and returned "
            f"{theta.dtype}"
        )


def check_dtype(dtype: torch.dtype) -> None:
    """Refuse anything but float32 and float64 (TypeError)."""
    if dtype not in (torch.float32, torch.float64):
        raise InvalidTypeError(
            f"dtype must be torch.float32 or torch.float64, and {dtype!r} arrived"
        )


def keep_precision(device: torch.device) -> AbstractContextManager[None]:
    """In this context angles keep the precision of the states, also under autocast."""
    if torch.is_autocast_enabled(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()  # to enter autocast costs as much as a few torch operations


def raise_precision(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Inputs of the low precision that autocast gave them, in ``dtype``; others as they are."""
    if isinstance(x, Tensor) and x.dtype in _AUTOCAST and torch.is_autocast_enabled(x.device.type):
        return x.to(dtype)
    return x


def require_cpu(device: torch.device, what: str) -> None:
    """Refuse inputs on another device for ``what`` runs on the CPU alone (ValueError)."""
    if device.type != "cpu":
        raise InvalidValueError(
            f"{what} takes inputs on the CPU, and x is on {device}; only the simulator of "
            "readout='expectation' and 'none' runs elsewhere: take model.cpu() and x.cpu()"
        )
