"""Detection events of a code whose error model is a list of independent errors.

Circuit noise made of depolarizing and bit-flip channels is exactly a list of independent errors,
each of which flips some detectors and perhaps the logical bit. Stim derives it from the circuit
(Gidney, arXiv:2103.02202). Events are drawn and predicted from that list, so that they depend on
the seed and not on the machine, as those of stim's own sampler do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qrnn_qiskit.tasks.data.data_error import DataError

__all__ = ["ErrorModel", "build_repetition_code"]

_TOGETHER = 4096  # records whose weights are in memory at the same time


@dataclass(frozen=True)
class ErrorModel:
    """Independent errors in the order of the first bit that they flip.

    Attributes:
        probabilities: (M,) of each error.
        flips: (M, K) True where an error flips a bit of the record: the K - 1 detectors in the
            order of time, then the logical bit.
    """

    probabilities: NDArray[np.float64]
    flips: NDArray[np.bool_]

    def draw(self, count: int, random: np.random.Generator) -> NDArray[np.int64]:
        """Draw ``count`` records, (N, K) 0 or 1."""
        flips = self.flips.astype(np.float32)  # counts of flips are exact in it, and BLAS has it
        drawn = np.empty((count, flips.shape[1]), np.int64)
        for start in range(0, count, _TOGETHER):
            part = drawn[start : start + _TOGETHER]
            happens = random.random((len(part), len(flips))) < self.probabilities
            part[:] = (happens.astype(np.float32) @ flips) % 2
        return drawn

    def predict(self, records: NDArray[np.int64]) -> NDArray[np.float64]:
        """Compute the exact probability of a 1 in each place, given the bits before it.

        The weights of the flips of all bits that errors so far have touched are carried along: 2^w
        numbers where w bits are open. For the last place that is the decoder of largest likelihood.

        Args:
            records: (N, K) 0 or 1, each of which can occur.

        Returns:
            (N, K) probabilities.
        """
        parts = range(0, len(records), _TOGETHER)
        return np.concatenate([self._predict(records[n : n + _TOGETHER]) for n in parts])

    def _predict(self, records: NDArray[np.int64]) -> NDArray[np.float64]:
        found = np.empty(records.shape)
        rows = np.arange(len(records))
        touched = [np.flatnonzero(row).tolist() for row in self.flips]
        weights: NDArray[np.float64] = np.ones(len(records))
        is_open: list[int] = []  # the bits of the axes of weights after the first, of size 2 each
        for place in range(records.shape[1]):
            now = [number for number, bits in enumerate(touched) if bits[0] == place]
            for bit in sorted({place}.union(*(touched[number] for number in now)) - {*is_open}):
                weights = np.stack((weights, np.zeros_like(weights)), -1)
                is_open.append(bit)
            for number in now:
                axes = tuple(1 + is_open.index(bit) for bit in touched[number])
                chance = self.probabilities[number]
                weights = (1 - chance) * weights + chance * np.flip(weights, axes)
            weights = np.moveaxis(weights, 1 + is_open.index(place), 1)
            is_open.remove(place)
            both = weights.reshape(len(records), 2, -1).sum(-1)
            found[:, place] = both[:, 1] / both.sum(1)
            taken = records[:, place]
            norm = both[rows, taken].reshape(-1, *[1] * len(is_open))
            weights = weights[rows, taken] / norm
        return found


def build_repetition_code(distance: int, rounds: int, noise: float) -> ErrorModel:
    """Build the error model of a memory experiment with a repetition code.

    Every reset and every measurement flips with the probability ``noise``, and after every gate,
    and on every data qubit before every round, there is depolarizing noise of that strength.

    Args:
        distance: d, the number of data qubits.
        rounds: Rounds of syndrome measurement; the final measurement of the data gives one more
            row of d - 1 detectors.
        noise: p of each error channel.

    Raises:
        DataError: Stim is not installed.
    """
    try:
        import stim
    except ImportError as error:
        raise DataError(
            "the error model of a code is derived by stim, which is not installed; pip install "
            "'.[syndromes]' in a clone of this project, or only stim"
        ) from error
    circuit = stim.Circuit.generated(
        "repetition_code:memory",
        distance=distance,
        rounds=rounds,
        after_clifford_depolarization=noise,
        after_reset_flip_probability=noise,
        before_measure_flip_probability=noise,
        before_round_data_depolarization=noise,
    )
    logical = circuit.num_detectors
    probabilities, flips = [], []
    for entry in circuit.detector_error_model().flattened():
        if entry.type != "error":
            continue
        flipped = np.zeros(logical + 1, bool)
        for target in entry.targets_copy():
            flipped[target.val if target.is_relative_detector_id() else logical] ^= True
        if flipped.any():
            probabilities.append(entry.args_copy()[0])
            flips.append(flipped)
    return ErrorModel(np.array(probabilities), np.array(flips))
