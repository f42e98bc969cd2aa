"""Tables of measured mode over the values c of the register, bit a of c being that of ancilla a.

Angles go in for each value that a step may have before it; probabilities of the values come out,
from which follow those of the single bits.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from circuits.coupling import Measurement
from qrnn_qiskit.checks import check_angles

__all__ = ["sum_bits", "tabulate_angles"]


def tabulate_angles(
    controller: nn.Module,
    x: Tensor,
    measurement: Measurement,
    num_angles: int,
    num_registers: int,
    *,
    hears: bool,
) -> Tensor:
    """Return the angles (B, T, 2^m, R P) for every value of the register before each step.

    Dropout drops the same units for all values, since one network is compiled into the circuit.

    Args:
        controller: Module from (..., E), or (..., E + R m) where it hears bits, to (..., R P).
        x: Inputs (B, T, E).
        measurement: The measurement of one register at the end of each step.
        num_angles: R P.
        num_registers: R.
        hears: Whether the bits feed the controller, 0 as -1 and 1 as +1.

    Raises:
        TypeError, ValueError: The angles have another dtype or shape.
    """
    shape = (*x.shape[:2], num_angles)
    if not hears:
        angles: Tensor = controller(x)
        check_angles(angles, shape, x.dtype)
        return angles[:, :, None].expand(-1, -1, measurement.num_outcomes, -1)
    random = torch.get_rng_state()
    tables = []
    for bits in (2 * _list_bits(measurement, x.dtype) - 1).repeat(1, num_registers):
        torch.set_rng_state(random)
        tables.append(controller(torch.cat((x, bits.expand(*x.shape[:2], -1)), 2)))
        check_angles(tables[-1], shape, x.dtype)
    return torch.stack(tables, 2)


def sum_bits(outcomes: Tensor, measurement: Measurement, num_registers: int = 1) -> Tensor:
    """Return the probabilities (..., R m) of a 1 from those of the values (..., R 2^m)."""
    side = () if num_registers == 1 else (num_registers,)
    split = outcomes.reshape(*outcomes.shape[:-1], *side, -1)
    ones = split @ _list_bits(measurement, outcomes.dtype)
    return ones.flatten(-2) if side else ones


def _list_bits(measurement: Measurement, dtype: torch.dtype) -> Tensor:
    """Return (2^m, m): bit a of each value of the register, 0 or 1."""
    values = torch.arange(measurement.num_outcomes)[:, None]
    return ((values >> torch.arange(measurement.num_ancillas)) & 1).to(dtype)
