"""Compiled exact simulation of parametrized circuits over a batch, with the reversible adjoint."""

from qrnn_qiskit.engines.cpu.numba_compiler import kernel_cache

with kernel_cache():
    from qrnn_qiskit.engines.cpu.density import DensityRun, DensitySimulator, run_measured
    from qrnn_qiskit.engines.cpu.memory import NOTHING_KEPT, Kept
    from qrnn_qiskit.engines.cpu.recurrence import ControllerWeights, Recurrence, run_recurrence
    from qrnn_qiskit.engines.cpu.simulator import Simulator
    from qrnn_qiskit.engines.cpu.stepwise import (
        Evolution,
        Reversible,
        advance,
        begin,
        open_token,
        read_vector,
    )
    from qrnn_qiskit.engines.lowering import UnsupportedCircuitError

__all__ = [
    "NOTHING_KEPT",
    "ControllerWeights",
    "DensityRun",
    "DensitySimulator",
    "Evolution",
    "Kept",
    "Recurrence",
    "Reversible",
    "Simulator",
    "UnsupportedCircuitError",
    "advance",
    "begin",
    "open_token",
    "read_vector",
    "run_measured",
    "run_recurrence",
]
