"""Dataclasses of tensors in the tools of torch: pytrees, data loaders, and safe loading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils import _pytree as pytree
from torch.utils.data._utils.collate import default_collate_fn_map

from circuits.errors import InvalidValueError

__all__ = ["register"]

_Kind = TypeVar("_Kind", bound=type)


def register(**padded: bool) -> Callable[[_Kind], _Kind]:
    """Decorate a dataclass whose fields are tensors (batch, ...) or None.

    Torch then treats it as a container of its tensors, as it does tuples and dictionaries:
    ``DistributedDataParallel(static_graph=True)``, ``torch.utils._pytree`` and ``torch.export``
    find the tensors and put others in their places; ``torch.load(weights_only=True)`` loads it; and
    ``default_collate`` joins samples along the batch axis.

    Args:
        padded: Fields (batch, time, ...) that may have different times in one batch, and whether
            zeros are put in front (True) or at the end (False).
    """

    def decorate(kind: _Kind) -> _Kind:
        names = [field.name for field in fields(kind)]

        def flatten(state: Any) -> tuple[list[Any], list[str]]:
            present = [name for name in names if getattr(state, name) is not None]
            return [getattr(state, name) for name in present], present

        def flatten_with_keys(state: Any) -> tuple[list[Any], list[str]]:
            leaves, present = flatten(state)
            return list(zip(map(pytree.GetAttrKey, present), leaves, strict=True)), present

        def unflatten(leaves: Any, present: Any) -> Any:
            return kind(**dict(zip(present, leaves, strict=True)))

        def collate(batch: Sequence[Any], *, collate_fn_map: object = None) -> Any:
            _, present = flatten(batch[0])
            for state in batch:
                if flatten(state)[1] != present:
                    raise InvalidValueError(
                        f"expected samples with the same fields of {kind.__name__}, got one with "
                        f"{', '.join(present)} and one with {', '.join(flatten(state)[1])}"
                    )
            columns = {name: [getattr(state, name) for state in batch] for name in present}
            return kind(**{name: _join(columns[name], padded.get(name)) for name in present})

        pytree.register_pytree_node(
            kind,
            flatten,
            unflatten,
            serialized_type_name=f"{kind.__module__}.{kind.__qualname__}",
            flatten_with_keys_fn=flatten_with_keys,
        )
        torch.serialization.add_safe_globals([kind])
        default_collate_fn_map[kind] = collate
        return kind

    return decorate


def _join(parts: Sequence[Tensor], in_front: bool | None) -> Tensor:
    """Join tensors (batch, ...), padded along the second axis to equal length unless None."""
    if in_front is not None:
        steps = max(part.shape[1] for part in parts)
        missing = [(steps - part.shape[1], 0)[:: 1 if in_front else -1] for part in parts]
        parts = [
            functional.pad(part, (0, 0) * (part.dim() - 2) + pad)
            for part, pad in zip(parts, missing, strict=True)
        ]
    return torch.cat(list(parts))
