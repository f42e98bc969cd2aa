"""Records that Aer draws from the circuits of a model against their likelihoods."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from frequencies import find_p_value, is_rejected
from qiskit_aer import AerSimulator

from circuits import COUPLINGS, MEASUREMENT_FRAMES
from qrnn_qiskit import QRNN

SHOTS, STEPS, BITS = 2000, 3, 2


@pytest.mark.training
def test_aer_draws_records_by_their_likelihoods() -> None:
    records = torch.tensor(list(itertools.product((0, 1), repeat=STEPS * BITS)))
    records = records.reshape(-1, STEPS, BITS)
    p_values = []
    for coupling, frame, feedback in itertools.product(
        COUPLINGS, MEASUREMENT_FRAMES, (True, False)
    ):
        torch.manual_seed(5)
        model = QRNN(
            2,
            3,
            2,
            readout="measured",
            num_ancillas=BITS,
            measured_bases="ZX",
            coupling=coupling,
            coupling_strength=math.pi if coupling == "direct" else 1.4,
            measurement_frame=frame,
            bit_feedback=feedback,
            feedback_gain=3.0,
            dtype=torch.float64,
        )
        x = torch.randn(1, STEPS, 2, dtype=torch.float64)
        with torch.no_grad():
            logs = model.filter(x.expand(len(records), -1, -1), records).log_likelihood.sum(1)
        (circuit,) = model.circuits(x)
        job = AerSimulator(method="statevector", seed_simulator=11).run(
            circuit, shots=SHOTS, memory=True
        )
        # The last register comes first: the final one, then the steps from the last to the first.
        drawn = [shot.split()[:0:-1] for shot in job.result().get_memory()]
        seen = np.array([int("".join(bits[::-1] for bits in shot), 2) for shot in drawn])
        p_values.append(find_p_value(seen, logs.exp().numpy()))
    assert not is_rejected(p_values, 1e-3)
