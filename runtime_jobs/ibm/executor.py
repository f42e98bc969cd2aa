"""The executor on IBM Quantum: a computation repeats from the ledger and continues at its end."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.primitives import DataBin, SamplerPubResult

from circuits import DynamicCircuit
from circuits.errors import InvalidTypeError
from circuits.final_basis import FINAL_REGISTER
from circuits.recurrence import name_parameter
from circuits.validation import require_count
from qrnn_qiskit.executors import (
    Counts,
    DynamicExecutor,
    DynamicPub,
    Estimates,
    Outcomes,
    Pub,
    check_pub,
    check_unmeasured,
    check_values,
)
from qrnn_qiskit.executors.gradient_methods import parse_gradient
from runtime_jobs.device_names import DeviceError
from runtime_jobs.estimation.bases import Basis, group_terms
from runtime_jobs.estimation.bits import Bits, name_bits
from runtime_jobs.estimation.counting import (
    bind_bases,
    choose_final_bases,
    estimate_values,
)
from runtime_jobs.estimation.mitigated import (
    BitCalibration,
    MitigatedRun,
    check_measurement,
    find_places,
    refuse_records,
)
from runtime_jobs.estimation.mitigation import (
    CALIBRATION_SHOTS,
    FLIPS,
    Calibration,
    Mitigation,
    build_calibration,
    calibrate_readout,
)
from runtime_jobs.hardware.calibration import TrainedLayout
from runtime_jobs.hardware.chip import measure_in_bases
from runtime_jobs.hardware.job_limits import JobLimits
from runtime_jobs.hardware.repetition import REP_DELAY_SECONDS
from runtime_jobs.ibm.dispatch import Dispatcher
from runtime_jobs.ibm.encoding import unpack_circuit
from runtime_jobs.ibm.frozen_circuits import Freezer
from runtime_jobs.ibm.job_runner import BoundCircuit, JobRunner
from runtime_jobs.ledger import Ledger
from runtime_jobs.ledger.closing import Closing

__all__ = ["IbmExecutor"]


class IbmExecutor(Closing, DynamicExecutor):
    """Circuits on a QPU of IBM Quantum.

    A job is identified by its circuits, parameter values, shots and target; a job whose result is
    in the ledger is not sent again. The same computation, started again in any process, therefore
    repeats up to the first unfinished job and continues from there. Circuits are compiled when they
    are first sent, and never again.

    Args:
        name: Name of the backend, such as ``ibm_kingston``.
        shots: Shots per measurement basis and set of parameter values.
        dispatcher: Sends and collects the jobs.
        ledger: Ledger of the run.
        gradient: Gradient method of the backward pass, see
            :class:`~qrnn_qiskit.executors.Executor`.
        limits: Limits of the service on one job.
        patches: Number of rows of values that run side by side, each on its own qubits.
        spacing: Spacing of the patches, see
            :func:`runtime_jobs.hardware.patches.choose_patches`.
        repetition: 0, or a higher number to repeat jobs whose results the ledger has.
        fast_measurements: Whether to measure mid-circuit as
            :func:`~runtime_jobs.hardware.chip.speed_up_measurements` does.
        rep_delay: Repetition delay in seconds; None for the default of the backend.
        default_delay: That default in seconds, for estimates.
        layout: The qubits that the model was trained on, kept if they work; see
            :func:`runtime_jobs.hardware.packing.choose_packing`.
        mitigation: Error mitigation of dynamic circuits.
        decouple: Sequence of gates in long waits, see
            :func:`~runtime_jobs.hardware.decoupling.decouple_waits`.
        closing: Closes the ledger if this executor owns it.
        keep_results: Whether results keep the ``PubResult`` that they were computed from.

    Raises:
        DeviceError: The qubits of several patches or fast measurements would be calibrated, or the
            run already has qubits for another number or spacing of patches.

    Attributes:
        counts: Requested work, whether it came from the ledger or from the service.
        pub_results: The ``PubResult`` of every PUB so far, in order, if they are kept.
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
        patches: int = 1,
        spacing: int = 0,
        repetition: int = 0,
        fast_measurements: bool = False,
        rep_delay: float | None = None,
        default_delay: float = REP_DELAY_SECONDS,
        layout: TrainedLayout | None = None,
        mitigation: Mitigation | None = None,
        decouple: str | None = None,
        closing: ExitStack | None = None,
        keep_results: bool = False,
    ) -> None:
        self._closing = closing or ExitStack()
        self._keep_results = keep_results
        self.pub_results: list[SamplerPubResult] = []
        self.backend = name
        self.shots: int | None = require_count("shots", shots)
        if gradient is not None:
            parse_gradient(gradient)
        self.gradient = gradient
        self.counts = Counts()
        self._ledger = ledger
        self._freezer = Freezer(
            name,
            ledger,
            lambda: dispatcher.service.find_target(name),
            patches=require_count("patches", patches),
            spacing=spacing,
            fast_measurements=fast_measurements,
            limits=limits,
            layout=layout,
            decouple=decouple,
        )
        self._runner = JobRunner(
            name,
            dispatcher,
            ledger,
            self._freezer,
            self.counts,
            limits=limits,
            patches=patches,
            repetition=repetition,
            rep_delay=rep_delay,
            default_delay=default_delay,
        )
        self._rep_delay = rep_delay
        self._repetition = repetition
        self._decouple = decouple
        self._mitigation = mitigation or Mitigation()
        self._calibrations: dict[int, Calibration] = {}
        if self._mitigation.calibrates and (patches > 1 or fast_measurements):
            found = f"{patches} patches" if patches > 1 else "--fast-measurements"
            raise DeviceError(
                "mitigation by readout or feedforward calibrates the usual measurement of one set "
                f"of qubits, got {found}; leave one of the two out"
            )

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: one process holds the ledger, so that nothing is paid twice."""
        raise InvalidTypeError(
            f"the executor of {self.backend} cannot be pickled: it holds the lock of its ledger. "
            "Open it in the process that uses it, with open_device"
        )

    @property
    def name(self) -> str:  # type: ignore[override]  # read-only here
        """Name of the device, with a remark if a stand-in for IBM's service ran any job."""
        name = f"ibm:{self.backend.removeprefix('ibm_')}?shots={self.shots}"
        stands_in = any(job["is_stand_in"] for job in self.describe_jobs())
        return f"{name} (stand-in, no QPU)" if stands_in else name

    def describe_jobs(self) -> list[dict[str, Any]]:
        """Describe the jobs of the results so far, as JSON values.

        Each has the id, the charge in QPU seconds, the address of the service and the name of the
        instance, whether the service only stands in for IBM's, and for each PUB the scheduled
        duration of the circuit in steps dt of the device; None where the service gave none.
        """
        described = []
        for record in self._runner.records:
            origin = self._ledger.origins.find(record.tag)
            described.append(
                {
                    "job_id": record.job_id,
                    "usage": record.usage,
                    "address": None if origin is None else origin.address,
                    "instance": None if origin is None else origin.instance,
                    "is_stand_in": origin is not None and origin.is_stand_in,
                    "circuit_dt": [] if origin is None else list(origin.circuit_dt),
                }
            )
        return described

    def close(self) -> None:
        """Close the ledger if this executor owns it, so that other processes can use it."""
        self._closing.close()

    def run(self, pubs: Sequence[Pub]) -> list[Estimates]:
        """Run one round of PUBs, in as few jobs as the limits of the service allow.

        Raises:
            TypeError, ValueError: Observables or values do not fit; nothing has been sent.
            LimitError: A circuit exceeds the limits of a job.
            BudgetError, JobsPendingError, JobFailedError, ServiceError: See
                :meth:`runtime_jobs.ibm.dispatch.Dispatcher.run`.
        """
        assert self.shots is not None
        if self._mitigation != Mitigation():
            raise DeviceError(
                "mitigation on a QPU applies to the dynamic circuits of readout=measured, but this "
                "circuit has no mid-circuit measurement; leave it out"
            )
        if not pubs:
            return []
        checked = [_name_plainly(check_pub(pub)) for pub in pubs]
        bases = [group_terms(pub.observables, range(pub.circuit.num_qubits)) for pub in checked]
        measured = [measure_in_bases(pub.circuit) for pub in checked]
        bound_circuits = [
            BoundCircuit(
                circuit.circuit, circuit.bind(pub.values, groups), _spread(pub, len(groups))
            )
            for circuit, pub, groups in zip(measured, checked, bases, strict=True)
        ]
        results = self._runner.run(bound_circuits, self.shots)
        self.counts.bindings += sum(len(pub.values) for pub in checked)
        return [
            Estimates(
                *estimate_values(bits, groups, pub.circuit.num_qubits, len(pub.observables)),
                self._keep(bits),
            )
            for pub, groups, bits in zip(checked, bases, results, strict=True)
        ]

    def run_dynamic(self, pubs: Sequence[DynamicPub]) -> list[Outcomes]:
        """Run one round of dynamic circuits, as :meth:`run` does for PUBs.

        With mitigation by calibrated readouts, a round before it calibrates them.
        """
        if not pubs:
            return []
        for pub in pubs:
            check_measurement(pub.circuit.measurement, self._mitigation, self.shots)
            refuse_records(pub, self._mitigation)
        checked = [
            pub._replace(values=check_values(pub.circuit.circuit, pub.values)) for pub in pubs
        ]
        bases = [choose_final_bases(pub) for pub in checked]
        if self._mitigation.calibrates:  # by the largest circuit, as without a calibration
            self._freezer.choose_qubits([pub.circuit.circuit for pub in checked])
        runs = [
            self._open_run(place, pub, len(groups))
            for place, (pub, groups) in enumerate(zip(checked, bases, strict=True))
        ]
        factors = self._mitigation.factors
        bound_circuits = []
        for pub, groups, run in zip(checked, bases, runs, strict=True):
            rows = bind_bases(pub.circuit, run.values, groups)
            places = _spread(pub, run.rows * len(groups))
            bound_circuits += [
                BoundCircuit(pub.circuit.circuit, rows, places, factor) for factor in factors
            ]
        results = iter(self._runner.run(bound_circuits, runs[0].shots))
        self.counts.bindings += sum(len(pub.values) for pub in pubs)
        kept = []
        for groups, run in zip(bases, runs, strict=True):
            found = [next(results) for _ in factors]
            for weight, bits in zip(self._mitigation.weights, found, strict=True):
                run.add_bits(weight, bits, groups)
            kept.append([self._keep(bits) for bits in found])
        return [
            replace(run.close(), pub_result=first)
            for run, (first, *_) in zip(runs, kept, strict=True)
        ]

    def _open_run(self, place: int, pub: DynamicPub, num_bases: int) -> MitigatedRun:
        """Open the results of a PUB; its random functions are the same in every process."""
        assert self.shots is not None
        calibration, seed = None, [self._repetition, self._runner.rounds, place]
        if self._mitigation.calibrates:
            calibration = self._calibrate(pub.circuit)
        random = np.random.default_rng(seed)
        return MitigatedRun(pub, num_bases, self._mitigation, calibration, self.shots, random)

    def _calibrate(self, circuit: DynamicCircuit) -> BitCalibration:
        """Calibrate the readout of the qubits of a circuit, in a round of two sets of values."""
        compiled = unpack_circuit(self._freezer.freeze(circuit.circuit, 1).isa)
        (patch,) = self._freezer.get_device().patches
        final, steps = find_places(compiled, circuit)
        num_qubits = circuit.circuit.num_qubits
        if num_qubits not in self._calibrations:
            bound = BoundCircuit(build_calibration(num_qubits), FLIPS, np.arange(len(FLIPS)))
            (bits,) = self._runner.run([bound], CALIBRATION_SHOTS)
            read = bits[FINAL_REGISTER].to_bool_array(order="little")
            zeros, ones = read.mean(1)
            self._calibrations[num_qubits] = calibrate_readout(zeros, ones, CALIBRATION_SHOTS)
        places = [patch.index(qubit) for qubit in final]
        by_step = np.vectorize(patch.index)(steps)
        return BitCalibration(self._calibrations[num_qubits], places, by_step)

    def sample(
        self, circuit: QuantumCircuit, values: ArrayLike, shots: int
    ) -> list[dict[str, int]]:
        """Measure all qubits, see :class:`~qrnn_qiskit.executors.Executor` and :meth:`run`."""
        shots = require_count("shots", shots)
        check_unmeasured(circuit)
        pub = _name_plainly(Pub(circuit, check_values(circuit, values), []))
        measured = measure_in_bases(pub.circuit)
        bound = BoundCircuit(
            measured.circuit, measured.bind(pub.values, [Basis()]), _spread(pub, 1)
        )
        (bits,) = self._runner.run([bound], shots)
        self.counts.bindings += len(pub.values)
        self._keep(bits)
        return name_bits(bits[FINAL_REGISTER])

    def _keep(self, bits: Bits) -> SamplerPubResult | None:
        """Keep the bits of a PUB, joined if it was split over several jobs, if that was asked."""
        if not self._keep_results:
            return None
        (shape,) = {array.shape for array in bits.values()}
        self.pub_results.append(SamplerPubResult(DataBin(**bits, shape=shape)))
        return self.pub_results[-1]

    def describe(self) -> list[str]:
        """Describe the physical qubits in use, in one line; an empty list before the first job."""
        found = self._freezer.find_device()
        return [f"{found.name} {found}"] if found else []

    def layouts(self) -> list[dict[str, Any]]:
        """Return qubits, calibration and job ids of the results so far, one dict per patch.

        ``rep_delay`` is the requested repetition delay in seconds; None for the default.
        ``mitigation`` and ``decouple`` are there if they were requested.
        """
        found = self._freezer.find_device()
        if found is None:
            return []
        shared = {
            "backend": found.name,
            "calibration": found.calibration,
            "rep_delay": self._rep_delay,
            "job_ids": [record.job_id for record in self._runner.records],
        }
        if self._mitigation != Mitigation():
            shared["mitigation"] = self._mitigation.name
        if self._decouple is not None:
            shared["decouple"] = self._decouple
        return [shared | {"qubits": list(patch)} for patch in found.patches]


def _spread(pub: Pub | DynamicPub, bases: int) -> NDArray[np.int64]:
    """Return the group of each row; all measurement bases of a set of values share one."""
    groups = np.arange(len(pub.values)) if pub.groups is None else pub.groups
    return np.repeat(groups, bases)


def _name_plainly(pub: Pub) -> Pub:
    """Rename circuit and parameters of a PUB by their positions, so that equal PUBs hash equally.

    Qiskit numbers circuits and gives each new parameter its own identity.
    """
    circuit = pub.circuit
    width = len(str(circuit.num_parameters))
    names = {
        parameter: name_parameter(f"angle{place:0{width}}")
        for place, parameter in enumerate(circuit.parameters)
    }
    plain = circuit.assign_parameters(names)
    plain.name = "circuit"
    return pub._replace(circuit=plain)
