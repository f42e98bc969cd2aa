"""Peak memory grows with the number of steps by what is linear in it, never by states."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from qrnn_qiskit import QRNN

pytestmark = pytest.mark.process

QUBITS, BATCH, WIDTH, HIDDEN = 10, 16, 8, 32
SHORT, LONG = 64, 1024

PROBE = f'''
import resource, sys
import pytest
import torch
from qrnn_qiskit import QRNN


def read_peak():
    """Bytes. Linux counts the peak of the process that started this one into ru_maxrss."""
    if sys.platform == "linux":
        with open("/proc/self/status") as status:
            (line,) = [line for line in status if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

torch.set_num_threads(1)
registers = int(sys.argv[1])
model = QRNN({WIDTH}, {QUBITS}, 2, num_registers=registers, controller_hidden={HIDDEN})
peaks = []
for steps in ({SHORT}, {SHORT}, {LONG}):
    _, state = model(torch.randn({BATCH}, steps, {WIDTH}))
    state.readouts.square().sum().backward()
    peaks.append(read_peak())
print(model.ansatz.num_parameters, model.num_readouts, peaks[2] - peaks[1])
'''


@pytest.mark.parametrize("registers", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_growth_is_inputs_angles_readouts_activations_and_their_derivatives(
    registers: int,
) -> None:
    # Compiled once and cached: a compiler at work in the probe would be its peak.
    QRNN(WIDTH, 1)(torch.zeros(1, 1, WIDTH))[1].readouts.sum().backward()
    result = subprocess.run(
        [sys.executable, "-c", PROBE, str(registers)],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    angles, readouts, growth = (int(number) for number in result.stdout.split())
    # [x ; z] of each register, first layer before and after GELU
    activations = (registers * WIDTH + readouts) + 2 * registers * HIDDEN
    derivatives = angles + readouts + registers * HIDDEN
    turns = 2 * angles  # a cosine and a sine of each
    per_step = 4 * BATCH * (WIDTH + angles + turns + readouts + activations + derivatives)
    allowed = (LONG - SHORT) * per_step
    state_bytes = BATCH * registers * 2**QUBITS * 8
    assert (LONG - SHORT) * state_bytes > 5 * allowed, "one state a step would go unnoticed"
    assert growth <= 1.1 * allowed  # products of matrices take buffers of their own
    # The meter works: only inputs are in memory at the peak.
    assert growth >= (LONG - SHORT) * 4 * BATCH * WIDTH
