"""Copies of a circuit side by side on one device, each on its own patch of qubits."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from itertools import chain, zip_longest

from qiskit.circuit import ClassicalRegister, ControlFlowOp, Measure, QuantumCircuit
from qiskit.transpiler import Target

from circuits.profile import CircuitProfile, profile_circuit
from circuits.recurrence import name_parameter
from circuits.rules import HardwareRuleError, RulePub, check_rules
from runtime_jobs.estimation.mitigation import fold_pairs
from runtime_jobs.hardware.calibration import TrainedLayout
from runtime_jobs.hardware.chip import Chip
from runtime_jobs.hardware.decoupling import decouple_waits
from runtime_jobs.hardware.gates import make_translator
from runtime_jobs.hardware.job_limits import JobLimits
from runtime_jobs.hardware.layout import count_measurements, find_interactions, find_measured
from runtime_jobs.hardware.patches import Patches, choose_patches, list_patches
from runtime_jobs.hardware.row_packing import name_on_patch

__all__ = ["Packing", "choose_packing"]


class Packing:
    """The patches of a device that a run uses.

    Args:
        name: Name of the device.
        target: The whole device.
        patches: For each patch the physical qubit of each qubit of the circuits; disjoint.
    """

    def __init__(self, name: str, target: Target, patches: Patches) -> None:
        self.name = name
        self.target = target
        self.patches = patches
        self.chips = [Chip(name, target, qubits) for qubits in patches]

    def fingerprint(self) -> str:
        """SHA-256 of instruction set, coupling map and all patches; for one patch its chip's."""
        prints = [chip.fingerprint() for chip in self.chips]
        if len(prints) == 1:
            return prints[0]
        return hashlib.sha256(json.dumps(prints).encode()).hexdigest()

    def build(
        self,
        circuit: QuantumCircuit,
        patches: int = 1,
        factor: int = 1,
        decouple: str | None = None,
    ) -> QuantumCircuit:
        """Place copies of a measured circuit on the first ``patches`` patches.

        Each copy is compiled for its patch separately, so it is the circuit that would run there
        without the others. Parameters and classical registers are named after the patch
        (:func:`~runtime_jobs.hardware.row_packing.name_on_patch`); ``parameters`` starts with those
        of the first patch, in the order of ``circuit.parameters``. A single copy keeps its names.

        Gates and branches alternate, those of all patches in a row. A barrier over all patches
        stands before branches that need new bits: all patches are measured at the same time, and
        the branches of all follow each other without other gates between them.

        Args:
            circuit: The circuit.
            patches: Number of copies.
            factor: Number of times that each two-qubit gate outside of branches is repeated.
            decouple: Name of the sequence of gates in long waits, see
                :func:`~runtime_jobs.hardware.decoupling.decouple_waits`; none by default.

        Returns:
            ISA circuit on all qubits of the device, as the service takes it.
        """
        copies = [self._copy(circuit, p, patches, factor, decouple) for p in range(patches)]
        placed = QuantumCircuit(self.target.num_qubits, name=circuit.name)
        for register in chain.from_iterable(copy.cregs for copy in copies):
            placed.add_register(register)
        used = list(chain.from_iterable(self.patches[:patches]))
        for parts in zip_longest(*map(_split_at_branches, copies)):
            if patches > 1 and any(waits for waits, _ in filter(None, parts)):
                placed.barrier(used)
            for chip, part in zip(self.chips, parts, strict=False):
                if part is not None:
                    placed.compose(part[1], chip.qubits, part[1].clbits, inplace=True)
        return placed

    def check(
        self, placed: QuantumCircuit, patches: int, limits: JobLimits | None = None
    ) -> CircuitProfile:
        """Check a circuit of :meth:`build` against the rules of the hardware and profile it.

        Raises:
            HardwareRuleError: The circuit breaks a rule.
        """
        try:
            # One execution: a job that is too large is split later.
            check_rules([RulePub(placed, 1)], self.target, shots=1, limits=limits)
        except HardwareRuleError as error:
            if patches == 1:
                raise
            raise HardwareRuleError(
                f"{error} (copies on {patches} patches side by side; fewer --patches leave out the "
                "worst qubits, and make the circuit shorter where branches wait for one another)"
            ) from error
        return profile_circuit(placed, self.target)

    def profile(self, circuit: QuantumCircuit, patches: int, factor: int = 1) -> CircuitProfile:
        """Profile the circuit that :meth:`build` makes, without checking its rules."""
        is_dynamic = any(isinstance(item.operation, ControlFlowOp) for item in circuit.data)
        if is_dynamic or factor > 1:
            return profile_circuit(self.build(circuit, patches, factor), self.target)
        # Patches with gates of the same durations have the same profile: compile for one of them.
        chips = {chip.timing: chip for chip in self.chips[:patches]}
        profiles = {
            timing: profile_circuit(chip.compile(circuit), chip.cut)
            for timing, chip in chips.items()
        }
        copies = [profiles[chip.timing] for chip in self.chips[:patches]]
        return CircuitProfile(  # copies without branches do not wait for one another
            seconds=max(copy.seconds for copy in copies),
            serial_seconds=max(copy.seconds for copy in copies),
            two_qubit_gates=sum(copy.two_qubit_gates for copy in copies),
            two_qubit_depth=max(copy.two_qubit_depth for copy in copies),
            instructions=max(copy.instructions for copy in copies),
            broadcasts=0.0,
        )

    def least_coherence(self) -> float:
        """The least T1 or T2 of all qubits in seconds; infinite where the device gives none."""
        times = [
            time
            for chip in self.chips
            for item in chip.cut.qubit_properties or []
            for time in (item.t1, item.t2)
            if time
        ]
        return min(times, default=math.inf)

    def _copy(
        self,
        circuit: QuantumCircuit,
        patch: int,
        patches: int,
        factor: int,
        decouple: str | None,
    ) -> QuantumCircuit:
        """Compile a circuit for a patch and name its parameters and registers after it."""
        chip = self.chips[patch]
        compiled = fold_pairs(chip.compile(circuit), factor)
        if decouple is not None:
            compiled = decouple_waits(compiled, chip.cut, decouple)
        if patches == 1:
            return compiled
        # Qiskit sorts parameters by name: the place in front keeps the order of ``circuit``.
        width = len(str(circuit.num_parameters))
        names = {
            parameter: name_parameter(
                name_on_patch(f"{place:0{width}}_{parameter.name}", patch, patches)
            )
            for place, parameter in enumerate(circuit.parameters)
        }
        compiled = compiled.assign_parameters({old: names[old] for old in compiled.parameters})
        registers = [
            ClassicalRegister(register.size, name_on_patch(register.name, patch, patches))
            for register in compiled.cregs
        ]
        renamed = QuantumCircuit(*compiled.qregs, *registers)
        renamed.compose(compiled, renamed.qubits, renamed.clbits, inplace=True)
        return renamed


