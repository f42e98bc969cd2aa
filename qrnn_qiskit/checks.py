"""Checks of arguments: inputs, lengths, angles, dtype, device, and sizes that fit into memory."""

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
from qrnn_qiskit.interop.plain_tensors import check_stored, refuse_stored

_BLOCK_BYTES = 128  # one amplitude of one block: real and imaginary lane vectors of 64 bytes
_AUTOCAST = (torch.bfloat16, torch.float16)
_CPU = torch.device("cpu")
_UNCHANGED = nullcontext()


def check_memory(num_qubits: int, num_blocks: int = 1, num_arrays: int = 1) -> None:
    """Refuse arrays of states that do not fit into this machine's memory.

    Args:
        num_qubits: n; a state has 2^n amplitudes.
        num_blocks: Blocks of sequences, the unit in which the CPU kernels run; the default of one
            block is the least that any run takes.
        num_arrays: Arrays of that size.

    Raises:
        ValueError: They do not fit; the message has the bytes needed and the bytes present.
    """
    amplitude = num_arrays * num_blocks * _BLOCK_BYTES
    # Far above the limit, the number of bytes would itself not fit into memory.
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
    """Refuse a number of bytes that exceeds this machine's memory.

    Args:
        needed: Bytes.
        who: Subject and verb of the message, such as "num_qubits=60 needs".
        what: Purpose of the memory.
        remedy: Sentence that states what to do.
        size: ``needed`` as text; formatted from the number by default.

    Raises:
        ValueError: It does not fit; the message has the bytes needed and the bytes present.
    """
    present = count_memory()
    if needed > present:
        raise InvalidValueError(
            f"{who} {size or _format_bytes(needed)} of memory {what}, but this machine has "
            f"{_format_bytes(present)}. {remedy}"
        )


