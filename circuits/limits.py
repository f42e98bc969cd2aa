"""The largest sizes, each with its reason, and the limits of one job on IBM Quantum.

Sizes are compared with these numbers before anything is built, so that a typing error is refused
at once instead of filling the memory.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "LARGEST_COEFFICIENT",
    "LIMITS_DATE",
    "MOST_BATCH",
    "MOST_BYTES",
    "MOST_CONTROLS",
    "MOST_DATA",
    "MOST_EMBEDDING",
    "MOST_ENTRIES",
    "MOST_EPOCHS",
    "MOST_FILE_BYTES",
    "MOST_GATES",
    "MOST_NESTING",
    "MOST_PARAMETERS",
    "MOST_PATCHES",
    "MOST_QPY_BYTES",
    "MOST_QUBITS",
    "MOST_SEED",
    "MOST_SHOTS",
    "MOST_STEPS",
    "MOST_WIDTH",
    "JobLimits",
]

# Qubits of a circuit: the largest QPU announced by IBM has 1,386. The simulators stop far below, at
# the memory of the machine.
MOST_QUBITS = 2000

# Gates of one step, after blocks and other gates have been decomposed. A step of 20 qubits and 50
# layers has 3,000; 20,000 take 2 seconds and 150 MB to compile.
MOST_GATES = 20_000

# Numbers that define one gate, such as the entries of its matrix: 64 x 64, a unitary on 6 qubits,
# decomposes to 4,000 gates in about a second, and each further qubit takes four times as long.
MOST_ENTRIES = 4096

# Controls of a gate in an OpenQASM file: Qiskit computes a matrix of 2^controls rows.
MOST_CONTROLS = 6

# Bytes of an OpenQASM program: its parser reads 12 kB a second, and 20,000 gates take 500 kB.
MOST_BYTES = 1_000_000

# Bytes of a file of data, which is read as a whole: a table takes about ten times as much memory.
MOST_FILE_BYTES = 1 << 30

# Bytes of a QPY file: 20,000 gates take a tenth of it.
MOST_QPY_BYTES = 50_000_000

# Brackets within brackets in an OpenQASM program: its parser calls itself for each of them, and
# fails at about 400, where Python's limit of 1,000 nested calls is reached.
MOST_NESTING = 100

# Factor on a parameter, and constant part of an angle in radians: float64 keeps 1e-10 radians of an
# angle of a million.
LARGEST_COEFFICIENT = 1e6

# Shots of one circuit: their standard error, 3e-5, is below what float32 gradients resolve. A job
# on IBM Quantum takes at most 10,000,000 executions.
MOST_SHOTS = 1_000_000_000

# Seeds: 64 bits, as torch and NumPy store them.
MOST_SEED = 2**64 - 1

# Patches side by side: a device of 2,000 qubits has fewer of two qubits each.
MOST_PATCHES = 1000

# Epochs of training: a million epochs of one second each take twelve days.
MOST_EPOCHS = 1_000_000

# Training steps, such as those of the warm-up: as many epochs of a thousand batches.
MOST_STEPS = 1_000_000_000

# Sequences in a batch, and sampled states of one: with 4 qubits, states of more take gigabytes.
MOST_BATCH = 1_000_000

# Trainable parameters that a model is sized to: the search tries one size after another, a million
# of them in seconds.
MOST_PARAMETERS = 10_000_000

# Numbers in the data of a task that a setting multiplies, such as windows times their rows: 160 MB
# in float64, of which training keeps several copies.
MOST_DATA = 20_000_000

# Width of the embedding of a word: a vocabulary of 5,000 words takes 20 MB, and its optimizer twice
# as much.
MOST_EMBEDDING = 1024

# Width of a layer: its square matrix in float32 takes 40 GB with 100,000.
MOST_WIDTH = 100_000


# When the limits of IBM Quantum on a job were looked up in its documentation.
LIMITS_DATE = "2026-11"


@dataclass(frozen=True)
class JobLimits:
    """Limits of one job; the defaults are those of IBM Quantum at ``LIMITS_DATE``.

    Attributes:
        executions: Circuits times shots.
        instructions: Control instructions of a qubit, over all circuits of the job.
        broadcasts: Feed-forward broadcasts of one bit, over all circuits of the job. Whether each
            set of parameters counts again is not documented, so each is counted; ``math.inf``
            sets no limit.
        seconds: QPU time in seconds, margin included.
        two_qubit_gates: Two-qubit gates of one circuit.
        condition_bits: Bits that one condition reads.
        warned_coherence: Duration of a circuit, divided by the shorter of T1 and T2 of its worst
            qubit, above which there is a warning.
        coherence: The same ratio above which the circuit is refused; 3 leaves 5 % of the coherence.
        serial_branches: Whether branches on disjoint qubits are taken to run one after another, as
            before the update of dynamic circuits that began in June 2025.
    """

    executions: float = 10_000_000
    instructions: float = 26_800_000
    broadcasts: float = 2400
    seconds: float = 3 * 3600
    two_qubit_gates: int = 5_000_000
    condition_bits: int = 32
    warned_coherence: float = 0.5
    coherence: float = 3.0
    serial_branches: bool = False
