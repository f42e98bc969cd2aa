"""The study with PennyLane: a qml.qnn.TorchLayer for the prefix circuit of each step."""

import time

import pennylane as qml
import torch
from study.series import BATCH, EPOCHS, RATE, STEPS, TEST, TRAIN
from torch import nn

QUBITS = 2


def make_layer(steps, noise=None):
    """Make the layer of the first steps, from all their angles to the readouts."""
    device = qml.device("default.mixed" if noise else "default.qubit", wires=QUBITS)

    @qml.qnode(device, interface="torch", diff_method="backprop")
    def prefix(inputs):
        angles = inputs.reshape((*inputs.shape[:-1], steps, 2 * QUBITS))
        for step in range(steps):
            for q in range(QUBITS):
                qml.RY(angles[..., step, 2 * q], wires=q)
                qml.RZ(angles[..., step, 2 * q + 1], wires=q)
            qml.CZ(wires=(0, 1))
        paulis = (qml.PauliX, qml.PauliY, qml.PauliZ)
        return [qml.expval(pauli(q)) for pauli in paulis for q in range(QUBITS)]

    return qml.qnn.TorchLayer(qml.add_noise(prefix, noise) if noise else prefix, {})


class Model(nn.Module):
    """Controller, prefixes and head."""

    def __init__(self):
        super().__init__()
        self.controller = nn.Sequential(
            nn.Linear(2 + 3 * QUBITS, 16), nn.GELU(), nn.Linear(16, 2 * QUBITS)
        )
        self.head = nn.Linear(3 * QUBITS, 3)
        self.prefixes = [make_layer(t + 1) for t in range(STEPS)]

    def forward(self, x):
        """Map series (B, T, 2) to logits (B, 3)."""
        readouts = torch.tensor([0.0] * 2 * QUBITS + [1.0] * QUBITS).expand(len(x), -1)
        angles = []
        for t, prefix in enumerate(self.prefixes):
            angles.append(self.controller(torch.cat([x[:, t], readouts], -1)))
            readouts = prefix(torch.cat(angles, -1)).float()
        return self.head(readouts)


def measure(model, title):
    """Print the accuracy on the test series."""
    start = time.process_time()
    x, y = torch.tensor(TEST[0]).float(), torch.tensor(TEST[1])
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
print(f"training: {time.process_time() - start:.1f} s of processor time")
measure(model, "exact")

# The calibration of a device has to be written out, gate by gate; here two typical numbers.
noise = qml.NoiseModel(
    {
        qml.noise.op_in([qml.RY, qml.RZ]): qml.noise.partial_wires(qml.DepolarizingChannel, 3e-4),
        qml.noise.op_eq(qml.CZ): lambda op, **_: [
            qml.DepolarizingChannel(3e-3, w) for w in op.wires
        ],
    }
)
model.prefixes = [make_layer(t + 1, noise) for t in range(STEPS)]
measure(model, "with depolarizing noise")
