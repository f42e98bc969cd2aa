"""The executor of exact noisy simulation: the circuits of a device through their channels."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from qrnn_qiskit.engines.cpu.noisy_program import from_lanes, pack_zero
from qrnn_qiskit.executors import DynamicPub, Outcomes
from qrnn_qiskit.on_device.noisy_recurrence import NoisySegment, NoisyStep
from qrnn_qiskit.on_device.prefix_rounds import PrefixCircuits
from runtime_jobs.aer.executor import AerExecutor
from runtime_jobs.aer.mitigation import Mitigation
from runtime_jobs.aer.noise import change_basis
from runtime_jobs.aer.prepared_circuit import PreparedCircuit
from runtime_jobs.aer.simulate import split_rows
from runtime_jobs.aer.stage import list_layouts
from runtime_jobs.aer.tally import tabulate
from runtime_jobs.device_names import DeviceError
from runtime_jobs.estimation.bases import Basis, group_terms
from runtime_jobs.noisy.channels import Channels
from runtime_jobs.noisy.dynamic_simulator import DynamicSimulator
from runtime_jobs.noisy.limits import MOST_QUBITS, check_size
from runtime_jobs.noisy.prefixes import Block, build_segment, list_blocks, split_steps
from runtime_jobs.noisy.step_sampler import ReadBasis, SampledStep, StepSampler
from runtime_jobs.noisy.trajectories import list_jumps

__all__ = ["NoisySimulator"]

_PAULIS = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])


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
        self._exact_dynamic = DynamicSimulator(
            self.name, self._find_stage, self.shots, self._random, self.counts, self._mitigation
        )
        self._channels: dict[int, Channels] = {}
        self._strings: dict[tuple[int, str], NDArray[np.float64]] = {}
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
            ValueError: More than 7 qubits, or as
                :meth:`~runtime_jobs.aer.AerExecutor.run`.
        """
        check_size(circuits.ansatz.num_qubits, self.name)
        return self._find_prefixes(circuits).compile(num_steps, dtype)

    def open_sampler(
        self, circuits: PrefixCircuits, num_steps: int, batch_size: int
    ) -> StepSampler | None:
        """Return a sampler of trajectories beyond 7 qubits, if there are shots.

        See :class:`~qrnn_qiskit.on_device.noisy_recurrence.StepwiseExecutor`.

        Raises:
            ValueError: Mitigation, too little memory, or as
                :meth:`~runtime_jobs.aer.AerExecutor.run`.
        """
        num_qubits = circuits.ansatz.num_qubits
        if num_qubits <= MOST_QUBITS or self.shots is None:
            return None
        if self._mitigation != Mitigation():
            raise DeviceError(
                f"device {self.name!r} mitigates errors, which trajectories of more than "
                f"{MOST_QUBITS} qubits do not support; leave mitigation out, or use 'aer'"
            )
        prefixes = self._find_prefixes(circuits)
        steps = prefixes.sample(num_steps)
        channels = self.find_channels(prefixes.prepare(num_steps))
        assignments = [channels.find_assignment(qubit) for qubit in range(num_qubits)]
        num_observables = len(circuits.observables)
        return StepSampler(
            steps, assignments, batch_size, self.shots, num_observables, self._random
        )

    def draw_readouts(
        self, circuits: PrefixCircuits, step: int, states: Sequence[NDArray[np.float64]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw the readouts after a step from the exact distribution of the bit strings."""
        prefixes = self._find_prefixes(circuits)
        prepared = prefixes.prepare(step)
        tally = self.open_tally(prepared, prefixes.observables, len(states[0]))
        for weight, coefficients in zip(self._mitigation.weights, states, strict=True):
            probabilities = [
                coefficients @ self.find_strings(prepared, basis).T for basis in tally.bases
            ]
            tally.add(weight, slice(None), probabilities)
        estimates = tally.close()
        assert estimates.standard_errors is not None
        return estimates.values, estimates.standard_errors

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

        Raises:
            TypeError, ValueError: Bad values or observables, too many qubits, mitigation, or a
                device that lacks qubits or instructions.
        """
        return self._exact_dynamic.run(pubs)

    def pull_dynamic(
        self, pubs: Sequence[DynamicPub], gradients: Sequence[Outcomes]
    ) -> list[NDArray[np.float64]]:
        """Pull a gradient back; see :class:`~qrnn_qiskit.executors.AdjointExecutor`."""
        return self._exact_dynamic.pull(pubs, gradients)

    def describe(self) -> list[str]:
        """The layouts in use so far, one line each; empty without a device."""
        return super().describe() + self._exact_dynamic.describe()

    def layouts(self) -> list[dict[str, Any]]:
        """Physical qubits in use so far, with the seconds of the longest circuit on them."""
        static = [(prepared.stage, prepared.seconds) for prepared in self._prepared.values()]
        return list_layouts([*static, *self._exact_dynamic.list_durations()])

    def find_channels(self, prepared: PreparedCircuit) -> Channels:
        """Return the channels of the stage of a circuit."""
        stage = prepared.stage
        if id(stage) not in self._channels:
            self._channels[id(stage)] = Channels(stage.noise)
        return self._channels[id(stage)]

    def find_strings(self, prepared: PreparedCircuit, basis: Basis) -> NDArray[np.float64]:
        """Probabilities of the bit strings, as linear functions (2^N, 4^N) of the coefficients."""
        num_qubits = len(prepared.positions)
        letters = basis.spell(num_qubits)
        key = (id(prepared.stage), letters)
        if key not in self._strings:
            effects = self.find_stage_effects(prepared.stage, num_qubits)
            whole = np.ones((1, 1))
            for qubit, letter in enumerate(letters):
                # Tr(E rho) is the sum over P of Tr(E P) / 2 times the coefficient of P.
                local = np.einsum("oij,pji->op", effects[letter][qubit], _PAULIS).real / 2
                whole = np.kron(local, whole)
            self._strings[key] = whole
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
            blocks = list_blocks(plain.circuit, plain.angles, self.find_channels(prepared))
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


class _Prefixes:
    """The prefix circuits of a model on a device, compiled as they are needed."""

    def __init__(self, executor: NoisySimulator, circuits: PrefixCircuits) -> None:
        self._executor = executor
        self._circuits = weakref.ref(circuits)
        self.observables = circuits.observables
        self._prepared: list[PreparedCircuit] = []
        self._blocks: list[list[list[Block]]] = []  # by factor of the extrapolation, by step
        self._steps: dict[torch.dtype, list[list[NoisyStep]]] = {}
        self._sampled: list[SampledStep] = []

    def prepare(self, step: int) -> PreparedCircuit:
        """Return the compiled circuit of ``step`` steps."""
        circuits = self._circuits()
        assert circuits is not None
        while len(self._prepared) < step:
            circuit = circuits.prefix(len(self._prepared) + 1).circuit
            self._prepared.append(self._executor._prepare(circuit))
        return self._prepared[step - 1]

    def compile(self, num_steps: int, dtype: torch.dtype) -> list[list[NoisyStep]]:
        """Return the steps; the trunks of a shorter run may be those of a longer one."""
        known = self._steps.get(dtype, [])
        if len(known) < num_steps:
            self.prepare(num_steps)
            known = self._steps[dtype] = self._compile(num_steps, dtype)
        return known[:num_steps]

    def sample(self, num_steps: int) -> list[SampledStep]:
        """Return the steps for trajectories."""
        if len(self._sampled) < num_steps:
            self.prepare(num_steps)
            self._sampled = [
                SampledStep(list_jumps(trunk), list_jumps(tail), self._list_bases(prepared))
                for (trunk, tail), prepared in self._split(num_steps, 0)
            ]
        return self._sampled[:num_steps]

    def _list_bases(self, prepared: PreparedCircuit) -> list[ReadBasis]:
        num_qubits = len(prepared.positions)
        channels = self._executor.find_channels(prepared)
        bases = []
        for basis in group_terms(self.observables, prepared.positions):
            change = change_basis(basis.spell(num_qubits))
            compiled = prepared.stage.pass_manager.run(change)
            jumps = list_jumps(list_blocks(compiled, [], channels))
            bases.append(ReadBasis(jumps, *basis.tabulate(num_qubits)))
        return bases

    def _split(
        self, num_steps: int, factor: int
    ) -> Iterator[tuple[tuple[list[Block], list[Block]], PreparedCircuit]]:
        """Yield trunk and tail of each step for a factor of the extrapolation."""
        prefixes = [
            list_blocks(
                prepared.compiled[factor],
                prepared.parameters,
                self._executor.find_channels(prepared),
            )
            for prepared in self._prepared[:num_steps]
        ]
        return zip(split_steps(prefixes), self._prepared, strict=False)

    def _compile(self, num_steps: int, dtype: torch.dtype) -> list[list[NoisyStep]]:
        by_factor = [
            [
                self._build(trunk, tail, prepared, weight, dtype)
                for (trunk, tail), prepared in self._split(num_steps, factor)
            ]
            for factor, weight in enumerate(self._executor._mitigation.weights)
        ]
        return [list(copies) for copies in zip(*by_factor, strict=True)]

    def _build(
        self,
        trunk: list[Block],
        tail: list[Block],
        prepared: PreparedCircuit,
        weight: float,
        dtype: torch.dtype,
    ) -> NoisyStep:
        num_qubits = len(prepared.positions)
        calibration = self._executor._calibrate(prepared.stage, num_qubits)
        functionals = np.zeros((4**num_qubits, len(self.observables)))
        for basis in group_terms(self.observables, prepared.positions):
            columns, table, _ = tabulate(basis, num_qubits, calibration)
            functionals[:, columns] += (
                weight * (table @ self._executor.find_strings(prepared, basis)).T
            )
        return NoisyStep(
            build_segment(trunk, num_qubits, dtype),
            build_segment(tail, num_qubits, dtype) if tail else None,
            functionals,
        )
