"""Translation: sentence pairs, an encoder and a decoder with soft attention, beam search."""

from qrnn_qiskit.tasks.translation.task import Translation
from qrnn_qiskit.tasks.translation.translator import Translator

__all__ = ["Translation", "Translator"]
