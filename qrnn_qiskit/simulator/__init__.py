"""Compiled exact simulation of parametrized circuits over a batch, with the reversible adjoint."""

from qrnn_qiskit.simulator.compilation import kernel_cache

with kernel_cache():
    from qrnn_qiskit.simulator.density import DensityRun, DensitySimulator, run_measured
    from qrnn_qiskit.simulator.engine import Simulator
    from qrnn_qiskit.simulator.evolution import (
        Evolution,
        Reversible,
        advance,
        begin,
        open_token,
        read_vector,
    )
    from qrnn_qiskit.simulator.lowering import UnsupportedCircuitError
    from qrnn_qiskit.simulator.memory import NOTHING_KEPT, Kept
    from qrnn_qiskit.simulator.recurrence import ControllerWeights, Recurrence, run_recurrence

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
