"""The file of a table: its tasks, models and seeds, and what is fixed before anything runs."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from circuits.errors import InvalidValueError
from qrnn_qiskit.tasks import get_task
from qrnn_qiskit.training.config import Config, resolve_config
from qrnn_qiskit.training.schema import ConfigError, flatten, read_toml

__all__ = ["Cell", "ModelRow", "Pair", "Table", "TaskColumn", "read_table_file"]

_NAME = r"^[A-Za-z0-9][A-Za-z0-9 ,.=()+-]*$"
_OF_THE_TABLE = {"train.learning_rate", "learning_rate", "seed"}
Settings = dict[str, Any]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SearchBudget(_Part):
    """The search that every model gets: each learning rate once, at full length.

    The best by validation is taken for all seeds.
    """

    learning_rates: list[float] = Field(min_length=1)
    seed: int = 0


class TaskColumn(_Part):
    """A task of the table. ``margin`` is in the units of its headline metric.

    ``metrics`` are other ones of the test sequences that the report has as well. ``seeds`` and
    ``search`` stand in for those of the table, for all models alike: a task whose runs take hours
    has fewer.
    """

    name: str = Field(pattern=_NAME)
    task: str
    parameters: int = Field(ge=1)
    margin: float = Field(gt=0)
    settings: Settings = {}
    metrics: list[str] = []
    seeds: list[int] | None = Field(default=None, min_length=1)
    search: SearchBudget | None = None

    def check_metrics(self, known: Iterable[str]) -> None:
        """ConfigError where ``metrics`` are not all among those that are ``known`` of the task."""
        known = list(known)
        for name in self.metrics:
            if name not in known:
                nearest = get_close_matches(name, known, n=1)
                hint = f"did you mean {nearest[0]!r}? " if nearest else ""
                raise ConfigError(
                    f"task {self.name!r} of the table asks for the metric {name!r}; {hint}"
                    f"it has {', '.join(known)}"
                )


class ModelRow(_Part):
    """A model of the table; candidates are compared with the best baseline."""

    name: str = Field(pattern=_NAME)
    role: Literal["candidate", "baseline", "ablation", "peer"]
    settings: Settings = {}
    tasks: list[str] | None = None


class Table(_Part):
    """A table of results: every task by every model by every seed.

    ``settings`` are configuration values of all cells, as nested tables or dotted keys; those of
    a task, and then of a model, go before.
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
            # A folder has six digits of its learning rate.
            *(("learning rate", [f"{r:g}" for r in s.learning_rates]) for s in searches),
        ]
        for what, names in listed:
            if len(set(names)) != len(names):
                raise InvalidValueError(f"every {what} must be listed once, and {names} arrived")
            folders = {_slug(str(name)) for name in names}
            if len(folders) != len(names):
                raise InvalidValueError(
                    f"every {what} needs a folder of its own, and those of {names} have only the "
                    f"names {sorted(folders)}; give them names that differ in letters or digits"
                )
        parts: list[Table | TaskColumn | ModelRow] = [self, *self.tasks, *self.models]
        for part in parts:
            taken = _OF_THE_TABLE & set(flatten(part.settings))
            if taken:
                raise InvalidValueError(
                    f"settings have {sorted(taken)}, which would have no effect: the table gives "
                    "each run its learning rate by 'search' and its seed by 'seeds'; leave it out"
                )
        known = {task.name for task in self.tasks}
        for model in self.models:
            unknown = set(model.tasks or []) - known
            if unknown:
                raise InvalidValueError(
                    f"model {model.name!r} names the tasks {sorted(unknown)}; "
                    f"those of this table are {sorted(known)}"
                )
        return self

    def pairs(self, only: str | None = None) -> list[Pair]:
        """Every task with every model of it, or those that ``only``, "TASK/MODEL", names.

        Either half may be ``*``; a task alone means all its models. ValueError where none is left.
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
        """TASK/MODEL."""
        return f"{self.task.name}/{self.model.name}"

    @property
    def higher_is_better(self) -> bool:
        """Of the headline metric."""
        return get_task(self.task.task).higher_is_better

    @property
    def headline(self) -> str:
        """The metric that the table is about."""
        return get_task(self.task.task).headline

    def find_range(self, metric: str) -> tuple[float, float]:
        """The least and the largest value of a metric."""
        return get_task(self.task.task).ranges.get(metric, (-math.inf, math.inf))

    @property
    def seeds(self) -> list[int]:
        """Of all runs of this row."""
        return self.task.seeds or self.table.seeds

    @property
    def search(self) -> SearchBudget:
        """The search that this row gets."""
        return self.task.search or self.table.search

    def search_cells(self) -> list[Cell]:
        """The runs of the search for a learning rate."""
        return [Cell(self, rate, self.search.seed) for rate in self.search.learning_rates]

    def seed_cells(self, rate: float) -> list[Cell]:
        """The runs of all seeds at the chosen rate; that of the search's seed is done already."""
        return [Cell(self, rate, seed) for seed in self.seeds]

    @contextmanager
    def name_errors(self) -> Iterator[None]:
        """ConfigError that names this row, for what a user can put right in its settings."""
        try:
            yield
        except (ValueError, TypeError) as error:
            raise ConfigError(f"cell {self.name}: {error}") from error

    def count_runs(self) -> int:
        """Runs of search and seeds together."""
        rates = len(self.search.learning_rates)
        return rates + len(self.seeds) - (self.search.seed in self.seeds)


@dataclass(frozen=True)
class Cell:
    """One run of the table."""

    pair: Pair
    learning_rate: float
    seed: int

    @property
    def path(self) -> Path:
        """Its folder below that of the table."""
        names = [_slug(self.pair.task.name), _slug(self.pair.model.name)]
        return Path("runs", *names, f"rate-{self.learning_rate:g}-seed-{self.seed}")

    @property
    def settings(self) -> dict[str, Any]:
        """All that is set, by dotted key."""
        pair = self.pair
        merged = {"model.parameters": pair.task.parameters}
        for settings in (pair.table.settings, pair.task.settings, pair.model.settings):
            merged |= flatten(settings)
        return merged | {"train.learning_rate": self.learning_rate, "seed": self.seed}

    def resolve(self) -> Config:
        """The configuration of the run; ConfigError names the cell."""
        with self.pair.name_errors():
            return resolve_config(self.pair.task.task, self.settings)

    def command(self, out: str = "DIR") -> str:
        """The command line that makes the same run."""
        parts = ["qrnn", "train", self.pair.task.task]
        for key, value in self.settings.items():
            parts += ["--set", f"{key}={_write(value)}"]
        return shlex.join([*parts, "--out", out])


def _write(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in name)


def read_table_file(path: Path) -> Table:
    """Read a table; models, rates and seeds are resolved, so that no typo waits for its turn.

    Raises:
        ConfigError: the file is missing, no TOML, has unknown keys, or a cell cannot be resolved,
            as with a task that does not exist.
    """
    content: Mapping[str, Any] = read_toml(path)
    try:
        table = Table.model_validate(content)
    except ValidationError as error:
        parts = [
            f"{'.'.join(map(str, p['loc']))}: {p['msg']}".removeprefix(": Value error, ")
            for p in error.errors()
        ]
        raise ConfigError(f"{path} is no table: {'; '.join(parts)}") from error
    for pair in table.pairs():
        first_rate = pair.search.learning_rates[0]
        for cell in (*pair.search_cells(), *pair.seed_cells(first_rate)):
            cell.resolve()
    return table
