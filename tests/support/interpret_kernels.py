"""Run as a program: the Triton kernels by Triton's interpreter, compared with the CPU's kernels.

Triton reads TRITON_INTERPRET when a kernel is defined, so this needs a separate process. It prints,
as JSON, for each case the largest difference of outputs, states and gradients, and the places where
the kernels should have waited for other threads.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
from barriers import BarrierWatch
from engines import build_custom, differentiate, find_difference, list_wide, make_model


class Case(NamedTuple):
    """A model and the lengths of the sequences that it runs."""

    arguments: dict[str, Any]
    dtype: torch.dtype = torch.float64
    lengths: tuple[int, ...] = (2,)


CASES = {
    "n=1": Case({"num_qubits": 1}),
    "n=2": Case({"num_qubits": 2}),
    "n=3": Case({"num_qubits": 3}, lengths=(2, 1, 3)),
    "n=4, two layers": Case({"num_qubits": 4, "num_layers": 2}, lengths=(1, 2)),
    "n=5": Case({"num_qubits": 5}),
    "n=2, float32": Case({"num_qubits": 2}, torch.float32),
    "n=5, float32": Case({"num_qubits": 5}, torch.float32, (2, 1)),
    "norm": Case({"num_qubits": 1, "controller_hidden": None}, lengths=(10,)),
    "two tiles": Case({"num_qubits": 9, "observables": list_wide(9)}, lengths=(1,)),
    "two tiles, crx": Case({"num_qubits": 9, "entangler": "crx"}, lengths=(1,)),
    "crx": Case({"num_qubits": 3, "ansatz": "ring", "entangler": "crx"}),
    "rzz": Case({"num_qubits": 4, "entangler": "rzz", "rotations": ["rx", "rz"]}),
    "product": Case({"num_qubits": 2, "ansatz": "product"}),
    "custom": Case({"num_qubits": 4, "ansatz": build_custom(), "observables": list_wide(4)}),
    "no feedback": Case({"num_qubits": 2, "readout": "none"}),
    "linear": Case({"num_qubits": 2, "controller_hidden": None}, lengths=(1, 3)),
    "linear, float32": Case({"num_qubits": 3, "activation": "linear"}, torch.float32),
    "relu": Case({"num_qubits": 1, "activation": "relu"}),
    "glu": Case({"num_qubits": 1, "activation": "glu", "controller_hidden": 40}),
    "registers": Case({"num_qubits": 1, "num_registers": 3}, lengths=(2, 1)),
    "dropout": Case({"num_qubits": 1, "dropout": 0.4}, lengths=(2, 3)),
    "dropout, glu": Case({"num_qubits": 1, "dropout": 0.4, "activation": "glu"}, torch.float32),
}


def compare(case: Case) -> float:
    """The largest difference between the interpreted kernels and the CPU's."""
    from qrnn_qiskit.engines.gpu.simulator import KernelSimulator  # defines the kernels

    model = make_model(case.dtype, **({"num_layers": 1} | case.arguments))
    torch.manual_seed(1)  # of dropout
    expected = differentiate(model, lengths=case.lengths)
    torch.manual_seed(1)
    launch = KernelSimulator.reverse
    with (
        patch("qrnn_qiskit.modes.expectation.has_kernels", return_value=True),
        patch.object(KernelSimulator, "reverse", autospec=True, side_effect=launch) as launched,
    ):
        found = differentiate(model, lengths=case.lengths)
    assert launched.call_count, "the CPU's kernels were compared with themselves"
    return find_difference(found, expected)


def patch_once(interpreter: Any) -> Callable[..., Any]:
    """Wrap Triton's language once; its interpreter does so at every call inside of a kernel."""
    wrap, language = interpreter._patch_lang, interpreter.tl
    wrapped: set[frozenset[str]] = set()

    def wrap_once(function: Any) -> Any:
        known = function.__globals__.values()
        seen = frozenset(part.__name__ for part in (language, language.core) if part in known)
        if seen not in wrapped:
            wrapped.add(seen)
            wrap(function)
        return SimpleNamespace(restore=lambda: None)

    return wrap_once


if __name__ == "__main__":
    os.environ["TRITON_INTERPRET"] = "1"
    from triton.runtime import interpreter

    interpreter._patch_lang = patch_once(interpreter)
    watch = BarrierWatch(interpreter.interpreter_builder)
    differences = {name: compare(case) for name, case in CASES.items()}
    json.dump({"differences": differences, "races": sorted(watch.found)}, sys.stdout)
