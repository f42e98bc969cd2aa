"""The file of a table: its tasks, models and seeds, all fixed before the first run."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from circuits.errors import InvalidValueError
from qrnn_qiskit.tasks import Task, get_task
from qrnn_qiskit.training.config import Config, resolve_config
from qrnn_qiskit.training.schema import ConfigError, flatten, read_toml

__all__ = ["Cell", "Choice", "ModelRow", "Pair", "Table", "TaskColumn", "read_table_file"]

_NAME = r"^[A-Za-z0-9][A-Za-z0-9 ,.=()+-]*$"
_OF_THE_TABLE = {"train.learning_rate", "learning_rate", "seed"}
Settings = dict[str, Any]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Choice(NamedTuple):
    """What the search chooses: a learning rate and a variant of the model by its name.

    The variant is "" for a model without variants.
    """

    learning_rate: float
    variant: str = ""

    def __str__(self) -> str:
        return ", ".join(filter(None, [f"{self.learning_rate:g}", self.variant]))


class SearchBudget(_Part):
    """The search, the same for every model: one full run for each rate and variant of the model.

    The choice that is best by validation is used for all seeds.
    """

    learning_rates: list[float] = Field(min_length=1)
    seed: int = 0


class TaskColumn(_Part):
    """A task of the table.

    Attributes:
        name: Name in the table.
        task: Name of the task.
        parameters: Trainable parameters of each recurrent model, within 5 %.
        margin: Margin of non-inferiority, in the units of its headline metric.
        settings: Configuration values of its cells.
        metrics: Further metrics of the test sequences for the report.
        target: Value of the headline metric; the report has the training sequences until it is
            reached on the validation sequences.
        seeds, search: Replace those of the table, for all models: a task whose runs take hours may
            have fewer.
    """

    name: str = Field(pattern=_NAME)
    task: str
    parameters: int = Field(ge=1)
    margin: float = Field(gt=0)
    settings: Settings = {}
    metrics: list[str] = []
    target: float | None = None
    seeds: list[int] | None = Field(default=None, min_length=1)
    search: SearchBudget | None = None

    def check_metrics(self, known: Iterable[str]) -> None:
        """Raise ConfigError unless the task has all ``metrics``, which are among ``known``."""
        known = list(known)
        for name in self.metrics:
            if name not in known:
                nearest = get_close_matches(name, known, n=1)
                hint = f"did you mean {nearest[0]!r}? " if nearest else ""
                raise ConfigError(
                    f"task {self.name!r} of the table has no metric {name!r}; {hint}"
                    f"it has {', '.join(known)}"
                )


class ModelRow(_Part):
    """A model of the table; each is compared with the best baseline of a task.

    Attributes:
        name: Name in the table.
        role: Candidate, baseline, ablation or peer.
        settings: Configuration values of its cells.
        tasks: Names of the tasks it is run on; None for all.
        variants: Further configuration values by name, such as two starts: the search tries each
            with every learning rate. All models of a table have as many, so that none is searched
            more than another.
    """

    name: str = Field(pattern=_NAME)
    role: Literal["candidate", "baseline", "ablation", "peer"]
    settings: Settings = {}
    tasks: list[str] | None = None
    variants: dict[Annotated[str, Field(pattern=_NAME)], Settings] = {}

    @property
    def parts(self) -> list[Settings]:
        """The settings of this row, then those of each variant."""
        return [self.settings, *self.variants.values()]


class Table(_Part):
    """A table of results: every task by every model by every seed.

    Attributes:
        title: Title of the report.
        note: A note below the title.
        seeds: Seeds of the runs.
        search: The search for a learning rate.
        settings: Configuration values of all cells, as nested tables or dotted keys; those of a
            task, and then those of a model, take precedence.
        tasks: The tasks.
        models: The models.
    """

    title: str
    note: str = ""
    seeds: list[int] = Field(min_length=1)
    search: SearchBudget
    settings: Settings = {}
    tasks: list[TaskColumn] = Field(min_length=1)
    models: list[ModelRow] = Field(min_length=1)

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        searches = (self.search, *(t.search for t in self.tasks if t.search))
        listed: list[tuple[str, Sequence[str | float]]] = [
            ("task", [task.name for task in self.tasks]),
            ("model", [model.name for model in self.models]),
            *(("seed", seeds) for seeds in (self.seeds, *(t.seeds or [] for t in self.tasks))),
            # The folder name has six digits of the learning rate.
            *(("learning rate", [f"{r:g}" for r in s.learning_rates]) for s in searches),
            *(("variant", list(model.variants)) for model in self.models),
        ]
        for what, names in listed:
            if len(set(names)) != len(names):
                raise InvalidValueError(f"expected every {what} once, got {names}")
            folders = {_slug(str(name)) for name in names}
            if len(folders) != len(names):
                raise InvalidValueError(
                    f"every {what} needs a separate folder, but those of {names} are "
                    f"{sorted(folders)}; give them names that differ in letters or digits"
                )
        of_models = [settings for model in self.models for settings in model.parts]
        for settings in (self.settings, *(task.settings for task in self.tasks), *of_models):
            taken = _OF_THE_TABLE & set(flatten(settings))
            if taken:
                raise InvalidValueError(
                    f"settings contain {sorted(taken)}, which would have no effect: the table sets "
                    "the learning rate of each run by 'search' and its seed by 'seeds'; omit it"
                )
        counts = {model.name: max(1, len(model.variants)) for model in self.models}
        if len(set(counts.values())) > 1:
            raise InvalidValueError(
                "expected as many variants of every model, so that all get the same search, got "
                f"{', '.join(f'{count} of {name}' for name, count in counts.items())}"
            )
        known = {task.name for task in self.tasks}
        for model in self.models:
            unknown = set(model.tasks or []) - known
            if unknown:
                raise InvalidValueError(
                    f"model {model.name!r} names the unknown tasks {sorted(unknown)}; expected "
                    f"tasks of this table, {sorted(known)}"
                )
        return self

    def pairs(self, only: str | None = None) -> list[Pair]:
        """List every task with each of its models, or those that ``only``, "TASK/MODEL", names.

        Either half may be ``*``; a task without a model means all its models.

        Raises:
            ValueError: ``only`` names none.
        """
        pairs = [
            Pair(self, task, model)
            for task in self.tasks
            for model in self.models
            if model.tasks is None or task.name in model.tasks
        ]
        if only is None:
            return pairs
        task_name, _, model_name = only.partition("/")
        chosen = [
            pair
            for pair in pairs
            if task_name in ("*", pair.task.name) and model_name in ("", "*", pair.model.name)
        ]
        if not chosen:
            known = ", ".join(pair.name for pair in pairs)
            raise InvalidValueError(f"{only!r} names no cell of the table; known: {known}")
        return chosen


@dataclass(frozen=True)
class Pair:
    """A task with a model: one row of the finished table."""

    table: Table
    task: TaskColumn
    model: ModelRow

    @property
    def name(self) -> str:
        """The name TASK/MODEL."""
        return f"{self.task.name}/{self.model.name}"

    @cached_property
    def _made(self) -> Task:
        """The task with its settings, which may choose the headline metric; it reads no data."""
        config = self.search_cells()[0].resolve()
        return get_task(config.task)(config.data)

    @property
    def higher_is_better(self) -> bool:
        """Whether larger values of the headline metric are better."""
        return self._made.higher_is_better

    @property
    def headline(self) -> str:
        """The headline metric of the task."""
        return self._made.headline

    def find_range(self, metric: str) -> tuple[float, float]:
        """Return the smallest and the largest possible value of a metric."""
        return self._made.ranges.get(metric, (-math.inf, math.inf))

    @property
    def seeds(self) -> list[int]:
        """The seeds of this row."""
        return self.task.seeds or self.table.seeds

    @property
    def search(self) -> SearchBudget:
        """The learning rates that are searched for this row."""
        return self.task.search or self.table.search

    def search_cells(self) -> list[Cell]:
        """List the runs of the search: every variant at every learning rate."""
        return [
            Cell(self, Choice(rate, variant), self.search.seed)
            for variant in self.model.variants or [""]
            for rate in self.search.learning_rates
        ]

    def seed_cells(self, choice: Choice) -> list[Cell]:
        """List the runs of all seeds with the chosen rate and variant.

        The search has already run its seed.
        """
        return [Cell(self, choice, seed) for seed in self.seeds]

    @contextmanager
    def name_errors(self) -> Iterator[None]:
        """Convert errors that a user can correct to a ConfigError that names this row."""
        try:
            yield
        except (ValueError, TypeError) as error:
            raise ConfigError(f"cell {self.name}: {error}") from error

    def count_runs(self) -> int:
        """Count the runs of search and seeds together."""
        seeds = len(self.seeds) - (self.search.seed in self.seeds)
        return len(self.search_cells()) + seeds


@dataclass(frozen=True)
class Cell:
    """One run of the table."""

    pair: Pair
    choice: Choice
    seed: int

    @property
    def path(self) -> Path:
        """Folder of the run, relative to that of the table."""
        names = [_slug(self.pair.task.name), _slug(self.pair.model.name)]
        rate, variant = self.choice
        words = ["rate", f"{rate:g}", *filter(None, [_slug(variant)]), "seed", str(self.seed)]
        return Path("runs", *names, "-".join(words))

    @property
    def settings(self) -> dict[str, Any]:
        """All configuration values that the table sets, by dotted key."""
        pair = self.pair
        merged = {"model.parameters": pair.task.parameters}
        rate, variant = self.choice
        own = [pair.model.settings, pair.model.variants.get(variant, {})]
        for settings in (pair.table.settings, pair.task.settings, *own):
            merged |= flatten(settings)
        return merged | {"train.learning_rate": rate, "seed": self.seed}

    def resolve(self) -> Config:
        """Resolve the configuration of the run; a ConfigError names the cell."""
        with self.pair.name_errors():
            return resolve_config(self.pair.task.task, self.settings)

    def command(self, out: str = "DIR") -> str:
        """Return the command line of the same run."""
        parts = ["qrnn", "train", self.pair.task.task]
        for key, value in self.settings.items():
            parts += ["--set", f"{key}={_write(value)}"]
        return shlex.join([*parts, "--out", out])


def _write(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in name)


def read_table_file(path: Path) -> Table:
    """Read a table and resolve all its cells, so that a typo is found before the first run.

    Raises:
        ConfigError: The file is missing or not TOML, has unknown keys, or a cell cannot be
            resolved, for example because its task does not exist.
    """
    content: Mapping[str, Any] = read_toml(path)
    try:
        table = Table.model_validate(content)
    except ValidationError as error:
        parts = [
            f"{'.'.join(map(str, p['loc']))}: {p['msg']}".removeprefix(": Value error, ")
            for p in error.errors()
        ]
        raise ConfigError(f"{path} is not a valid table: {'; '.join(parts)}") from error
    for pair in table.pairs():
        searched = pair.search_cells()
        for cell in (*searched, *pair.seed_cells(searched[0].choice)):
            cell.resolve()
    return table
