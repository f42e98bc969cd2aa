"""Plain tensors: those whose numbers compiled code finds in memory at their address."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from circuits.errors import InvalidTypeError

__all__ = ["check_stored", "refuse_stored", "to_plain"]


def to_plain(name: str, tensor: Tensor) -> Tensor:
    """Return a tensor of a subclass as a torch.Tensor that shares its memory and its gradient.

    Args:
        name: Its name in messages.
        tensor: Any tensor; a plain one or a parameter is returned unchanged.

    Raises:
        TypeError: The subclass computes its operations itself (MaskedTensor, DTensor, FakeTensor
            and other wrappers), so that its numbers are not in the memory at its address.
    """
    kind = type(tensor)
    if kind is Tensor or kind is nn.Parameter:
        return tensor
    if kind.__torch_dispatch__ is not Tensor.__torch_dispatch__:
        refuse_stored(name, f"a {kind.__name__}")
    return tensor.as_subclass(Tensor)


def check_stored(name: str, tensor: Tensor) -> None:
    """Refuse a tensor whose numbers are not in one array: sparse, nested or a wrapper (TypeError).

    Args:
        name: Its name in messages.
        tensor: Any tensor.
    """
    if type(tensor) is not Tensor:
        to_plain(name, tensor)
    if tensor.is_nested:
        refuse_stored(name, "a nested tensor")
    if tensor.layout is not torch.strided:
        refuse_stored(name, f"a tensor of layout {tensor.layout}")


def refuse_stored(name: str, found: str) -> None:
    """Raise TypeError: ``name`` is ``found`` instead of a plain tensor."""
    raise InvalidTypeError(
        f"expected {name} as a plain torch.Tensor, whose numbers compiled code reads from memory, "
        f"got {found}. Convert it: to_dense() of a sparse tensor, to_padded_tensor(0.0) of a "
        "nested one and get_data() of a MaskedTensor, with lengths=, or full_tensor() of a "
        "DTensor; run the model outside of FakeTensorMode"
    )
