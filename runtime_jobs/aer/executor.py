"""The executor on Qiskit Aer: exact, sampled and with the noise of a device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qiskit.circuit import QuantumCircuit
from qiskit_aer.noise import NoiseModel

from circuits.errors import InvalidTypeError, InvalidValueError
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
from runtime_jobs.aer.channels import Channels, Matrix
from runtime_jobs.aer.dynamic_compiler import DynamicCompiler
from runtime_jobs.aer.dynamic_runner import DynamicRunner
from runtime_jobs.aer.prepared_circuit import PreparedCircuit, prepare_circuit
from runtime_jobs.aer.readout import find_effects, find_operators, read_ones
from runtime_jobs.aer.simulate import simulate_states
from runtime_jobs.aer.stage import Stage, StageFinder, fingerprint, list_layouts, make_stage
from runtime_jobs.aer.tally import Tally, tabulate
from runtime_jobs.device_names import DeviceError
from runtime_jobs.estimation.bases import Basis, group_terms, read_matrices, read_vectors
from runtime_jobs.estimation.bits import name_states
from runtime_jobs.estimation.mitigation import (
    CALIBRATION_SHOTS,
    Calibration,
    Mitigation,
    calibrate_readout,
)
from runtime_jobs.estimation.standard_errors import draw_frequencies

__all__ = ["AerExecutor"]


_Dynamic = TypeVar("_Dynamic", bound=DynamicCompiler[Any])


class AerExecutor(DynamicExecutor):
    """Runs circuits on Aer; :meth:`run_dynamic` runs those with mid-circuit measurements.

    The states of a whole batch come from one call. With noise these are density matrices, so a
    sampled value costs the same for any number of shots. Observables that commute qubit by qubit
    share their shots, which are drawn from the exact distribution of the bit strings, readout error
    included.

    Args:
        shots: Shots of each measurement basis of each set of values; None for exact values.
        seed: Seed of the shots; None for a random one.
        gradient: Gradient method of backward, see :class:`~qrnn_qiskit.executors.Executor`.
        noise_model: Custom noise model for the qubits of the circuit counted from 0. Circuits are
            translated to its basis gates.
        name: Name of the device, for tables.
        mitigation: Error mitigation of estimates; samples are not mitigated.
        stages: Finds the stage that a circuit is compiled for, such as the qubits of a device. Not
            together with ``noise_model``.

    Attributes:
        counts: Exact counts of the jobs, PUBs, bindings, executions and transpilations so far.

    Raises:
        TypeError: ``shots`` is not an integer, or ``noise_model`` is not a NoiseModel.
        ValueError: ``shots`` is below 1, ``gradient`` is not a gradient method, or both
            ``noise_model`` and ``stages`` are given.
    """

    def __init__(
        self,
        *,
        shots: int | None = None,
        seed: int | None = None,
        gradient: str | None = None,
        noise_model: NoiseModel | None = None,
        mitigation: Mitigation | None = None,
        name: str = "aer",
        stages: StageFinder | None = None,
    ) -> None:
        if noise_model is not None and not isinstance(noise_model, NoiseModel):
            raise InvalidTypeError(
                "expected noise_model to be a qiskit_aer.noise.NoiseModel, got "
                f"{type(noise_model).__name__}"
            )
        if noise_model is not None and stages is not None:
            raise InvalidValueError(
                "noise_model and stages were both given, but the stages of a device have its "
                "noise; give one of the two"
            )
        self.name = name
        self.shots = None if shots is None else require_count("shots", shots)
        if gradient is not None:
            parse_gradient(gradient)
        self.gradient = gradient
        self.counts = Counts()
        self._seed = seed
        self._random = np.random.default_rng(seed)
        self._noise_model, self._stages = noise_model, stages
        if stages is None:
            stage = make_stage(noise_model, is_custom=noise_model is not None)
            self._find_stage: StageFinder = lambda circuit: stage
        else:
            self._find_stage = stages
        self._prepared: dict[tuple[bytes, bool], PreparedCircuit] = {}
        self._mitigation = mitigation or Mitigation()
        self._effects: dict[tuple[int, int], dict[str, list[Matrix]]] = {}
        self._channels: dict[int, Channels] = {}
        self._calibrations: dict[tuple[int, int], Calibration] = {}
        self._dynamic = self._build_dynamic(DynamicRunner)

    def _build_dynamic(self, kind: type[_Dynamic]) -> _Dynamic:
        """Build what runs dynamic circuits; it shares stages, counts and random numbers."""
        return kind(
            self.name,
            self._find_stage,
            self.shots,
            self._random,
            self.counts,
            self._mitigation,
            self._calibrate,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the arguments, the random numbers and the counts; circuits are compiled anew."""
        arguments = {
            "shots": self.shots,
            "seed": self._seed,
            "gradient": self.gradient,
            "noise_model": self._noise_model,
            "mitigation": self._mitigation,
            "name": self.name,
            "stages": self._stages,
        }
        state = self._random.bit_generator.state
        return _restore, (type(self), arguments, state, self.counts)

    def run(self, pubs: Sequence[Pub]) -> list[Estimates]:
        """Run one job; see :class:`~qrnn_qiskit.executors.Executor`.

        Raises:
            TypeError, ValueError: Observables that are not Hermitian or act on other qubits,
                parameters without a value, values that are not finite, a circuit with measurements,
                a noise model for other qubits, or a device that lacks qubits or gates. Nothing has
                run then.
            ExecutionError: Aer failed.
        """
        self.refuse_feed_forward()
        if not pubs:
            return []
        checked = [check_pub(pub) for pub in pubs]
        ready = [self._prepare(pub.circuit) for pub in checked]
        self.counts.jobs += 1
        return [self._estimate(r, pub) for r, pub in zip(ready, checked, strict=True)]

    def run_dynamic(self, pubs: Sequence[DynamicPub]) -> list[Outcomes]:
        """Run one job of dynamic circuits.

        See :meth:`runtime_jobs.aer.dynamic_runner.DynamicRunner.run`.
        """
        return self._dynamic.run(pubs)

    def sample(
        self, circuit: QuantumCircuit, values: ArrayLike, shots: int
    ) -> list[dict[str, int]]:
        """Measure all qubits; see :class:`~qrnn_qiskit.executors.Executor` and :meth:`run`."""
        shots = require_count("shots", shots)
        check_unmeasured(circuit)
        values = check_values(circuit, values)
        prepared = self._prepare(circuit)
        # Routing may end with a qubit of the circuit at another position: states are renumbered.
        states = np.arange(2**circuit.num_qubits)
        places = sum(((states >> q) & 1) << place for q, place in enumerate(prepared.positions))
        drawn = [
            draw_frequencies(
                self._random, self._read(prepared.stage, chunk, Basis())[:, places], shots
            )
            for _, chunk in simulate_states(prepared.plains[0], values, prepared.stage.noise)
        ]
        self.counts.jobs += 1
        self._count(len(values), len(values) * shots)
        return name_states(np.concatenate(drawn))

    def reseed(self, *numbers: int) -> None:
        """Restart the random numbers of the shots from the seed and these numbers.

        Later shots do not depend on earlier ones. Without a seed this does nothing.
        """
        if self._seed is not None:
            # In place: the runner of dynamic circuits shares this generator.
            fresh = np.random.default_rng((self._seed, *numbers))
            self._random.bit_generator.state = fresh.bit_generator.state

    def describe(self) -> list[str]:
        """The layouts in use so far, one line each; empty without a device."""
        lines = [prepared.stage.description for prepared in self._prepared.values()]
        return [line for line in dict.fromkeys(lines) if line] + self._dynamic.describe()

    def layouts(self) -> list[dict[str, Any]]:
        """Physical qubits in use so far, with the seconds of the longest circuit on them."""
        static = [(prepared.stage, prepared.seconds) for prepared in self._prepared.values()]
        return list_layouts([*static, *self._dynamic.list_durations()])

    def refuse_feed_forward(self) -> None:
        """Refuse the mitigation of fed-forward bits for circuits that feed none forward.

        Raises:
            DeviceError: It was chosen.
        """
        if self._mitigation.feed_forward:
            raise DeviceError(
                f"device {self.name!r}: mitigation=feedforward applies to the dynamic circuits of "
                "readout=measured, but this circuit has no mid-circuit measurement; use "
                "mitigation=readout"
            )

    def find_channels(self, stage: Stage) -> Channels:
        """Return the channels of a stage."""
        if id(stage) not in self._channels:
            self._channels[id(stage)] = Channels(stage.noise)
        return self._channels[id(stage)]

    def open_tally(
        self,
        bases: Sequence[Basis],
        num_qubits: int,
        calibration: Calibration | None,
        shape: tuple[int, int],
    ) -> Tally:
        """Open the estimates (B, K) of observables measured in some bases."""
        tables = [tabulate(basis, num_qubits, calibration) for basis in bases]
        moves = 0 if calibration is None else len(calibration.moves)
        return Tally(bases, tables, shape, moves, self.shots, self._random)

    def _estimate(self, prepared: PreparedCircuit, pub: Pub) -> Estimates:
        batch, num_qubits = len(pub.values), len(prepared.positions)
        bases = group_terms(pub.observables, prepared.positions)
        calibration = self._calibrate(prepared.stage, num_qubits)
        tally = self.open_tally(bases, num_qubits, calibration, (batch, len(pub.observables)))
        for factor, weight in enumerate(self._mitigation.weights):
            for chunk, read in self._distribute(prepared, factor, pub.values, tally.bases):
                tally.add(weight, chunk, read)
        circuits = batch * len(tally.bases) * len(prepared.plains)
        self._count(batch, circuits * (self.shots or 0))
        return tally.close()

    def _distribute(
        self,
        prepared: PreparedCircuit,
        factor: int,
        values: NDArray[np.float64],
        bases: Sequence[Basis],
    ) -> Iterator[tuple[slice, list[NDArray[np.float64]]]]:
        """Find the distributions of the bit strings that a circuit gives.

        Args:
            prepared: The circuit.
            factor: Index of the factor of the extrapolation.
            values: (B, P) radians.
            bases: Measurement bases.

        Yields:
            Rows of the batch with their probabilities (rows, 2^n) in each basis.
        """
        stage = prepared.stage
        for chunk, states in simulate_states(prepared.plains[factor], values, stage.noise):
            yield chunk, [self._read(stage, states, basis) for basis in bases]

    def _calibrate(self, stage: Stage, num_qubits: int) -> Calibration | None:
        """Calibrate the readout of the qubits of a stage, once; None without its mitigation."""
        if not self._mitigation.calibrates:
            return None
        key = (id(stage), num_qubits)
        if key not in self._calibrations:
            zeros, ones = (self._read_ones(bit, stage, num_qubits) for bit in (0, 1))
            shots = None if self.shots is None else CALIBRATION_SHOTS
            self._calibrations[key] = calibrate_readout(zeros, ones, shots)
        return self._calibrations[key]

    def _read_ones(self, bit: int, stage: Stage, num_qubits: int) -> NDArray[np.float64]:
        """Frequency (n,) with which each qubit reads 1 when all are prepared in ``bit``."""
        frequencies = read_ones(bit, stage, num_qubits, self.find_channels(stage))
        if self.shots is None:
            return frequencies
        # A separate stream: the calibration is the same wherever training is resumed.
        random = np.random.default_rng(None if self._seed is None else (self._seed, bit))
        self._count(1, CALIBRATION_SHOTS)
        return random.binomial(CALIBRATION_SHOTS, frequencies.clip(0, 1)) / CALIBRATION_SHOTS

    def _read(
        self, stage: Stage, states: NDArray[np.complex128], basis: Basis
    ) -> NDArray[np.float64]:
        """Probabilities (B, 2^n) of the bit strings of all qubits in a basis."""
        if stage.noise is None:
            return read_vectors(states, basis)
        num_qubits = states.shape[-1].bit_length() - 1
        effects = self._find_effects(stage, num_qubits)
        letters = [basis.letters.get(qubit, "Z") for qubit in range(num_qubits)]
        operators = [find_operators(effects[letter][q]) for q, letter in enumerate(letters)]
        return read_matrices(states, operators)

    def _find_effects(self, stage: Stage, num_qubits: int) -> dict[str, list[Matrix]]:
        """Return the measurement of each qubit of a stage in the bases X, Y and Z."""
        key = (id(stage), num_qubits)
        if key not in self._effects:
            self._effects[key] = find_effects(stage, num_qubits, self.find_channels(stage))
        return self._effects[key]

    def _count(self, bindings: int, executions: int) -> None:
        self.counts.pubs += 1
        self.counts.bindings += bindings
        self.counts.executions += executions

    def _prepare(self, circuit: QuantumCircuit, *, as_whole: bool = True) -> PreparedCircuit:
        key = fingerprint(circuit), as_whole
        if key not in self._prepared:
            self._prepared[key] = prepare_circuit(
                circuit,
                self._find_stage(circuit),
                self._mitigation.factors,
                self.name,
                flips=self._mitigation.readout,
                as_whole=as_whole,
            )
            self.counts.transpilations += 1
        return self._prepared[key]


def _restore(
    kind: type[AerExecutor], arguments: dict[str, Any], random: Mapping[str, Any], counts: Counts
) -> AerExecutor:
    """Build a pickled executor again."""
    found = kind(**arguments)
    found._random.bit_generator.state = random
    for field in fields(counts):  # in place: the runner of dynamic circuits shares the object
        setattr(found.counts, field.name, getattr(counts, field.name))
    return found
