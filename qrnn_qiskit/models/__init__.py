"""Recurrent models with one interface: classical, unitary and quantum peers of QRNN.

Each module maps inputs (B, T, E) to outputs (B, T, R) and a state with readouts (B, K); see
:class:`~qrnn_qiskit.recurrent.RecurrentModel`. A configuration selects one by ``model.kind``:

- ``classical``: ``rnn``, ``lstm`` and ``gru`` of PyTorch.
- ``hmm``: a hidden Markov chain with inputs.
- ``transformer``: the small causal Transformer.
- ``orthogonal``: ``scornn`` and ``unitary``, the orthogonal and the unitary network.
- ``diagonal``: ``lru``, the linear recurrent unit, and ``ssm``, a diagonal state-space layer.
- ``qlstm``: the quantum LSTM.
- ``staggered``: the staggered quantum network on density matrices.
- ``mixing``: ``orthogonal``, QRNN with a trained matrix in place of the entanglers.
- ``dense_qubits``: rotations and Pauli readouts that the last two share.
"""

from qrnn_qiskit.models.classical import GRU, LSTM, RNN
from qrnn_qiskit.models.diagonal import LRU, DiagonalSSM
from qrnn_qiskit.models.hmm import HMM
from qrnn_qiskit.models.mixing import OrthogonalQRNN
from qrnn_qiskit.models.orthogonal import ScoRNN, UnitaryMesh
from qrnn_qiskit.models.qlstm import QLSTM
from qrnn_qiskit.models.staggered import StaggeredQRNN
from qrnn_qiskit.models.transformer import Transformer
from qrnn_qiskit.recurrent import RecurrentModel

__all__ = [
    "GRU",
    "HMM",
    "LRU",
    "LSTM",
    "QLSTM",
    "RNN",
    "DiagonalSSM",
    "OrthogonalQRNN",
    "RecurrentModel",
    "ScoRNN",
    "StaggeredQRNN",
    "Transformer",
    "UnitaryMesh",
]
