"""Sequences of real numbers with classes or values, from arrays or from a file."""

from qrnn_qiskit.tasks.sequences.task import LabelledSequences, SequencesSettings

__all__ = ["LabelledSequences", "SequencesSettings"]
