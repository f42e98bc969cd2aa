"""Translation, a task in several files.

- ``task``: the task.
- ``sentence_pairs`` and ``pairs``: its data, and the readers of the files.
- ``translator``: its model, an encoder and a decoder with the soft attention of ``attention``.
- ``beam_search``: decoding.
- ``picture``: attention maps.
"""

from qrnn_qiskit.tasks.translation.task import Translation
from qrnn_qiskit.tasks.translation.translator import Translator

__all__ = ["Translation", "Translator"]
