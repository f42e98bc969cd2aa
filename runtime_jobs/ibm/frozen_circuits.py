"""The circuits of a run, compiled when they are first sent and never again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict

from qiskit.circuit import QuantumCircuit
from qiskit.transpiler import Target

from circuits.limits import JobLimits
from runtime_jobs.device_names import DeviceError
from runtime_jobs.hardware.calibration import TrainedLayout
from runtime_jobs.hardware.chip import speed_up_measurements
from runtime_jobs.hardware.faults import check_working
from runtime_jobs.hardware.packing import Packing, choose_packing
from runtime_jobs.ibm.encoding import hash_circuit, pack_circuit, unpack_circuit
from runtime_jobs.ledger import FrozenCircuit, FrozenDevice, Ledger

__all__ = ["Freezer"]


class Freezer:
    """Compiles circuits for the qubits of a run; a circuit compiled before comes from the ledger.

    Args:
        backend: Name of the backend.
        ledger: Ledger of the run.
        find_target: Returns the current target of the backend and its calibration time; called only
            if something has to be compiled or sent.
        patches, spacing, fast_measurements, limits, layout, decouple: See
            :class:`~runtime_jobs.ibm.executor.IbmExecutor`.

    Raises:
        DeviceError: The qubits of the run were chosen for another number or spacing of patches.

    Attributes:
        transpilations: Number of circuits that this object has compiled.
    """

    def __init__(
        self,
        backend: str,
        ledger: Ledger,
        find_target: Callable[[], tuple[Target, str]],
        *,
        patches: int,
        spacing: int,
        fast_measurements: bool,
        limits: JobLimits | None,
        layout: TrainedLayout | None = None,
        decouple: str | None = None,
    ) -> None:
        self.transpilations = 0
        self._decouple = decouple
        self._backend = backend
        self._ledger = ledger
        self._ask = find_target
        self._patches = patches
        self._spacing = spacing
        self._fast_measurements = fast_measurements
        self._limits = limits
        self._layout = layout
        self._packing: Packing | None = None
        self._frozen: dict[str, FrozenCircuit] = {}
        self._is_chosen_now = False
        self._calibration = ""
        self.find_device()  # refuse another number of patches before any work

    def find_device(self) -> FrozenDevice | None:
        """Return the qubits of the run, which its first job chose; None before it."""
        device = self._ledger.find_device(self._backend)
        asked = (self._patches, self._spacing)
        if device is not None and (kept := (len(device.patches), device.spacing)) != asked:
            raise DeviceError(
                f"the circuits of this run on {device.name} were compiled for --patches {kept[0]} "
                f"--spacing {kept[1]}, got --patches {asked[0]} --spacing {asked[1]}; use the "
                "former, or add --relayout to choose qubits anew, which computes everything again"
            )
        return device

    def get_device(self) -> FrozenDevice:
        """Return the qubits of the run, after a circuit has been frozen."""
        device = self.find_device()
        assert device is not None
        return device

    def choose_qubits(self, circuits: Iterable[QuantumCircuit]) -> None:
        """Choose the qubits of the run by the largest of its first circuits, once for the run.

        Raises:
            DeviceError: The device has too few qubits or patches.
        """
        if self.find_device() is None:
            self._choose_packing(max(circuits, key=QuantumCircuit.size))

    def freeze(self, circuit: QuantumCircuit, patches: int, factor: int = 1) -> FrozenCircuit:
        """Return copies of a circuit on the first patches, compiled when first sent, or now.

        Each two-qubit gate outside of branches is repeated ``factor`` times.

        Raises:
            HardwareRuleError: The copies break a rule of the hardware.
            FaultyQubitsError: The qubits of the run no longer work.
        """
        key = hash_circuit(circuit) + (f" on {patches} patches" if patches > 1 else "")
        key += f" folded {factor} times" if factor > 1 else ""
        key += f" with {self._decouple} pairs" if self._decouple else ""
        if self._fast_measurements:
            key += " by measure_2" + (" and reset_2" if circuit.count_ops().get("reset") else "")
        if key not in self._frozen:
            device = self.find_device()
            found = None
            if device is not None:
                found = self._ledger.find_circuit(key, device.target_hash)
            self._frozen[key] = found or self._compile(circuit, patches, factor, key)
        return self._frozen[key]

    def check_working(self, circuits: Iterable[FrozenCircuit]) -> None:
        """Check that the device still has all gates of circuits that are about to be sent.

        Qubits that have just been chosen are not checked again.

        Raises:
            FaultyQubitsError: A gate or a qubit no longer works.
        """
        if self._is_chosen_now:
            self._is_chosen_now = False
            return
        target, _ = self._ask()
        for isa in {circuit.isa for circuit in circuits}:
            check_working(self._backend, unpack_circuit(isa), target)

    def _compile(
        self, circuit: QuantumCircuit, patches: int, factor: int, key: str
    ) -> FrozenCircuit:
        packing = self._choose_packing(circuit)
        kept = self._ledger.find_circuit(key, packing.fingerprint())
        if kept is None:
            placed = packing.build(circuit, patches, factor, self._decouple)
            profile = json.dumps(asdict(packing.check(placed, patches, self._limits)))
            if self._fast_measurements:
                placed = speed_up_measurements(placed, packing.target)
            kept = FrozenCircuit(pack_circuit(placed), profile)
            self._ledger.freeze_circuit(key, packing.fingerprint(), kept)
            self.transpilations += 1
        if self.find_device() is None:  # only now: a circuit that breaks a rule leaves no trace
            self._ledger.freeze_device(
                FrozenDevice(
                    self._backend,
                    packing.patches,
                    packing.fingerprint(),
                    self._calibration,
                    self._spacing,
                )
            )
        return kept

    def _choose_packing(self, circuit: QuantumCircuit) -> Packing:
        """Return the qubits of the run: those of its first job, or the best ones now."""
        if self._packing is None:
            target, self._calibration = self._ask()
            device = self.find_device()
            if device is None:
                self._packing = choose_packing(
                    self._backend, target, circuit, self._patches, self._spacing, self._layout
                )
                self._is_chosen_now = True
            else:
                first = self._ledger.find_first_circuit(device.target_hash)
                if first is not None:  # all circuits of a run use the gates of the first one
                    check_working(self._backend, unpack_circuit(first.isa), target)
                self._packing = Packing(self._backend, target, device.patches)
        return self._packing
