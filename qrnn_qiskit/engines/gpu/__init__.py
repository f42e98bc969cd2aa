"""The compiled circuit on a GPU: all steps in one Triton kernel forward and one backward.

The kernels read the same program as those of :mod:`qrnn_qiskit.engines.cpu`. They contain no
circuit: they are compiled for the sizes of a model, its activation and its precision. Triton comes
with torch on Linux; without it, and for anything but the standard controller,
:mod:`qrnn_qiskit.engines.dense` runs on a GPU.

A program of the GPU takes one sequence, and its threads share the amplitudes of that sequence. The
CPU's kernels do the opposite, a sequence per lane; the formulas are the same in both, and the
reasons for them stand in the CPU's modules of the same names.
"""

from __future__ import annotations

import importlib.util
from functools import cache

import torch

__all__ = ["has_kernels"]


@cache
def has_kernels(device: torch.device) -> bool:
    """Return whether the kernels run on ``device``.

    It must be an NVIDIA GPU of compute capability 8.0 or higher, and Triton must be installed.
    """
    return (
        device.type == "cuda"
        and importlib.util.find_spec("triton") is not None
        and torch.cuda.get_device_capability(device) >= (8, 0)
    )
