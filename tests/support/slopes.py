"""Gradients against central differences."""

from __future__ import annotations

from collections.abc import Callable

import torch


def measure_slope_error(
    parameter: torch.nn.Parameter, find_loss: Callable[[], torch.Tensor]
) -> float:
    """Return how far the slope by backward is from a central difference, in a random direction."""
    find_loss().backward()
    direction = torch.randn_like(parameter)
    assert parameter.grad is not None
    slope = float((parameter.grad * direction).sum())
    losses = []
    for step in (1e-5, -1e-5):
        with torch.no_grad():
            parameter += step * direction
            losses.append(float(find_loss()))
            parameter -= step * direction
    return abs(slope - (losses[0] - losses[1]) / 2e-5)