def choose_packing(
    name: str,
    target: Target,
    circuit: QuantumCircuit,
    patches: int | None = 1,
    spacing: int = 0,
    trained: TrainedLayout | None = None,
) -> Packing:
    """Choose the best patches of a device for a circuit.

    A circuit of T steps and its prefixes need the same couplers, so one choice serves a run.

    Args:
        name: Name of the device, for messages.
        target: The whole device.
        circuit: Circuit before compilation.
        patches: Number of patches; None takes as many as there are.
        spacing: Spacing of the patches, see
            :func:`runtime_jobs.hardware.patches.choose_patches`.
        trained: The qubits that the model was trained on: the first choice for a single patch, as
            long as they work.

    Raises:
        DeviceError: The device has too few qubits or patches.
    """
    if patches == 1 and trained is not None and trained.fits(circuit, target):
        return Packing(name, target, (trained.qubits,))
    interactions = sorted(find_interactions(make_translator().run(circuit)))
    needs = (target, circuit.num_qubits, interactions, name, find_measured(circuit))
    measurements = count_measurements(circuit)
    if patches is None:
        chosen = list_patches(*needs, spacing=spacing, measurements=measurements)
    else:
        chosen = choose_patches(*needs, count=patches, spacing=spacing, measurements=measurements)
    return Packing(name, target, chosen)


def _split_at_branches(circuit: QuantumCircuit) -> Iterator[tuple[bool, QuantumCircuit]]:
    """Split a circuit into parts, alternately without and with branches.

    Each part comes after a bool: whether it waits for bits that were measured since the last
    branches.
    """
    part, is_branch, waits = circuit.copy_empty_like(), False, False
    measured = False
    for item in circuit.data:
        if isinstance(item.operation, ControlFlowOp) != is_branch:
            yield waits, part
            part, is_branch = circuit.copy_empty_like(), not is_branch
            part.global_phase = 0.0  # the first part has it
            waits = is_branch and measured
            measured &= not is_branch
        measured |= isinstance(item.operation, Measure)
        part.append(item)
    yield waits, part
