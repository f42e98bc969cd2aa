"""Records that Aer draws from the circuits of a model against their likelihoods."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from frequencies import find_p_value, is_rejected
from qiskit_aer import AerSimulator

from circuits import COUPLINGS, MEASUREMENT_FRAMES
from qrnn_qiskit import QRNN
from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.run_folder import create_run
from qrnn_qiskit.training.trainer import train
from runtime_jobs import evaluate, open_device

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


@pytest.mark.noisy
def test_devices_draw_records_by_their_likelihoods() -> None:
    records = torch.tensor(list(itertools.product((0, 1), repeat=STEPS * BITS)))
    records = records.reshape(-1, STEPS, BITS)
    weights = 1 << torch.arange(STEPS * BITS).flip(0)
    torch.manual_seed(5)
    model = QRNN(
        2, 3, 2, readout="measured", num_ancillas=BITS, feedback_gain=3.0, dtype=torch.float64
    )
    x, lengths = torch.randn(2, STEPS, 2, dtype=torch.float64), torch.tensor([STEPS, STEPS - 1])
    p_values = []
    for name in ("aer", "aer:kingston?noise=0&patches=2", "simulator:kingston?noise=0"):
        model.executor = open_device(name, shots=700, seed=3)
        drawn = model.draw_records(x, lengths).long()
        assert drawn.shape == (2, 3 * 700, STEPS, BITS)
        assert not drawn[1, :, STEPS - 1].any()
        for row in range(2):
            end = int(lengths[row])
            logs = model.filter(x[row : row + 1].expand(len(records), -1, -1), records)
            exact = logs.log_likelihood[:, :end].sum(1).exp().detach()
            exact *= (records[:, end:] == 0).all(2).all(1)
            p_values.append(find_p_value((drawn[row].flatten(1) @ weights).numpy(), exact.numpy()))
    assert not is_rejected(p_values, 1e-3)
    model.executor = open_device("aer")
    with pytest.raises(ValueError, match=r"shot by shot, but 'aer' gives exact values; give shots"):
        model.draw_records(x)


@pytest.mark.noisy
def test_an_untrained_square_has_no_witness_of_contextuality(tmp_path: Path) -> None:
    sizes = {"train_size": 64, "validation_size": 10, "test_size": 150, "steps": 8}
    run = create_run(tmp_path / "run", resolve_config("square", sizes | {"epochs": 1, "seed": 1}))
    train(run)
    found = evaluate(run, "simulator:kingston?noise=0&shots=30")
    witness = found.metrics["witness"]
    assert witness["value"] + 3 * witness["standard_error"] < 4
    assert found.metrics["determined_true"]["value"] < 0.9
    assert {"excess", "log_loss", "determined_loss"} <= set(found.metrics)
    (file,) = (run.path / "evaluations").glob("*shots*.npz")
    with np.load(file) as kept:
        assert kept["prediction"].shape == (150, 3 * 30, 8)
