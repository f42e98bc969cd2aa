"""Compiled exact simulation of parametrized circuits over a batch, with the reversible adjoint."""

from qrnn_qiskit.engines.cpu.numba_compiler import kernel_cache

with kernel_cache():
    from qrnn_qiskit.engines.cpu.conditioned import (
        ConditionedRun,
        ConditionedSimulator,
        run_record,
    )
    from qrnn_qiskit.engines.cpu.density import DensityRun, DensitySimulator, run_measured
    from qrnn_qiskit.engines.cpu.recurrence import run_recurrence
    from qrnn_qiskit.engines.cpu.simulator import Simulator
    from qrnn_qiskit.engines.cpu.stepwise import Evolution, begin

__all__ = [
    "ConditionedRun",
    "ConditionedSimulator",
    "DensityRun",
    "DensitySimulator",
    "Evolution",
    "Simulator",
    "begin",
    "run_measured",
    "run_record",
    "run_recurrence",
]
