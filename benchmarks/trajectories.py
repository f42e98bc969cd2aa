"""Measure the variance of the gradient of sampled trajectories, relative to the exact gradient.

    python benchmarks/trajectories.py

Models of 4 memory qubits and 1 ancilla read random sequences; the loss is a fixed random linear
function of outputs and readouts. Prints, in Markdown, the variance of one trajectory's gradient
over the squared exact gradient, for plain REINFORCE and with each improvement on it (the geometric
mean over random models), and the distance of the mean gradients from the exact ones, in standard
errors.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable

import torch
from torch import Tensor

from qrnn_qiskit import QRNN
from qrnn_qiskit.modes.measured import MeasuredMode
from qrnn_qiskit.modes.trajectories import Samples, average_samples, sample_trajectories

COUNT = 32  # trajectories per estimate


def use_reinforce(samples: Samples, by_output: Tensor, by_readouts: Tensor) -> Tensor:
    """Credit every outcome with the whole loss of its trajectory, with outputs as drawn."""
    drawn = samples.probabilities.gather(3, samples.chosen[..., None])[..., 0]
    rewards = (by_output[None, None] * samples.chosen).sum(2) + samples.readouts @ by_readouts
    score = rewards.detach() * drawn.log().sum(2)
    return (score + samples.readouts @ by_readouts).mean(1).sum()


def use_causal(samples: Samples, by_output: Tensor, by_readouts: Tensor) -> Tensor:
    """Take outputs pathwise from the state, and credit an outcome with the later loss only."""
    drawn = samples.probabilities.gather(3, samples.chosen[..., None])[..., 0]
    of_step = by_output * samples.probabilities[..., 1]
    of_readouts = samples.readouts @ by_readouts
    after = of_step.flip(2).cumsum(2).flip(2) - of_step
    credit = after + of_readouts[:, :, None]
    matters = torch.arange(of_step.shape[2]) < of_step.shape[2] - 1
    score = (credit.detach() * drawn.log() * matters).sum(2)
    return (score + of_step.sum(2) + of_readouts).mean(1).sum()


def use_average(samples: Samples, by_output: Tensor, by_readouts: Tensor) -> Tensor:
    """Use the estimator of the model: causal, minus the mean of the other trajectories."""
    steps = samples.probabilities.shape[2]
    probabilities, readouts = average_samples(samples, [steps] * len(samples.probabilities))
    return (by_output * probabilities[..., 1]).sum() + (readouts @ by_readouts).sum()


def main() -> None:
    """Print the table for 2 to 16 steps."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--estimates", type=int, default=40)
    parser.add_argument("--models", type=int, default=5)
    parser.add_argument("--steps", type=int, nargs="+", default=[2, 4, 8, 16])
    arguments = parser.parse_args()
    names = {
        "plain REINFORCE": use_reinforce,
        "pathwise outputs, credit for what follows": use_causal,
        "and leave-one-out baseline (the model's)": use_average,
    }
    print("| steps | estimator | variance / squared gradient | mean, in standard errors |")
    print("|---|---|---|---|")
    for steps in arguments.steps:
        for name, use in names.items():
            found = [measure(use, steps, arguments.estimates, k) for k in range(arguments.models)]
            variance = statistics.geometric_mean(ratio for ratio, _ in found)
            score = statistics.fmean(score for _, score in found)
            print(f"| {steps} | {name} | {variance:.2f} | {score:.2f} |", flush=True)


def measure(
    use: Callable[[Samples, Tensor, Tensor], Tensor], steps: int, estimates: int, seed: int
) -> tuple[float, float]:
    """Return variance over squared gradient, and the RMS of the standard scores of the mean."""
    torch.manual_seed(seed)
    model = QRNN(
        8, 4, 2, readout="measured", feedback_gain=3.0, num_trajectories=COUNT, dtype=torch.float64
    )
    exact = QRNN(8, 4, 2, readout="measured", dtype=torch.float64)
    exact.load_state_dict(model.state_dict())
    x = torch.rand(1, steps, 8, dtype=torch.float64)
    by_output = torch.randn(steps, dtype=torch.float64) / steps**0.5
    by_readouts = torch.randn(model.num_readouts, dtype=torch.float64)
    parameters = list(model.parameters())

    def join(gradients: tuple[Tensor, ...]) -> Tensor:
        return torch.cat([gradient.flatten() for gradient in gradients])

    output, state = exact(x)
    loss = (output[0, :, 0] * by_output).sum() + (state.readouts[0] * by_readouts).sum()
    true = join(torch.autograd.grad(loss, list(exact.parameters())))
    mode = model.mode
    assert isinstance(mode, MeasuredMode)
    simulator = mode._compile_sampled(torch.float64)
    drawn = []
    for _ in range(estimates):
        tables = mode.tabulate(model.controller, x)
        samples = sample_trajectories(simulator, mode.measurement, tables, COUNT, None, [steps])
        drawn.append(join(torch.autograd.grad(use(samples, by_output, by_readouts), parameters)))
    gradients = torch.stack(drawn)
    variance = gradients.var(0)
    moving = variance > 1e-18
    scores = (gradients.mean(0) - true)[moving] / (variance[moving] / estimates).sqrt()
    return float(variance.sum() * COUNT / true.square().sum()), float(scores.square().mean().sqrt())


if __name__ == "__main__":
    main()
