"""The executor on IBM Quantum: a run repeats from its ledger, and goes on where it ends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import Target

from circuits import build_readout
from circuits.profile import CircuitProfile, profile_circuit
from circuits.validation import require_count
from qrnn_qiskit.executors import Counts, Estimates, Pub, check_values
from qrnn_qiskit.gradients import parse_gradient
from runtime_jobs.aer.bases import Basis, group_terms
from runtime_jobs.aer.statistics import estimate_mean
from runtime_jobs.compilation import READOUT_REGISTER, Chip, choose_chip, measure_in_bases
from runtime_jobs.ibm.dispatch import Dispatcher, Pubs, Shipment
from runtime_jobs.ibm.encoding import Bits, hash_circuit, pack_circuit, unpack_circuit
from runtime_jobs.ledger import (
    FrozenCircuit,
    FrozenDevice,
    JobRequest,
    Ledger,
    hash_bytes,
)
from runtime_jobs.plan.limits import (
    JobLimits,
    Load,
    Piece,
    estimate_seconds,
    reserve_seconds,
    split_loads,
)

__all__ = ["IbmExecutor"]


class IbmExecutor:
    """Unitary circuits on a QPU of IBM Quantum.

    A job is known by its circuits, parameter values, shots and target: one whose result is in the
    ledger is not sent again. So the same computation, started again in any process, repeats up to
    the first job that is not done, and goes on from there. Circuits stay as they were compiled when
    they were first sent.

    Args:
        name: of the backend, ``ibm_kingston``.
        shots: of each measurement basis of each set of values.
        dispatcher: sends jobs and collects them.
        ledger: of the run.
        gradient: how backward gets its gradients, see :class:`~qrnn_qiskit.executors.Executor`.
        limits: of the service on one job.

    Attributes:
        counts: what was asked for, whether it came from the ledger or from the service.
    """

    def __init__(
        self,
        name: str,
        shots: int,
        dispatcher: Dispatcher,
        ledger: Ledger,
        *,
        gradient: str | None = None,
        limits: JobLimits | None = None,
    ) -> None:
        self.backend = name
        self.name = f"ibm:{name.removeprefix('ibm_')}?shots={shots}"
        self.shots = require_count("shots", shots)
        if gradient is not None:
            parse_gradient(gradient)
        self.gradient = gradient
        self.counts = Counts()
        self._dispatcher = dispatcher
        self._ledger = ledger
        self._limits = limits
        self._target: tuple[Target, str] | None = None
        self._chip: Chip | None = None
        self._rounds = 0
        self._frozen: dict[str, FrozenCircuit] = {}

    def run(self, pubs: Sequence[Pub]) -> list[Estimates]:
        """Run one round of PUBs, in as few jobs as the limits of the service allow.

        Raises:
            TypeError, ValueError: observables or values that do not fit; nothing has been sent.
            LimitError: a circuit that no job takes.
            BudgetError, JobsPendingError, JobFailedError, ServiceError: see
                :meth:`runtime_jobs.ibm.dispatch.Dispatcher.run`.
        """
        checked = [_check_pub(pub) for pub in pubs]
        bases = [group_terms(pub.observables, range(pub.circuit.num_qubits)) for pub in checked]
        bits = self._measure(checked, bases, self.shots)
        return [
            _estimate(pub, groups, found)
            for pub, groups, found in zip(checked, bases, bits, strict=True)
        ]

    def estimate(
        self, circuit: QuantumCircuit, values: ArrayLike, observables: Sequence[SparsePauliOp]
    ) -> Estimates:
        """Estimate observables, a job of one PUB; see :meth:`run`."""
        return self.run([Pub(circuit, np.asarray(values, np.float64), observables)])[0]

    def sample(
        self, circuit: QuantumCircuit, values: ArrayLike, shots: int
    ) -> list[dict[str, int]]:
        """Measure all qubits; see :class:`~qrnn_qiskit.executors.Executor` and :meth:`run`."""
        shots = require_count("shots", shots)
        pub = _check_pub(Pub(circuit, np.asarray(values, np.float64), []))
        (counts,) = self._measure([pub], [[Basis()]], shots)
        return [
            {f"{state:0{circuit.num_qubits}b}": int(row[state]) for state in row.nonzero()[0]}
            for row in counts
        ]

    def describe(self) -> list[str]:
        """The physical qubits in use, one line."""
        device = self._ledger.find_device(self.backend)
        if device is None:
            return []
        qubits = "-".join(map(str, device.qubits))
        return [f"{self.backend} qubits {qubits}, calibrated {device.calibration}"]

    def _measure(
        self, pubs: Sequence[Pub], bases: Sequence[Sequence[Basis]], shots: int
    ) -> list[NDArray[np.int64]]:
        """How often each bit string was seen, (B * bases, 2^n) of each PUB."""
        self._rounds += 1
        frozen, values, loads = [], [], []
        for pub, groups in zip(pubs, bases, strict=True):
            measured = measure_in_bases(pub.circuit)
            kept = self._freeze(measured.circuit)
            frozen.append(kept)
            values.append(measured.bind(pub.values, groups))
            profile = CircuitProfile(**json.loads(kept.profile))
            loads.append(Load(f"round {self._rounds}", profile, len(values[-1])))
        jobs = split_loads(loads, shots, self._limits)
        shipments = [
            self._make_shipment(job, frozen, values, loads, shots, number)
            for number, job in enumerate(jobs, start=1)
        ]
        results = self._dispatcher.run(shipments)
        self.counts.jobs += len(jobs)
        self.counts.pubs += sum(map(len, jobs))
        self.counts.bindings += sum(len(pub.values) for pub in pubs)
        self.counts.executions += shots * sum(map(len, values))
        parts: list[list[NDArray[np.int64]]] = [[] for _ in pubs]
        for job, result in zip(jobs, results, strict=True):
            for piece, bits in zip(job, result, strict=True):
                parts[piece.load].append(_count(bits, pubs[piece.load].circuit.num_qubits))
        return [np.concatenate(part) for part in parts]

    def _make_shipment(
        self,
        job: Sequence[Piece],
        frozen: Sequence[FrozenCircuit],
        values: Sequence[NDArray[np.float64]],
        loads: Sequence[Load],
        shots: int,
        number: int,
    ) -> Shipment:
        rows = [values[piece.load][piece.start : piece.stop] for piece in job]
        circuits = [frozen[piece.load] for piece in job]
        device = self._ledger.find_device(self.backend)
        assert device is not None
        request = JobRequest(
            device=self.backend,
            round=f"round {self._rounds}, job {number}",
            circuit_hashes=tuple(circuit.hash for circuit in circuits),
            parameters_hash=hash_bytes(b"".join(row.tobytes() for row in rows)),
            options=json.dumps({"primitive": "sampler", "rows": [len(row) for row in rows]}),
            target_hash=device.target_hash,
            circuits=sum(map(len, rows)),
            shots=shots,
            max_execution_time=reserve_seconds(estimate_seconds(loads, job, shots)),
        )
        return Shipment(request, partial(_make_pubs, circuits, rows), tuple(map(len, rows)))

    def _freeze(self, circuit: QuantumCircuit) -> FrozenCircuit:
        """The circuit as it was compiled when it was first sent, or now."""
        key = hash_circuit(circuit)
        if key not in self._frozen:
            device = self._ledger.find_device(self.backend)
            found = None
            if device is not None:
                found = self._ledger.find_circuit(key, device.target_hash)
            self._frozen[key] = found or self._compile(circuit, key)
        return self._frozen[key]

    def _compile(self, circuit: QuantumCircuit, key: str) -> FrozenCircuit:
        chip = self._choose_chip(circuit)
        compiled = chip.compile(circuit)
        profile = json.dumps(asdict(profile_circuit(compiled, chip.cut)))
        frozen = FrozenCircuit(pack_circuit(chip.place(compiled)), profile)
        device = self._ledger.find_device(self.backend)
        assert device is not None
        self._ledger.freeze_circuit(key, device.target_hash, frozen)
        self.counts.transpilations += 1
        return frozen

    def _choose_chip(self, circuit: QuantumCircuit) -> Chip:
        """The qubits of the run: those of its first job, or the best ones now."""
        if self._chip is None:
            target, calibration = self._dispatcher.service.find_target(self.backend)
            device = self._ledger.find_device(self.backend)
            if device is None:
                self._chip = choose_chip(self.backend, target, circuit)
                self._ledger.freeze_device(
                    FrozenDevice(
                        self.backend, self._chip.qubits, _hash_target(self._chip), calibration
                    )
                )
            else:
                self._chip = Chip(self.backend, target, device.qubits)
        return self._chip


def _check_pub(pub: Pub) -> Pub:
    if pub.circuit.num_clbits:
        raise ValueError(
            f"circuit {pub.circuit.name!r} has {pub.circuit.num_clbits} classical bits; a circuit "
            "without measurements is required, the device adds its own"
        )
    observables = list(pub.observables)
    if observables:
        observables = build_readout(observables, num_qubits=pub.circuit.num_qubits).observables
    return Pub(pub.circuit, check_values(pub.circuit, pub.values), observables)


def _make_pubs(circuits: Sequence[FrozenCircuit], rows: Sequence[NDArray[np.float64]]) -> Pubs:
    return [(unpack_circuit(c.isa), values) for c, values in zip(circuits, rows, strict=True)]


def _count(bits: Bits, num_qubits: int) -> NDArray[np.int64]:
    """How often each bit string was seen, (rows, 2^n), from the final register's bits."""
    array = bits[READOUT_REGISTER].array.astype(np.int64)
    states = np.zeros(array.shape[:-1], np.int64)
    for byte in np.moveaxis(array, -1, 0):  # the first byte is the most significant
        states = states * 256 + byte
    size = 2**num_qubits
    offsets = np.arange(len(states))[:, None] * size
    counts = np.bincount((states + offsets).ravel(), minlength=len(states) * size)
    return counts.reshape(len(states), size)


def _estimate(pub: Pub, bases: Sequence[Basis], counts: NDArray[np.int64]) -> Estimates:
    num_qubits = pub.circuit.num_qubits
    values = np.zeros((len(pub.values), len(pub.observables)))
    variances = np.zeros_like(values)
    split = counts.reshape(len(pub.values), len(bases), -1)
    for k, basis in enumerate(bases):
        rows, table = basis.tabulate(num_qubits)
        mean, variance = estimate_mean(split[:, k], table)
        values[:, rows] += mean
        variances[:, rows] += variance
    return Estimates(values, np.sqrt(variances))


def _hash_target(chip: Chip) -> str:
    """SHA-256 of instruction set, coupling map and layout: what a compiled circuit depends on."""
    coupling = chip.target.build_coupling_map()
    parts: list[Any] = [
        sorted(chip.target.operation_names),
        sorted(map(list, coupling.get_edges())) if coupling is not None else [],
        chip.qubits,
    ]
    return hash_bytes(json.dumps(parts).encode())
