"""The trials of a search: each chooses, trains, validates and compiles a circuit."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from qiskit.transpiler import Target

from circuits.errors import InvalidValueError
from circuits.families import ANSATZ_FAMILIES, ENTANGLERS
from qrnn_qiskit.tasks import get_task
from qrnn_qiskit.training.checkpoint import write_text
from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.progress import TrainingProgress
from qrnn_qiskit.training.run_folder import RunFolder, open_or_create
from qrnn_qiskit.training.schema import Config
from qrnn_qiskit.training.trainer import TrainingDiverged, resume
from runtime_jobs.hardware.chip import measure_in_bases
from runtime_jobs.hardware.packing import choose_packing
from runtime_jobs.pricing.rounds import longest_circuit

if TYPE_CHECKING:
    from qrnn_qiskit.model import QRNN

__all__ = ["SPACE", "Search", "Trial", "find_front"]

# Rotations and observables are written as in a configuration.
SPACE: Mapping[str, tuple[Any, ...]] = {
    "model.ansatz": ANSATZ_FAMILIES,
    "model.num_layers": (1, 2, 3, 4),
    "model.entangler": ENTANGLERS,
    "model.rotations": ("ry", "ry,rz", "rx,rz", "rx,ry,rz"),
    "model.observables": ("z", "xz", "xyz"),
}


@dataclass(frozen=True)
class Trial:
    """A circuit that has been tried.

    Attributes:
        settings: Its settings in the search space.
        metric: The headline metric on the validation split in the best epoch; None if training
            diverged.
        parameters: Number of trainable parameters of the recurrent model.
        two_qubit_gates: Two-qubit gates of the longest circuit, compiled for the device.
        seconds: Duration of that circuit in seconds, measurement included.
        run: Folder of the run, relative to that of the search.
    """

    settings: dict[str, Any]
    metric: float | None
    parameters: int
    two_qubit_gates: int
    seconds: float
    run: str


class Search:
    """An Optuna study with three objectives: metric, two-qubit gates, duration.

    Args:
        task: Name of the task.
        out: Folder of the search. Its ``study.db`` and ``runs`` hold everything, so that a killed
            search can continue and a repeated circuit is not trained again.
        settings: Configuration values of all trials by key; they fix keys of the search space.
        device: Name of the device.
        target: Target of the device that the circuits are compiled for.
        seed: Seed of the sampler; the seed of the training is a setting.

    Raises:
        ValueError: All keys of the space are fixed, or ``out`` holds a search of other settings.
    """

    def __init__(
        self,
        task: str,
        out: Path,
        settings: Mapping[str, Any],
        device: str,
        target: Target,
        seed: int = 0,
    ) -> None:
        import optuna

        self.task = task
        self.out = out
        self.settings = dict(settings)
        self.device = device
        self.target = target
        config = resolve_config(task, self.settings)  # before anything is written
        self.problem = get_task(task)(config.data)
        fixed = {key.rpartition(".")[2] for key in self.settings}
        self.space = {k: v for k, v in SPACE.items() if k.rpartition(".")[2] not in fixed}
        if not self.space:
            raise InvalidValueError(
                f"all of {', '.join(SPACE)} are set; leave one of them to the search"
            )
        self._keep_question()
        optuna.logging.set_verbosity(logging.WARNING)
        direction = optuna.study.StudyDirection
        lowest = direction.MINIMIZE
        better = direction.MAXIMIZE if self.problem.higher_is_better else lowest
        self.study = optuna.create_study(
            study_name="search",
            storage=f"sqlite:///{out / 'study.db'}",
            directions=[better, lowest, lowest],
            sampler=optuna.samplers.TPESampler(seed=seed),
            load_if_exists=True,
        )

    def _keep_question(self) -> None:
        """Write task, settings and device to the folder, or compare them with its content."""
        question = {"task": self.task, "settings": self.settings, "device": self.device}
        file = self.out / "search.json"
        if not file.exists():
            self.out.mkdir(parents=True, exist_ok=True)
            write_text(file, json.dumps(question, indent=2) + "\n")
        try:
            found = json.loads(file.read_text())
        except ValueError as error:
            raise InvalidValueError(
                f"{file} is damaged ({error}); restore it, or give another --out"
            ) from error
        if found != json.loads(json.dumps(question)):
            raise InvalidValueError(
                f"{self.out} holds another search: expected {found}, got {question}; give another "
                "--out"
            )

    def run(self, trials: int, note: Callable[[Trial, int], None]) -> None:
        """Try circuits until ``trials`` are done, those of earlier calls included.

        A trial that was killed is repeated first.

        Args:
            trials: Total number of circuits.
            note: Called after each trial with the trial and the number of circuits done.
        """
        from optuna.trial import TrialState

        cut_off = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        for old in cut_off:
            self.study.enqueue_trial(old.params)
            self.study.tell(old.number, state=TrialState.FAIL)
        finished = (TrialState.COMPLETE, TrialState.PRUNED)
        while (done := len(self.study.get_trials(deepcopy=False, states=finished))) < trials:
            asked = self.study.ask()
            chosen = {
                key: asked.suggest_categorical(key, list(values))
                for key, values in self.space.items()
            }
            trial = self.try_circuit(chosen)
            asked.set_user_attr("trial", asdict(trial))
            if trial.metric is None:
                self.study.tell(asked, state=TrialState.PRUNED)
            else:
                self.study.tell(asked, [trial.metric, trial.two_qubit_gates, trial.seconds])
            note(trial, done + 1)

    def list_trials(self) -> list[Trial]:
        """Return all circuits that were tried, each once, in the order of the trials."""
        found = [t.user_attrs["trial"] for t in self.study.trials if "trial" in t.user_attrs]
        return list({trial["run"]: Trial(**trial) for trial in found}.values())

    def try_circuit(self, chosen: Mapping[str, Any]) -> Trial:
        """Train, validate and compile the circuit of these settings, or reuse its finished run."""
        config = resolve_config(self.task, self.settings | dict(chosen))
        digest = hashlib.sha256(json.dumps(dict(chosen), sort_keys=True).encode()).hexdigest()
        folder = self.out / "runs" / digest[:12]
        run, metric = self._train(folder, config)
        qrnn = cast("QRNN", run.experiment.model.qrnn)  # a search varies circuits, which it has
        steps = run.experiment.splits.test.inputs.shape[1]
        circuit = longest_circuit(qrnn, steps)
        packing = choose_packing(self.device, self.target, circuit)
        if qrnn.measurement is None:
            circuit = measure_in_bases(circuit).circuit
        profile = packing.profile(circuit, 1)
        return Trial(
            dict(chosen),
            metric,
            qrnn.count_parameters(),
            profile.two_qubit_gates,
            profile.seconds,
            f"{folder.parent.name}/{folder.name}",
        )

    def _train(self, folder: Path, config: Config) -> tuple[RunFolder, float | None]:
        run = open_or_create(folder, config)
        try:
            result = resume(run, progress=TrainingProgress(enabled=False))
            return run, result.validation[self.problem.headline]
        except TrainingDiverged:
            return run, None


def find_front(trials: list[Trial], cost: str, higher_is_better: bool) -> list[Trial]:
    """Return the Pareto front, by rising cost: no other trial is as cheap and better.

    Args:
        trials: All trials.
        cost: "two_qubit_gates" or "seconds".
        higher_is_better: Whether a higher metric is better.
    """
    sign = 1 if higher_is_better else -1
    front: list[Trial] = []
    best = float("-inf")
    known = [(trial, trial.metric) for trial in trials if trial.metric is not None]
    for trial, metric in sorted(known, key=lambda pair: (getattr(pair[0], cost), -sign * pair[1])):
        if sign * metric > best:
            best = sign * metric
            front.append(trial)
    return front