@cache
def count_memory() -> int:
    """Bytes of memory of this machine, cached because the query takes as long as a short step."""
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
        TypeError: The value is not a real number.
        ValueError: The value is NaN, infinite or out of range.
    """
    limits = [f"at least {minimum:g}"] if minimum > -math.inf else []
    limits += [f"below {below:g}"] if below < math.inf else []
    expected = f"{name} must be a finite number {' and '.join(limits)}".rstrip()
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InvalidTypeError(f"{expected}, got {value!r} ({type(value).__name__})")
    number = float(value)
    if not (math.isfinite(number) and minimum <= number < below):
        raise InvalidValueError(f"{expected}, got {number}")


def check_batch(
    x: Tensor,
    lengths: Tensor | None,
    input_size: int,
    dtype: torch.dtype,
    device: torch.device = _CPU,
    *,
    kernels_find_nan: bool = False,
) -> list[int] | None:
    """Check inputs and lengths at the door of ``forward``, before anything runs.

    Args:
        x: Inputs (batch, time, input_size).
        lengths: (batch,) integers, the valid steps of each sequence; all steps by default.
        input_size: E, the width that the model expects.
        dtype: Dtype of the model.
        device: Device of the model.
        kernels_find_nan: Whether the kernels that read ``x`` report NaN and infinity themselves,
            so that they are not looked for here.

    Returns:
        The lengths as a list of integers, or None where none were given.

    Raises:
        TypeError: ``x`` is not a tensor or has another dtype, or lengths are not integers.
        ValueError: ``x`` has another shape or device, no sequence, no step, or a number that is
            not finite; or lengths have another shape or are out of range.
    """
    _check_inputs(x, input_size, dtype, device)
    numbers = _check_lengths(lengths, x)
    if not kernels_find_nan:
        check_finite(x)
    return numbers


def _check_inputs(x: Tensor, input_size: int, dtype: torch.dtype, device: torch.device) -> None:
    expected = f"expected x of shape (batch, time, {input_size})"
    if not isinstance(x, Tensor):
        is_packed = isinstance(x, PackedSequence)
        hint = " Pass the padded tensor, batch first, and its lengths=." if is_packed else ""
        raise InvalidTypeError(f"{expected} as a torch.Tensor, got a {type(x).__name__}.{hint}")
    check_stored("x", x)
    if x.dim() != 3:
        hint = " Add the batch axis with x.unsqueeze(0)." if x.dim() == 2 else ""
        raise InvalidValueError(f"{expected}, got {tuple(x.shape)} of rank {x.dim()}.{hint}")
    if x.shape[2] != input_size:
        raise InvalidValueError(f"{expected}, got {tuple(x.shape)} with width {x.shape[2]}")
    if not x.numel():
        raise InvalidValueError(
            f"{expected} with at least one sequence and one step, got {tuple(x.shape)}"
        )
    if x.dtype != dtype:
        remedy = f"x.to({dtype})"
        if x.dtype in (torch.float32, torch.float64):  # a model can be converted to these
            remedy += f" or model.to({x.dtype})"
        raise InvalidTypeError(
            f"expected x of the model's dtype {dtype}, got {x.dtype}. Convert it: {remedy}."
        )
    if x.device != device:
        raise InvalidValueError(
            f"x must be on {device}, the model's device, but it is on {x.device}. Move one of "
            f"them: x.to({str(device)!r}) or model.to({str(x.device)!r})."
        )
    if x.is_meta:
        refuse_stored("x", "a tensor on the device meta, which has no numbers")


def check_finite(x: Tensor) -> None:
    """Refuse NaN and infinity in inputs (batch, time, input_size).

    Raises:
        ValueError: Some number is not finite; the message gives the position of the first one.
    """
    total = (x.detach() if x.requires_grad else x).sum()
    if math.isfinite(total.item()):  # the sum of finite numbers may be infinite
        return
    finite = torch.isfinite(x)
    if not bool(finite.all()):
        sequence, step, feature = (int(index) for index in (~finite).nonzero()[0])
        raise InvalidValueError(
            f"x must be finite, but x[{sequence}, {step}, {feature}] (sequence {sequence}, step "
            f"{step}) is {float(x[sequence, step, feature])}"
        )


def _check_lengths(lengths: Tensor | None, x: Tensor) -> list[int] | None:
    if lengths is None:
        return None
    batch, steps = x.shape[:2]
    if not isinstance(lengths, Tensor):
        lengths = torch.as_tensor(lengths, device="cpu")
    check_stored("lengths", lengths)
    if lengths.is_floating_point() or lengths.is_complex() or lengths.dtype == torch.bool:
        raise InvalidTypeError(f"lengths must be integers, got {lengths.dtype}")
    if lengths.shape != (batch,):
        raise InvalidValueError(
            f"expected lengths of shape ({batch},), one number for each sequence, got "
            f"{tuple(lengths.shape)}"
        )
    numbers: list[int] = lengths.tolist()
    for sequence, number in enumerate(numbers):
        if not 1 <= number <= steps:
            raise InvalidValueError(
                f"lengths must lie between 1 and the {steps} steps of x, but sequence {sequence} "
                f"has {number}"
            )
    return numbers


def check_angles(theta: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    """Refuse angles of a controller that do not have ``shape`` (..., P) and ``dtype``.

    Raises:
        TypeError: Another dtype.
        ValueError: Another shape.
    """
    if tuple(theta.shape) != shape:
        raise InvalidValueError(
            f"the controller must return {shape[-1]} angles for each sequence, shape {shape}, but "
            f"returned {tuple(theta.shape)}"
        )
    if theta.dtype != dtype:
        raise InvalidTypeError(
            f"the controller must return angles of the model's dtype {dtype}, but returned "
            f"{theta.dtype}"
        )


def check_dtype(dtype: torch.dtype) -> None:
    """Refuse any dtype but float32 and float64 (TypeError)."""
    if dtype not in (torch.float32, torch.float64):
        raise InvalidTypeError(f"dtype must be torch.float32 or torch.float64, got {dtype!r}")


def keep_precision(device: torch.device) -> AbstractContextManager[None]:
    """Return a context in which autocast leaves angles in the precision of the states."""
    if torch.is_autocast_enabled(device.type):
        return torch.autocast(device.type, enabled=False)
    return _UNCHANGED  # to enter autocast costs as much as a few torch operations


def raise_precision(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Convert inputs that autocast left in low precision to ``dtype``; return others unchanged."""
    if isinstance(x, Tensor) and x.dtype in _AUTOCAST and torch.is_autocast_enabled(x.device.type):
        return x.to(dtype)
    return x


def require_cpu(device: torch.device, what: str) -> None:
    """Refuse a device other than the CPU for ``what``, which runs only there (ValueError)."""
    if device.type != "cpu":
        raise InvalidValueError(
            f"{what} takes inputs on the CPU, but x is on {device}; only the simulator of "
            "readout='expectation' and 'none' runs elsewhere: use model.cpu() and x.cpu()"
        )
