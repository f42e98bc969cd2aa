"""The study with this package: train, test, test on a noisy device, plan."""

import time

from study.series import BATCH, EPOCHS, RATE, TEST, TRAIN, VALIDATION

from qrnn_qiskit import Dataset, fit
from runtime_jobs import evaluate, plan

start = time.process_time()
run = fit(
    Dataset.of_splits(TRAIN, VALIDATION, TEST),
    num_qubits=2,
    num_layers=1,
    controller_hidden=16,
    epochs=EPOCHS,
    batch_size=BATCH,
    learning_rate=RATE,
)
print(f"training: {time.process_time() - start:.1f} s of processor time")
for on in ("simulator", "aer:kingston?shots=1000&seed=0"):
    start = time.process_time()
    print(evaluate(run, on=on), f"{time.process_time() - start:.1f} s of processor time", sep="\n")
print(plan(run, "ibm:kingston", shots=1000))
