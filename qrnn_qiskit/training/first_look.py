"""What an untrained model says of its data: whether there is anything to learn from, and how steep.

At a start that scrambles the state, the last readouts of all sequences are nearly the same; where
the loop from readouts to angles is chaotic, gradients grow with the number of steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from qrnn_qiskit.executors import SimulatorExecutor

if TYPE_CHECKING:
    from qrnn_qiskit.training.experiment import Experiment

__all__ = ["FirstLook", "look_first"]

FEWEST_STEPS = 50  # of sequences at which a start can go wrong, and a look is worth its time
MOST_SEQUENCES = 32
# Measured on MNIST by pixels, 784 steps. Scrambled states of 8 qubits: a spread of 0.07, of 4
# qubits 0.24; the oscillator start: 1.1, with a norm of 240. A chaotic loop: 40,000 and more.
LEAST_SPREAD = 0.1
MOST_NORM = 5000.0


class FirstLook(NamedTuple):
    """Numbers of an untrained model on some training sequences.

    Attributes:
        spread: Standard deviation of the last readouts over the sequences, root mean square over
            the readouts, times the factor that the head puts on them.
        gradient_norm: Norm of the gradient of the loss with respect to all weights.
    """

    spread: float
    gradient_norm: float

    def describe(self) -> str:
        """Return both numbers as one line."""
        return (
            f"before the first step: spread of the last readouts {self.spread:.2g}, gradient norm "
            f"{self.gradient_norm:.2g}"
        )

    def find_warnings(self) -> list[str]:
        """Return what these numbers say against training from here."""
        found = []
        if not self.spread >= LEAST_SPREAD:
            found.append(
                f"the last readouts hardly depend on the sequence (spread {self.spread:.2g}, "
                f"expected at least {LEAST_SPREAD:g}): try model.start=oscillators, "
                "model.readout_scale=5 or fewer steps"
            )
        if not self.gradient_norm <= MOST_NORM:
            found.append(
                f"the gradient is steep (norm {self.gradient_norm:.2g}, expected at most "
                f"{MOST_NORM:g}): try model.feedback_gain=auto"
            )
        return found


def look_first(experiment: Experiment) -> FirstLook | None:
    """Run an untrained QRNN on the first training sequences; weights and random states stay.

    Returns:
        The numbers, or None for other models, on devices, for short sequences, and for fewer than
        two sequences.
    """
    config, model, train = experiment.config, experiment.model, experiment.splits.train
    count = min(MOST_SEQUENCES, config.train.batch_size, len(train))
    exact = isinstance(model.qrnn.executor, SimulatorExecutor)
    if config.model.kind != "qrnn" or not exact or count < 2:
        return None
    if train.inputs.shape[1] < FEWEST_STEPS:
        return None
    with torch.random.fork_rng():
        model.eval()
        prediction, state = model.run(train.select(slice(0, count)))
        loss = experiment.task.loss(prediction, train.select(slice(0, count)))
        parameters = [p for p in model.parameters() if p.requires_grad]
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        model.train()
    spread = state.readouts.detach().std(dim=0).square().mean().sqrt().item()
    norm = sum(float(g.square().sum()) for g in gradients if g is not None) ** 0.5
    return FirstLook(spread * config.model.readout_scale, norm)
