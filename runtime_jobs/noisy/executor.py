"""The executor of exact noisy simulation: the circuits of a device through their channels."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from circuits.separation import find_owners, find_parts, find_support
from qrnn_qiskit.engines.cpu.noisy_program import from_lanes, pack_zero
from qrnn_qiskit.executors import DynamicPub, Outcomes
from qrnn_qiskit.on_device.noisy_recurrence import NoisySegment, NoisyStep, no_gradient
from qrnn_qiskit.on_device.prefix_rounds import PrefixCircuits
from runtime_jobs.aer.executor import AerExecutor
from runtime_jobs.aer.prepared_circuit import PreparedCircuit
from runtime_jobs.aer.readout import change_basis
from runtime_jobs.aer.simulate import split_rows
from runtime_jobs.aer.stage import list_layouts
from runtime_jobs.aer.tally import tabulate
from runtime_jobs.device_names import DeviceError
from runtime_jobs.estimation.bases import Basis, group_terms
from runtime_jobs.estimation.mitigation import Calibration, Mitigation
from runtime_jobs.noisy.dynamic_simulator import DynamicSimulator
from runtime_jobs.noisy.limits import MOST_QUBITS, check_size
from runtime_jobs.noisy.parts import (
    divide_circuit,
    find_joined,
    join_effects,
    select_terms,
)
from runtime_jobs.noisy.prefixes import Block, build_segment, list_blocks, split_steps
from runtime_jobs.noisy.step_sampler import ReadBasis, SampledStep, StepSampler
from runtime_jobs.noisy.trajectories import list_jumps

__all__ = ["NoisySimulator"]


class NoisySimulator(AerExecutor):
    """Simulates the circuits of a device exactly, with the adjoint gradient through its noise.

    Layout, compilation, noise model, idle noise and readout error are those of
    :class:`~runtime_jobs.aer.AerExecutor`; models run sequences in one pass of compiled channels.
    Observables of other circuits come from the channels of the whole circuit, or from Aer and the
    same model beyond 7 qubits.

    Args:
        options: Those of :class:`~runtime_jobs.aer.AerExecutor`. With a ``gradient`` method a model
            runs its circuits as on a device; without, backward is exact.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._exact_dynamic = self._build_dynamic(DynamicSimulator)
        self._strings: dict[tuple[int, tuple[int, ...], str], NDArray[np.float64]] = {}
        self._wholes: dict[tuple[int, int], NoisySegment] = {}
        self._prefixes: weakref.WeakKeyDictionary[PrefixCircuits, _Prefixes] = (
            weakref.WeakKeyDictionary()
        )

    def compile_steps(
        self, circuits: PrefixCircuits, num_steps: int, dtype: torch.dtype
    ) -> list[list[NoisyStep]]:
        """Compile the prefix circuits of 1 to T steps.

        See :class:`~qrnn_qiskit.on_device.noisy_recurrence.StepwiseExecutor`.

        Raises:
            ValueError: More than 7 qubits in a part without a gate to the others, such as a
                register, or as :meth:`~runtime_jobs.aer.AerExecutor.run`.
        """
        self.refuse_feed_forward()
        check_size(_find_widest(circuits), self.name)
        return self._find_prefixes(circuits).compile(num_steps, dtype)

    def open_sampler(
        self, circuits: PrefixCircuits, num_steps: int, batch_size: int
    ) -> StepSampler | None:
        """Return a sampler of trajectories if a part has more than 7 qubits and there are shots.

        See :class:`~qrnn_qiskit.on_device.noisy_recurrence.StepwiseExecutor`.

        Raises:
            ValueError: Mitigation, too little memory, or as
                :meth:`~runtime_jobs.aer.AerExecutor.run`.
        """
        if self.shots is None or _find_widest(circuits) <= MOST_QUBITS:
            return None
        if self._mitigation != Mitigation():
            raise DeviceError(
                f"device {self.name!r} mitigates errors, which trajectories of more than "
                f"{MOST_QUBITS} qubits do not support; leave mitigation out, or use 'aer'"
            )
        prefixes = self._find_prefixes(circuits)
        steps = prefixes.sample(num_steps)
        channels = self.find_channels(prefixes.prepare(num_steps).stage)
        num_qubits, num_observables = circuits.ansatz.num_qubits, len(circuits.observables)
        assignments = [channels.find_assignment(qubit) for qubit in range(num_qubits)]
        return StepSampler(
            steps, assignments, batch_size, self.shots, num_observables, self._random
        )

    def draw_readouts(
        self, circuits: PrefixCircuits, step: int, states: Sequence[NDArray[np.float64]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw the readouts after a step from the exact distribution of the bit strings."""
        prefixes = self._find_prefixes(circuits)
        shape = len(states[0]), len(prefixes.observables)
        readings = prefixes.list_readings(step)
        tallies = [
            self.open_tally(reading.bases, len(reading.qubits), reading.calibration, shape)
            for reading in readings
        ]
        parts = product(self._mitigation.weights, zip(readings, tallies, strict=True))
        for (weight, (reading, tally)), coefficients in zip(parts, states, strict=True):
            probabilities = [coefficients @ strings.T for strings in reading.strings]
            tally.add(weight, slice(None), probabilities)
        values, errors = np.zeros(shape), np.zeros(shape)
        for tally in tallies:  # an observable belongs to one part and is 0 in the others
            estimates = tally.close()
            assert estimates.standard_errors is not None
            values += estimates.values
            errors += estimates.standard_errors
        return values, errors

    def count_steps(self, circuits: PrefixCircuits, num_steps: int, batch_size: int) -> None:
        """Count a pass as the job of T circuits that it stands for."""
        prefixes = self._find_prefixes(circuits)
        self.counts.jobs += 1
        for step in range(1, num_steps + 1):
            bases = group_terms(prefixes.observables, prefixes.prepare(step).positions)
            runs = batch_size * len(bases) * len(self._mitigation.weights)
            self._count(batch_size, runs * (self.shots or 0))

    def run_dynamic(self, pubs: Sequence[DynamicPub]) -> list[Outcomes]:
        """Run dynamic circuits exactly, or draw their shots from the exact distribution.

        With more than 7 qubits the shots are trajectories of Aer, of the same compiled circuits
        with the same noise.

        Raises:
            TypeError, ValueError: Bad values or observables, too many qubits without shots,
                mitigation, or a device that lacks qubits or instructions.
        """
        if self.shots is not None and any(map(_is_large, pubs)):
            return super().run_dynamic(pubs)
        return self._exact_dynamic.run(pubs)

    def pull_dynamic(
        self, pubs: Sequence[DynamicPub], gradients: Sequence[Outcomes]
    ) -> list[NDArray[np.float64]]:
        """Pull a gradient back; see :class:`~qrnn_qiskit.executors.AdjointExecutor`.

        Raises:
            GradientError: Trajectories, which have no exact gradient.
        """
        if any(map(_is_large, pubs)):
            raise no_gradient(self.name)
        return self._exact_dynamic.pull(pubs, gradients)

    def describe(self) -> list[str]:
        """The layouts in use so far, one line each; empty without a device."""
        return super().describe() + self._exact_dynamic.describe()

    def layouts(self) -> list[dict[str, Any]]:
        """Physical qubits in use so far, with the seconds of the longest circuit on them."""
        static = [(prepared.stage, prepared.seconds) for prepared in self._prepared.values()]
        dynamic = [*self._exact_dynamic.list_durations(), *self._dynamic.list_durations()]
        return list_layouts([*static, *dynamic])

    def find_strings(
        self, prepared: PreparedCircuit, basis: Basis, qubits: tuple[int, ...] | None = None
    ) -> NDArray[np.float64]:
        """Probabilities of the bit strings, as linear functions (2^N, 4^N) of the coefficients.

        Args:
            prepared: The circuit.
            basis: The basis, on these qubits counted from 0.
            qubits: N qubits of the circuit; all by default.
        """
        stage, num_qubits = prepared.stage, len(prepared.positions)
        qubits = tuple(range(num_qubits)) if qubits is None else qubits
        letters = basis.spell(len(qubits))
        effects = self._find_effects(stage, num_qubits)
        key = id(stage), qubits, letters
        if key not in self._strings:
            read = [effects[letter][qubit] for letter, qubit in zip(letters, qubits, strict=True)]
            self._strings[key] = join_effects(read)
        return self._strings[key]

    def _distribute(
        self,
        prepared: PreparedCircuit,
        factor: int,
        values: NDArray[np.float64],
        bases: Sequence[Basis],
    ) -> Iterator[tuple[slice, list[NDArray[np.float64]]]]:
        num_qubits = len(prepared.positions)
        if num_qubits > MOST_QUBITS:
            yield from super()._distribute(prepared, factor, values, bases)
            return
        plain = prepared.plains[factor]
        key = (id(prepared), factor)
        if key not in self._wholes:
            blocks = list_blocks(plain.circuit, plain.angles, self.find_channels(prepared.stage))
            self._wholes[key] = build_segment(blocks, num_qubits, torch.float64)
        segment = self._wholes[key]
        for chunk in split_rows(len(values), num_qubits, "density_matrix"):
            angles = segment.find_angles(plain.evaluate(values[chunk]))
            state = pack_zero(len(angles), num_qubits, 1, torch.float64)
            segment.program.run(state, angles)
            coefficients = from_lanes(state.reshape(len(state), 4**num_qubits, -1), len(angles))
            yield chunk, [coefficients @ self.find_strings(prepared, b).T for b in bases]

    def _find_prefixes(self, circuits: PrefixCircuits) -> _Prefixes:
        if circuits not in self._prefixes:
            self._prefixes[circuits] = _Prefixes(self, circuits)
        return self._prefixes[circuits]


def _is_large(pub: DynamicPub) -> bool:
    """Return whether a register of a dynamic circuit has more than 7 qubits with its ancillas."""
    size: int = pub.circuit.circuit.num_qubits // pub.circuit.num_registers
    return size > MOST_QUBITS


def _find_widest(circuits: PrefixCircuits) -> int:
    """Return the qubits of the largest part of a model's circuits without a gate to the others."""
    supports = [find_support(each) for each in circuits.observables]
    joined = find_joined(circuits.ansatz.circuit) + supports
    return max(len(qubits) for qubits in find_parts(circuits.ansatz.num_qubits, joined))


class _Reading(NamedTuple):
    """The final measurement of a part of a prefix circuit.

    Attributes:
        qubits: The qubits of the part.
        bases: The bases of its observables, in its qubits.
        strings: For each basis the probabilities of the bit strings, as linear functions
            (2^N, 4^N) of the Pauli coefficients.
        calibration: The calibrated readout of its qubits; None without mitigation.
    """

    qubits: tuple[int, ...]
    bases: list[Basis]
    strings: list[NDArray[np.float64]]
    calibration: Calibration | None


class _Prefixes:
    """The prefix circuits of a model on a device, compiled as they are needed, part by part."""

    def __init__(self, executor: NoisySimulator, circuits: PrefixCircuits) -> None:
        self._executor = executor
        self._circuits = weakref.ref(circuits)
        self.observables = circuits.observables
        self._prepared: list[PreparedCircuit] = []
        self._parts: list[tuple[int, ...]] = []
        self._steps: dict[torch.dtype, list[list[NoisyStep]]] = {}
        self._readings: dict[int, list[_Reading]] = {}  # by step
        self._sampled: list[SampledStep] = []

    def prepare(self, step: int) -> PreparedCircuit:
        """Return the compiled circuit of ``step`` steps."""
        circuits = self._circuits()
        assert circuits is not None
        while len(self._prepared) < step:
            circuit = circuits.prefix(len(self._prepared) + 1).circuit
            self._prepared.append(self._executor._prepare(circuit, as_whole=False))
        return self._prepared[step - 1]

    def compile(self, num_steps: int, dtype: torch.dtype) -> list[list[NoisyStep]]:
        """Return the steps; the trunks of a shorter run may be those of a longer one."""
        if not self._parts or len(self._prepared) < num_steps:
            self.prepare(num_steps)
            self._parts = self._find_parts()
            self._steps.clear()
            self._readings.clear()
        if dtype not in self._steps:
            self._steps[dtype] = self._compile(dtype)
        return self._steps[dtype][:num_steps]

    def sample(self, num_steps: int) -> list[SampledStep]:
        """Return the steps for trajectories, of all qubits together."""
        if len(self._sampled) < num_steps:
            self.prepare(num_steps)
            prefixes = [
                list_blocks(
                    prepared.compiled[0],
                    prepared.parameters,
                    self._executor.find_channels(prepared.stage),
                )
                for prepared in self._prepared
            ]
            self._sampled = [
                SampledStep(list_jumps(trunk), list_jumps(tail), self._list_bases(prepared))
                for (trunk, tail), prepared in zip(
                    split_steps(prefixes), self._prepared, strict=True
                )
            ]
        return self._sampled[:num_steps]

    def _list_bases(self, prepared: PreparedCircuit) -> list[ReadBasis]:
        num_qubits = len(prepared.positions)
        channels = self._executor.find_channels(prepared.stage)
        bases = []
        for basis in group_terms(self.observables, prepared.positions):
            change = change_basis(basis.spell(num_qubits))
            compiled = prepared.stage.pass_manager.run(change)
            jumps = list_jumps(list_blocks(compiled, [], channels))
            bases.append(ReadBasis(jumps, *basis.tabulate(num_qubits)))
        return bases

    def list_readings(self, step: int) -> list[_Reading]:
        """Return the final measurement of each part of the circuit of ``step`` steps."""
        if step not in self._readings:
            prepared = self.prepare(step)
            num_qubits = len(prepared.positions)
            calibration = self._executor._calibrate(prepared.stage, num_qubits)
            bases = group_terms(self.observables, prepared.positions)
            owners = find_owners(self._find_supports(prepared), self._parts)
            self._readings[step] = []
            for number, qubits in enumerate(self._parts):
                rows = [row for row, owner in enumerate(owners) if owner == number]
                own = [basis for basis in select_terms(bases, qubits, rows) if basis.terms]
                strings = [self._executor.find_strings(prepared, each, qubits) for each in own]
                chosen = None if calibration is None else calibration.select(qubits)
                self._readings[step].append(_Reading(qubits, own, strings, chosen))
        return self._readings[step]

    def _find_parts(self) -> list[tuple[int, ...]]:
        """Find the qubits that gates or observables of any prefix circuit join."""
        joined: list[list[int]] = []
        for prepared in self._prepared:
            joined += find_joined(prepared.compiled[0]) + self._find_supports(prepared)
        parts = find_parts(len(self._prepared[0].positions), joined)
        for qubits in parts:
            check_size(len(qubits), self._executor.name)
        return parts

    def _find_supports(self, prepared: PreparedCircuit) -> list[list[int]]:
        return [find_support(each, prepared.positions) for each in self.observables]

    def _compile(self, dtype: torch.dtype) -> list[list[NoisyStep]]:
        weights = self._executor._mitigation.weights
        by_part: list[list[NoisyStep]] = []
        for factor, weight in enumerate(weights):
            divided = [
                divide_circuit(prepared.compiled[factor], self._parts)
                for prepared in self._prepared
            ]
            for number, qubits in enumerate(self._parts):
                prefixes = [
                    list_blocks(
                        circuits[number],
                        prepared.parameters,
                        self._executor.find_channels(prepared.stage).on(qubits),
                    )
                    for circuits, prepared in zip(divided, self._prepared, strict=True)
                ]
                by_part.append(
                    [
                        self._build(trunk, tail, self.list_readings(step)[number], weight, dtype)
                        for step, (trunk, tail) in enumerate(split_steps(prefixes), start=1)
                    ]
                )
        return [list(parts) for parts in zip(*by_part, strict=True)]

    def _build(
        self,
        trunk: list[Block],
        tail: list[Block],
        reading: _Reading,
        weight: float,
        dtype: torch.dtype,
    ) -> NoisyStep:
        num_qubits = len(reading.qubits)
        functionals = np.zeros((4**num_qubits, len(self.observables)))
        for basis, strings in zip(reading.bases, reading.strings, strict=True):
            columns, table, _ = tabulate(basis, num_qubits, reading.calibration)
            functionals[:, columns] += weight * (table @ strings).T
        columns = sorted({term.observable for basis in reading.bases for term in basis.terms})
        return NoisyStep(
            build_segment(trunk, num_qubits, dtype),
            build_segment(tail, num_qubits, dtype) if tail else None,
            functionals[:, columns],
            np.array(columns, np.int64),
        )
