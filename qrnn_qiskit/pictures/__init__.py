"""Pictures of results, hidden state and circuits; each function returns a matplotlib ``Figure``.

- ``results``: training curves, confusion matrix, readouts, evaluations side by side.
- ``hidden_state``: Bloch vectors, entropy, influence on the angles.
- ``recurrence`` and ``outcomes``: in measured mode, the dynamic circuit and the tree of outcomes.
- ``sweep``: results against the strength of noise.
- ``run``: all pictures of a run, with texts.
"""

from qrnn_qiskit.pictures.hidden_state import draw_bloch, draw_entropy, draw_influence
from qrnn_qiskit.pictures.outcomes import draw_outcomes
from qrnn_qiskit.pictures.recurrence import draw_recurrence
from qrnn_qiskit.pictures.results import (
    draw_confusion,
    draw_evaluations,
    draw_readouts,
    draw_training,
)
from qrnn_qiskit.pictures.run import Picture, draw_pictures, draw_run, save_pictures
from qrnn_qiskit.pictures.sweep import Point, draw_sweep

__all__ = [
    "Picture",
    "Point",
    "draw_bloch",
    "draw_confusion",
    "draw_entropy",
    "draw_evaluations",
    "draw_influence",
    "draw_outcomes",
    "draw_pictures",
    "draw_readouts",
    "draw_recurrence",
    "draw_run",
    "draw_sweep",
    "draw_training",
    "save_pictures",
]
