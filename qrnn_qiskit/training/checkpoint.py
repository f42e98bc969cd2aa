"""The checkpoint of a run: one file, written whole or not at all, that never runs code."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any

import torch
from pydantic_core import to_jsonable_python
from torch import Tensor

from circuits.errors import InvalidValueError
from qrnn_qiskit.training.schema import Config, flatten, list_keys

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "load_safely",
    "read_checkpoint",
    "write_atomically",
    "write_checkpoint",
    "write_text",
]

_FORMAT = 1
_ANYWHERE = {"model.engine", "train.device"}  # where training goes on is not what it learns


class CheckpointError(InvalidValueError):
    """A checkpoint that cannot be used: damaged, of another configuration, or holding code."""


@dataclass(frozen=True)
class Checkpoint:
    """Everything that training needs to go on as if it had never stopped.

    Attributes:
        config: the resolved configuration as plain values.
        task: the fitted preprocessing, ``Task.remember()``.
        data_sha256: ``Task.fingerprint()`` of the data trained on.
        weights: state of the model at the position.
        best_weights: state of the model at the best validation, None before the first.
        optimizer: state of AdamW, its learning rate included.
        random: states of the random generators.
        position: where in the data and in ``metrics.jsonl`` training stands, and the sums of the
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
    """Write the checkpoint in place of the one before. A kill leaves one of the two, whole."""
    content = {"format": _FORMAT} | vars(checkpoint)
    write_atomically(path, lambda file: torch.save(content, file))


def write_atomically(path: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Write to a file beside ``path``, bring it to the disk, then rename it to ``path``."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def write_text(path: Path, text: str) -> None:
    """Write a text as :func:`write_atomically` does."""

    def write(file: IO[bytes]) -> None:
        file.write(text.encode())

    write_atomically(path, write)


def read_checkpoint(path: Path, config: Config) -> Checkpoint:
    """Read a checkpoint, to the CPU, and check that it belongs to this configuration.

    Raises:
        CheckpointError: no file, a truncated or damaged file, pickled code (which is not run), a
            checkpoint of another version, or one that was written with another configuration.
    """
    content = load_safely(path)
    names = {field.name for field in fields(Checkpoint)}
    if not isinstance(content, dict) or set(content) != names | {"format"}:
        raise CheckpointError(f"{path} is a torch file, but not a checkpoint of a training run")
    if content.pop("format") != _FORMAT:
        raise CheckpointError(f"{path} is of another version; version {_FORMAT} is required")
    checkpoint = Checkpoint(**content)
    _compare(path, checkpoint.config, config)
    return checkpoint


def load_safely(path: Path) -> Any:
    """What torch saved in a file, to the CPU; CheckpointError where it is damaged or holds code."""
    again = "Restore it from a copy, or train again in a new folder."
    pickled = (
        f"{path} holds pickled code or objects; only tensors and plain values are loaded, and "
        f"nothing of it was run. Use a checkpoint that a training run wrote. {again}"
    )
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # torch itself does not compare the checksums
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist; no checkpoint was written yet") from error
    except Exception as error:  # of many kinds: a flipped bit can change the encoding of a name
        if path.is_file() and path.read_bytes()[:1] == pickle.PROTO:  # not even a zip
            raise CheckpointError(pickled) from error
        raise CheckpointError(
            f"{path} is truncated or not a checkpoint ({path.stat().st_size} bytes: {error}); "
            f"nothing of it was loaded. {again}"
        ) from error
    if damaged is not None:
        raise CheckpointError(f"{path} is damaged: the checksum of {damaged} is wrong. {again}")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(pickled) from error
    except Exception as error:
        raise CheckpointError(f"{path} is not a checkpoint of torch: {error}. {again}") from error


def _compare(path: Path, stored: dict[str, Any], config: Config) -> None:
    before, now = flatten(stored), flatten(config.model_dump(mode="json"))
    fields = list_keys(type(config))
    for key in now.keys() - before.keys():  # newer than the checkpoint, which has its default
        before[key] = to_jsonable_python(fields[key].get_default(call_default_factory=True))
    changed = [
        f"{key} was {before.get(key)!r}, config.toml says {now.get(key)!r}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key) and key not in _ANYWHERE
    ]
    if changed:
        raise CheckpointError(
            f"{path} is of another configuration: {'; '.join(changed)}. "
            "Put config.toml back as it was, or train again in a new folder."
        )
