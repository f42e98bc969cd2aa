"""Recurrent models behind one interface: classical, unitary and quantum peers of QRNN.

Each is a module from (B, T, E) to the outputs (B, T, R) and a state with readouts (B, K), see
:class:`~qrnn_qiskit.recurrent.RecurrentModel`; ``model.kind`` names them in a configuration.
"""

from qrnn_qiskit.models.classical import GRU, LSTM, RNN
from qrnn_qiskit.models.mixing import OrthogonalQRNN
from qrnn_qiskit.models.orthogonal import ScoRNN, UnitaryMesh
from qrnn_qiskit.models.qlstm import QLSTM
from qrnn_qiskit.models.staggered import StaggeredQRNN
from qrnn_qiskit.recurrent import RecurrentModel

__all__ = [
    "GRU",
    "LSTM",
    "QLSTM",
    "RNN",
    "OrthogonalQRNN",
    "RecurrentModel",
    "ScoRNN",
    "StaggeredQRNN",
    "UnitaryMesh",
]
