"""Bias of measured readouts with misread bits, and what mitigation by feed-forward flips leaves.

    python benchmarks/mitigation.py

Random dynamic circuits (2 qubits, one ancilla, 4 steps, random angles for every branch) in exact
simulation with assignment errors from 0.01 to 0.05, at 200,000 executions for each sequence. It
prints the table of docs/results/2026-11-30-mitigation.md.
"""

from __future__ import annotations

import numpy as np

from circuits import build_ansatz, build_dynamic, build_measurement, build_readout
from qrnn_qiskit.executors import DynamicPub
from runtime_jobs import open_device
from runtime_jobs.estimation.feed_forward import find_overhead

RATES = (0.01, 0.02, 0.03, 0.04, 0.05)
SEQUENCES, STEPS, QUBITS = 18, 4, 2
TOGETHER = 3  # sequences that share a calibration of 2 x 10,000 shots
EXECUTIONS = 200_000  # of a sequence, in three bases


def make_pub(seed: int) -> DynamicPub:
    """Draw the angles of a batch."""
    ansatz = build_ansatz("linear", num_qubits=QUBITS, num_layers=1)
    measurement = build_measurement(num_qubits=QUBITS, ancilla_return="reset")
    circuit = build_dynamic(ansatz, measurement, STEPS)
    shape = (SEQUENCES, STEPS, measurement.num_outcomes, ansatz.num_parameters)
    tables = np.random.default_rng(seed).uniform(-np.pi, np.pi, shape)
    observables = build_readout(num_qubits=QUBITS).observables
    return DynamicPub(circuit, circuit.bind_values(tables), observables)


def main() -> None:
    """Print a row for each rate, and the spread over all of them."""
    print("| error | bias: mean, largest | final readouts inverted | flips, exact | ", end="")
    print("residuals: spread, largest | standard error, unmitigated to mitigated | overhead |")
    print("|---|---|---|---|---|---|---|")
    everything = []
    for seed, rate in enumerate(RATES):
        pub = make_pub(seed)
        (ideal,) = open_device("aer").run_dynamic([pub])

        def measure(options: str, rate: float = rate, pub: DynamicPub = pub) -> np.ndarray:
            (found,) = open_device(f"simulator?noise=readout:{rate}{options}").run_dynamic([pub])
            return np.abs(found.values - ideal.values)  # noqa: B023  used within the loop

        plain, readout = measure(""), measure("&mitigation=readout")
        flips = measure("&mitigation=feedforward")
        name, shots = f"simulator?noise=readout:{rate}", EXECUTIONS // 3
        (noisy,) = open_device(name, shots=shots, seed=seed).run_dynamic([pub])
        values, errors = [], []
        for first in range(0, SEQUENCES, TOGETHER):  # each with a calibration of its own
            part = pub._replace(values=pub.values[first : first + TOGETHER])
            device = open_device(
                f"{name}&mitigation=feedforward", shots=shots, seed=1000 * seed + first
            )
            (found,) = device.run_dynamic([part])
            values.append(found.values)
            errors.append(found.standard_errors)
        errors = np.concatenate(errors)
        residuals = (np.concatenate(values) - ideal.values) / errors
        everything.append(residuals)
        overhead = find_overhead(np.full((1, 1, 2), rate), STEPS)
        print(
            f"| {rate} | {plain.mean():.4f}, {plain.max():.4f} | {readout.mean():.4f}, "
            f"{readout.max():.4f} | {flips.max():.0e} | {residuals.std():.2f}, "
            f"{np.abs(residuals).max():.2f} | {noisy.standard_errors.mean():.5f} to "
            f"{errors.mean():.5f} | {overhead:.3f} |",
            flush=True,
        )
    residuals = np.concatenate(everything)
    means = residuals.mean(0) * np.sqrt(len(residuals))
    print(
        f"{residuals.size} readouts: spread {residuals.std():.3f}, largest "
        f"{np.abs(residuals).max():.2f}; mean of each kind of readout over all sequences at most "
        f"{np.abs(means).max():.2f} standard errors"
    )


if __name__ == "__main__":
    main()
