"""Limits on the sizes of generated data."""

from __future__ import annotations

from pydantic import BaseModel

from circuits.errors import InvalidValueError
from circuits.limits import MOST_DATA

__all__ = ["check_sizes"]


def check_sizes(settings: BaseModel, num_steps: int, length: str) -> None:
    """Refuse splits that do not fit into memory.

    Args:
        settings: Has ``train_size``, ``validation_size`` and ``test_size``.
        num_steps: Steps of a sequence.
        length: The setting that makes a sequence shorter, for the message.

    Raises:
        ValueError: A split has too many steps.
    """
    for name in ("train_size", "validation_size", "test_size"):
        size = getattr(settings, name)
        if size * num_steps > MOST_DATA:
            raise InvalidValueError(
                f"expected {name} times the {num_steps} steps of a sequence to be at most "
                f"{MOST_DATA}, so that the data fits into memory, got {size} * {num_steps}; "
                f"reduce {name} or {length}"
            )
