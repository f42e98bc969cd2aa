"""The study with qiskit-machine-learning: a TorchConnector for the prefix circuit of each step."""

import time

import torch
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.primitives import BackendEstimatorV2, StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_ibm_runtime.fake_provider import FakeKingston
from qiskit_machine_learning.connectors import TorchConnector
from qiskit_machine_learning.gradients import ParamShiftEstimatorGradient
from qiskit_machine_learning.neural_networks import EstimatorQNN
from study.series import BATCH, RATE, STEPS, TEST, TRAIN
from torch import nn

QUBITS = 2
OBSERVABLES = [SparsePauliOp.from_sparse_list([(p, [q], 1)], QUBITS) for p in "XYZ" for q in (0, 1)]
EPOCHS = 1  # of 20: enough to know the time
TESTED, NOISY = 20, 2  # test sequences, exact and on the fake device


def make_prefix(steps, estimator, pass_manager=None):
    """Make the layer of the first steps, from all their angles to the readouts."""
    circuit = QuantumCircuit(QUBITS)
    angles = ParameterVector("a", steps * 2 * QUBITS)
    for step in range(steps):
        for q in range(QUBITS):
            circuit.ry(angles[2 * (step * QUBITS + q)], q)
            circuit.rz(angles[2 * (step * QUBITS + q) + 1], q)
        circuit.cz(0, 1)
    observables = OBSERVABLES
    if pass_manager is not None:
        circuit = pass_manager.run(circuit)
        observables = [observable.apply_layout(circuit.layout) for observable in observables]
    network = EstimatorQNN(
        circuit=circuit,
        observables=observables,
        input_params=list(angles),
        estimator=estimator,
        gradient=ParamShiftEstimatorGradient(estimator),
        input_gradients=True,  # off unless asked for: the controller would not learn
        default_precision=0.0 if pass_manager is None else 1000**-0.5,
    )
    return TorchConnector(network)


class Model(nn.Module):
    """Controller, prefixes and head."""

    def __init__(self):
        super().__init__()
        self.controller = nn.Sequential(
            nn.Linear(2 + 3 * QUBITS, 16), nn.GELU(), nn.Linear(16, 2 * QUBITS)
        )
        self.head = nn.Linear(3 * QUBITS, 3)
        estimator = StatevectorEstimator()
        self.prefixes = [make_prefix(t + 1, estimator) for t in range(STEPS)]

    def forward(self, x):
        """Map series (B, T, 2) to logits (B, 3)."""
        readouts = torch.tensor([0.0] * 2 * QUBITS + [1.0] * QUBITS).expand(len(x), -1)
        angles = []
        for t, prefix in enumerate(self.prefixes):
            angles.append(self.controller(torch.cat([x[:, t], readouts], -1)))
            readouts = prefix(torch.cat(angles, -1)).float()
        return self.head(readouts)


def measure(model, title, count):
    """Print the accuracy on the first test series."""
    start = time.process_time()
    x, y = torch.tensor(TEST[0][:count]).float(), torch.tensor(TEST[1][:count])
    with torch.no_grad():
        accuracy = (model(x).argmax(-1) == y).double().mean()
    print(
        f"{title}: accuracy {accuracy:.2f}, {time.process_time() - start:.1f} s of processor time"
    )


torch.manual_seed(0)
model = Model()
optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
x, y = torch.tensor(TRAIN[0]).float(), torch.tensor(TRAIN[1])
start = time.process_time()
for _ in range(EPOCHS):
    for rows in torch.randperm(len(x)).split(BATCH):
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(
    f"training, {EPOCHS} epoch: {time.process_time() - start:.1f} s of processor time", flush=True
)
measure(model, f"exact, {TESTED} sequences", TESTED)

backend = FakeKingston()
estimator = BackendEstimatorV2(backend=backend)
pass_manager = generate_preset_pass_manager(2, backend, seed_transpiler=0)
model.prefixes = [make_prefix(t + 1, estimator, pass_manager) for t in range(STEPS)]
measure(model, f"on FakeKingston, {NOISY} sequences", NOISY)
