"""The checkpoint of a run: one file, written atomically, whose loading never runs code."""

from __future__ import annotations

import os
import pickle
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any

import torch
from pydantic_core import to_jsonable_python
from torch import Tensor

from circuits.errors import InvalidValueError, OperationError
from qrnn_qiskit.training.schema import Config, flatten, list_keys

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "WriteError",
    "explain_failure",
    "load_safely",
    "read_checkpoint",
    "remove_leftovers",
    "require_best_weights",
    "require_same_data",
    "write_atomically",
    "write_checkpoint",
    "write_text",
]

_FORMAT = 1
_ANYWHERE = {"model.engine", "train.device"}  # training may continue on another machine


class CheckpointError(InvalidValueError):
    """A checkpoint that cannot be used: damaged, of another configuration, or containing code."""


class WriteError(OperationError, OSError):
    """A file of a run that cannot be written, as on a full disk."""


@dataclass(frozen=True)
class Checkpoint:
    """Everything that training needs to continue as if it had never stopped.

    Attributes:
        config: The resolved configuration as plain values.
        task: The fitted preprocessing, ``Task.remember()``.
        data_sha256: ``Task.fingerprint()`` of the data trained on.
        weights: State of the model at this position.
        best_weights: State of the model at the best validation; None before the first.
        optimizer: State of AdamW, including its learning rate.
        random: States of the random number generators.
        position: Position of the training in the data and in ``metrics.jsonl``, and the sums of the
            epoch so far (:class:`qrnn_qiskit.training.position.Position`).
    """

    config: dict[str, Any]
    task: dict[str, Any]
    data_sha256: str
    weights: dict[str, Tensor]
    best_weights: dict[str, Tensor] | None
    optimizer: dict[str, Any]
    random: dict[str, Any]
    position: dict[str, Any]


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Replace the previous checkpoint. A kill leaves one of the two complete."""
    content = {"format": _FORMAT} | vars(checkpoint)
    write_atomically(path, lambda file: torch.save(content, file))


def write_atomically(path: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Write to a file beside ``path``, flush it to the disk, then rename it to ``path``.

    The file has a name that no other writer uses, also on another machine.

    Raises:
        WriteError: The file cannot be written; what was at ``path`` is still there.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:12]}.tmp")
    with explain_failure(path):
        _replace(path, temporary, write)


@contextmanager
def explain_failure(path: Path) -> Iterator[None]:
    """Raise WriteError where a file cannot be written."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        # torch.save answers a full disk with a RuntimeError, in whose context the cause is.
        causes: list[BaseException | None] = [error, error.__context__, error.__cause__]
        reason = next((cause for cause in causes if isinstance(cause, OSError)), None)
        if reason is None:
            raise
        raise WriteError(
            f"{path} cannot be written ({reason.strerror or reason}); what it held before is "
            "unchanged. Make room, or make it writable, and run the command again"
        ) from error


def _replace(path: Path, temporary: Path, write: Callable[[IO[bytes]], None]) -> None:
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def remove_leftovers(path: Path) -> None:
    """Delete the halves of ``path`` that killed processes left; none may be writing it now."""
    for leftover in path.parent.glob(f".{path.name}.*-*.tmp"):
        leftover.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text atomically; see :func:`write_atomically`."""

    def write(file: IO[bytes]) -> None:
        file.write(text.encode())

    write_atomically(path, write)


def read_checkpoint(path: Path, config: Config) -> Checkpoint:
    """Read a checkpoint to the CPU and check that it belongs to this configuration.

    Raises:
        CheckpointError: The file is missing, truncated or damaged, contains pickled code (which is
            not run), has another version, or was written with another configuration.
    """
    content = load_safely(path)
    names = {field.name for field in fields(Checkpoint)}
    if not isinstance(content, dict) or set(content) != names | {"format"}:
        raise CheckpointError(f"{path} is a torch file, but not a checkpoint of a training run")
    if content.pop("format") != _FORMAT:
        raise CheckpointError(f"{path} has another version; expected version {_FORMAT}")
    checkpoint = Checkpoint(**content)
    _compare(path, checkpoint.config, config)
    return checkpoint


def load_safely(path: Path) -> Any:
    """Load a file that torch saved, to the CPU; nothing in it is run.

    Raises:
        CheckpointError: The file is missing, damaged, or contains pickled code.
    """
    again = "Restore it from a copy, or train again in a new folder."
    pickled = (
        f"{path} holds pickled code or objects, none of which was run; only tensors and plain "
        f"values are loaded. Use a checkpoint that a training run wrote. {again}"
    )
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # torch itself does not verify the checksums
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist: no checkpoint was written yet") from error
    except Exception as error:  # of many types: a flipped bit can change the encoding of a name
        if path.is_file() and path.read_bytes()[:1] == pickle.PROTO:  # not even a zip
            raise CheckpointError(pickled) from error
        raise CheckpointError(
            f"{path} is truncated or not a checkpoint ({path.stat().st_size} bytes: {error}); "
            f"nothing was loaded. {again}"
        ) from error
    if damaged is not None:
        raise CheckpointError(f"{path} is damaged: the checksum of {damaged} is wrong. {again}")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(pickled) from error
    except Exception as error:
        raise CheckpointError(f"{path} is not a torch checkpoint: {error}. {again}") from error


def require_best_weights(checkpoint: Checkpoint, path: Path) -> dict[str, Tensor]:
    """Return the best weights of the checkpoint in the file ``path``.

    Raises:
        CheckpointError: No epoch has ended, so that there are none.
    """
    if checkpoint.best_weights is None:
        raise CheckpointError(
            f"{path} has no best weights before the first epoch ends; continue with "
            f"'qrnn resume {path.parent}' first"
        )
    return checkpoint.best_weights


def require_same_data(what: str, before: str, now: str, remedy: str) -> None:
    """Require that two SHA-256 of data are equal.

    Args:
        what: What the data belongs to.
        before: SHA-256 of the training data.
        now: SHA-256 of the data found.
        remedy: What to do about a difference.

    Raises:
        CheckpointError: They differ.
    """
    if now != before:
        raise CheckpointError(
            f"the data of {what} has changed since training (SHA-256 was {before[:12]}..., is "
            f"{now[:12]}...); {remedy}"
        )


def _compare(path: Path, stored: dict[str, Any], config: Config) -> None:
    before, now = flatten(stored), flatten(config.model_dump(mode="json"))
    fields = list_keys(type(config))
    for key in now.keys() - before.keys():  # newer than the checkpoint, trained with its default
        before[key] = to_jsonable_python(fields[key].get_default(call_default_factory=True))
    changed = [
        f"{key} was {before.get(key)!r}, is {now.get(key)!r} in config.toml"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key) and key not in _ANYWHERE
    ]
    if changed:
        raise CheckpointError(
            f"{path} belongs to another configuration: {'; '.join(changed)}. "
            "Restore config.toml, or train again in a new folder."
        )
