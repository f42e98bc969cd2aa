"""All pictures of a run: training, results, circuit and hidden state."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from circuits.export import draw_figure
from qrnn_qiskit.executors.simulator import SimulatorExecutor
from qrnn_qiskit.inspection import measure_influence, record_inputs, trace_states
from qrnn_qiskit.model import QRNN
from qrnn_qiskit.pictures.hidden_state import draw_bloch, draw_entropy, draw_influence
from qrnn_qiskit.pictures.outcomes import draw_outcomes
from qrnn_qiskit.pictures.recurrence import draw_recurrence
from qrnn_qiskit.pictures.results import draw_confusion, draw_readouts, draw_training
from qrnn_qiskit.tasks.base import Sequences
from qrnn_qiskit.training.checkpoint import write_atomically
from qrnn_qiskit.training.evaluation import select_test
from qrnn_qiskit.training.loading import TrainedModel, load_run
from qrnn_qiskit.training.run_folder import RunFolder

__all__ = ["Picture", "draw_pictures", "draw_run", "save_pictures"]

_SHOWN = 3  # sequences
_SIDE_BY_SIDE = 3  # registers whose step is drawn as a whole
_LISTENED = 100  # sequences on which the influence on the angles is measured


@dataclass(frozen=True)
class Picture:
    """A picture of a run.

    Attributes:
        name: Name of its file, without the suffix.
        section: Its topic: "training", "results", "circuit" or "hidden state".
        title: A short title.
        text: A description for readers who cannot see it, with the most important numbers.
        figure: The figure.
    """

    name: str
    section: str
    title: str
    text: str
    figure: Figure


@dataclass(frozen=True)
class Examples:
    """The test sequences that are drawn one by one, with their titles.

    Attributes:
        x: Inputs of the recurrent network, (B, T, E).
        lengths: The valid steps of each sequence.
        titles: Title of each sequence.
    """

    x: Tensor
    lengths: list[int]
    titles: list[str]

    def cut(self, values: Tensor) -> list[NDArray[np.floating[Any]]]:
        """Cut values (B, T, ...) of each sequence at its end."""
        return [values[row, :length].numpy() for row, length in enumerate(self.lengths)]


def draw_run(folder: str | Path) -> list[Path]:
    """Draw the pictures of a run into its folder ``pictures``; return the files, all PNG.

    Raises:
        RunFolderError: The folder holds no run.
        CheckpointError: The checkpoint cannot be used, or the data has changed since training;
            nothing is written then.
    """
    run = RunFolder.open(folder)
    return save_pictures(run, draw_pictures(run))


def save_pictures(run: RunFolder, pictures: list[Picture]) -> list[Path]:
    """Write pictures to the folder ``pictures`` of a run; return the files, all PNG."""
    run.pictures.mkdir(exist_ok=True)
    files = [run.pictures / f"{picture.name}.png" for picture in pictures]
    for file, picture in zip(files, pictures, strict=True):
        save = partial(picture.figure.savefig, format="png", dpi=150)
        write_atomically(file, save)
    return files


def draw_pictures(run: RunFolder, trained: TrainedModel | None = None) -> list[Picture]:
    """Draw the pictures of a run, with the weights that were best by validation.

    They are: training; confusion for tasks with one class per sequence (all test sequences); those
    of the task, such as the attention of translation; readouts, bloch and entropy of the first test
    sequences; controller (of the first 100 test sequences); step (the ansatz); and in measured mode
    recurrence (the dynamic circuit) and outcomes (of the first test sequence). The data is read
    only where neither the run nor ``trained`` has it in memory.

    Args:
        run: A run with at least one finished epoch.
        trained: Its model where it is loaded already, which is set to the simulator; loaded from
            the run unless given.

    Raises:
        CheckpointError: The checkpoint cannot be used, or the data has changed since training.
    """
    trained = trained or load_run(run)
    test = select_test(trained)
    trained.qrnn.executor = SimulatorExecutor()
    pictures = [_picture_training(run, trained)]
    if trained.task.classes:
        pictures.append(_picture_confusion(trained, test))
    pictures += [
        Picture(name, "results", name.capitalize(), f"The {name} of the first sequences.", figure)
        for name, figure in trained.task.draw(trained.model, test).items()
    ]
    examples = _choose_examples(trained, test)
    if trained.qrnn.measurement is not None:
        pictures += _picture_measured(trained, examples)
    pictures.append(_picture_readouts(trained, examples))
    if isinstance(trained.qrnn, QRNN):
        pictures += _picture_inside(trained.qrnn, examples)
        if examples.x.shape[1] > 1:
            pictures.append(_picture_controller(trained, test))
        pictures.append(_picture_step(trained.qrnn))
    return pictures


def _picture_training(run: RunFolder, trained: TrainedModel) -> Picture:
    rows, headline = run.read_metrics(), trained.task.headline
    key, name = f"validation_{headline}", headline.replace("_", " ")
    text = (
        f"Curves over {len(rows)} epochs: the training loss goes from {rows[0]['train_loss']:.3g} "
        f"to {rows[-1]['train_loss']:.3g}, the validation {name} from {rows[0][key]:.3g} to "
        f"{rows[-1][key]:.3g}; at the bottom the gradient norms before clipping."
    )
    figure = draw_training(rows, headline)
    return Picture("training", "training", "Loss, metric and gradients by epoch", text, figure)


def _picture_confusion(trained: TrainedModel, test: Sequences) -> Picture:
    classes = trained.task.classes
    targets, predicted = test.targets.numpy(), trained.predict_raw(test).argmax(dim=1).numpy()
    right = int((targets == predicted).sum())
    device = trained.qrnn.executor.name
    text = (
        f"Confusion matrix on the {device}: {right} of {len(targets)} test sequences are "
        "classified correctly."
    )
    wrong = np.flatnonzero(targets != predicted)
    if len(wrong):
        mistakes = np.stack((targets[wrong], predicted[wrong]), 1)
        kinds, counts = np.unique(mistakes, axis=0, return_counts=True)
        actual, taken = kinds[counts.argmax()]
        text += (
            f" The most frequent error: {classes[actual]} classified as {classes[taken]}, "
            f"{counts.max()} times."
        )
    figure = draw_confusion(targets, predicted, classes, device)
    title = f"Actual and predicted classes of {len(targets)} test sequences on the {device}"
    return Picture("confusion", "results", title, text, figure)


def _choose_examples(trained: TrainedModel, test: Sequences) -> Examples:
    """Choose the first test sequence of each of the first classes, or just the first sequences."""
    chosen = torch.arange(min(_SHOWN, len(test)))
    titles = [f"test sequence {index + 1}" for index in chosen.tolist()]
    if trained.task.classes:
        present = torch.unique(test.targets)[:_SHOWN]
        chosen = torch.stack([(test.targets == label).nonzero()[0, 0] for label in present])
        titles = [f"class {trained.task.classes[label]}" for label in present.tolist()]
    sequences = test.select(chosen)
    x = record_inputs(trained, sequences)
    lengths = [x.shape[1]] * len(x) if sequences.lengths is None else sequences.lengths.tolist()
    return Examples(x, lengths, titles)


def _picture_readouts(trained: TrainedModel, examples: Examples) -> Picture:
    with torch.no_grad():
        output = trained.qrnn(examples.x)[0]
    labels, titles = trained.qrnn.output_labels, examples.titles
    is_measured = trained.qrnn.measurement is not None
    figure = draw_readouts(
        examples.cut(output),
        labels,
        titles,
        axis=trained.qrnn.output_axis,
        are_probabilities=is_measured,
    )
    text = f"Heat maps of {len(labels)} readouts over time for {', '.join(titles)}."
    return Picture("readouts", "hidden state", "Readouts after each step", text, figure)


def _picture_inside(qrnn: QRNN, examples: Examples) -> list[Picture]:
    """Draw Bloch vectors and entropy of the examples over time."""
    trace = trace_states(qrnn, examples.x)
    bloch, entropy = examples.cut(trace.bloch), examples.cut(trace.entropy)
    titles = examples.titles
    is_measured = qrnn.measurement is not None
    pictures = [
        Picture(
            "bloch",
            "hidden state",
            "Bloch vector of each qubit",
            f"X, Y, Z and length of the Bloch vectors of {qrnn.ansatz.num_qubits} qubits over time "
            f"for {', '.join(titles)}. Lengths at the end: "
            + "; ".join(
                f"{title} {_list(np.linalg.norm(steps[-1], axis=1))}"
                for title, steps in zip(titles, bloch, strict=True)
            )
            + ".",
            draw_bloch(bloch, titles),
        ),
    ]
    if qrnn.num_qubits > 1:
        pictures.append(
            Picture(
                "entropy",
                "hidden state",
                "Entropy of one half of the qubits"
                + (", averaged over outcomes" if is_measured else ": their entanglement")
                + (", mean of all registers" if qrnn.num_registers > 1 else ""),
                "Entropy in bits over time; at the end "
                + ", ".join(
                    f"{title} {steps[-1]:.2f}" for title, steps in zip(titles, entropy, strict=True)
                )
                + ".",
                draw_entropy([steps[None] for steps in entropy], titles, qrnn.num_qubits),
            )
        )
    return pictures


def _list(numbers: NDArray[np.floating[Any]]) -> str:
    return " ".join(f"{number:.2f}" for number in numbers)


def _picture_controller(trained: TrainedModel, test: Sequences) -> Picture:
    sequences = test.select(slice(_LISTENED))
    x = record_inputs(trained, sequences)
    influence = measure_influence(trained.qrnn, x, sequences.lengths)
    sizes = influence.values.square().mean(1).sqrt()
    first, others = sizes[: influence.inputs], sizes[influence.inputs :]
    text = (
        "Bars and a heat map of the change of the angles, in radians, when an input of the "
        "controller changes by its standard deviation. Largest: "
        f"{influence.names[int(sizes.argmax())]} with {sizes.max():.2g}. Mean of the inputs "
        f"{first.mean():.2g}"
    )
    text += f", of the feedback {others.mean():.2g}." if len(others) else "."
    return Picture(
        "controller",
        "hidden state",
        "Influence of the controller's inputs on the angles",
        text,
        draw_influence(influence),
    )


def _picture_step(qrnn: QRNN) -> Picture:
    ansatz, count = qrnn.ansatz, qrnn.num_registers
    text = (
        f"The ansatz {ansatz.name!r} on {ansatz.num_qubits} qubits with {ansatz.num_parameters} "
        f"angles and {ansatz.circuit.num_nonlocal_gates()} two-qubit gates."
    )
    title = "The circuit of one step"
    if count > 1:
        ansatz = qrnn.mode.register if count > _SIDE_BY_SIDE else ansatz
        text += f" It is {count} registers of {qrnn.num_qubits} qubits without a gate between them."
        title += (
            f", one of {count} registers" if count > _SIDE_BY_SIDE else f" of {count} registers"
        )
    figure = draw_figure(ansatz.circuit)
    plt.close(figure)  # pyplot would keep it open
    figure.subplots_adjust(0.0, 0.0, 1.0, 1.0)
    return Picture("step", "circuit", title, text, figure)


def _picture_measured(trained: TrainedModel, examples: Examples) -> list[Picture]:
    """Draw the dynamic circuit of the first example, and the tree of its outcomes."""
    qrnn, steps = trained.qrnn, examples.lengths[0]
    mode, measurement = qrnn.mode, qrnn.mode.measurement
    assert measurement is not None
    count = mode.num_registers  # registers that share their bits run as one
    tables = qrnn.angles(examples.x[:1])[0, :steps].double().numpy()
    which = f" in each of {count} registers" if count > 1 else ""
    return [
        Picture(
            "recurrence",
            "circuit",
            "The dynamic circuit of one sequence",
            f"{steps} steps on {measurement.num_qubits} memory qubits{which}; each ends with a "
            f"measurement of {measurement.num_ancillas} bits{which}, which select the angles of "
            "the next step.",
            draw_recurrence(mode.register, measurement, steps, count),
        ),
        Picture(
            "outcomes",
            "circuit",
            f"Outcomes of {examples.titles[0]} and their probabilities",
            "A tree that branches at the outcome of each measurement; thick lines are probable."
            + (" Each register has its own." if count > 1 else ""),
            draw_outcomes(mode.register, measurement, tables, examples.titles[0], count),
        ),
    ]
