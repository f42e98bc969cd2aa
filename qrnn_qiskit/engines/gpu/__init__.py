"""The compiled circuit on a GPU: all steps of the recurrence in one Triton kernel each way.

The same program as in :mod:`qrnn_qiskit.engines.cpu`, read by kernels that know no circuit: they
are compiled for the sizes of a model, its activation and its precision. Triton comes with torch on
Linux; without it, and for anything but the standard controller, :mod:`qrnn_qiskit.engines.dense`
runs on a GPU.
"""

from __future__ import annotations

import importlib.util
from functools import cache

import torch

__all__ = ["has_kernels"]


@cache
def has_kernels(device: torch.device) -> bool:
    """Whether the kernels run on ``device``: a GPU that Triton compiles for, where Triton is."""
    return (
        device.type == "cuda"
        and importlib.util.find_spec("triton") is not None
        and torch.cuda.get_device_capability(device) >= (8, 0)
    )
