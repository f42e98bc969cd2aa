"""R registers of a sequence as R sequences: the simulators run a batch of B R of them."""

from __future__ import annotations

from torch import Tensor

__all__ = ["as_registers", "divide_bits", "divide_tables", "join_outcomes"]


def divide_tables(tables: Tensor, num_registers: int) -> Tensor:
    """Return tables (B, T, 2^m, R P) as those of B R sequences, (B R, T, 2^m, P)."""
    if num_registers == 1:
        return tables
    batch, steps, outcomes, angles = tables.shape
    divided = tables.reshape(batch, steps, outcomes, num_registers, angles // num_registers)
    return divided.movedim(3, 1).flatten(0, 1)


def divide_bits(bits: Tensor, num_registers: int) -> Tensor:
    """Return bits (B, T, R m), or numbers for them, as those of B R sequences, (B R, T, m)."""
    return bits.reshape(*bits.shape[:2], num_registers, -1).movedim(2, 1).flatten(0, 1)


def join_outcomes(values: Tensor, num_registers: int) -> Tensor:
    """Return values (B R, T, width) side by side, (B, T, R width)."""
    if num_registers == 1:
        return values
    return as_registers(values, num_registers).movedim(1, 2).flatten(2)


def as_registers(values: Tensor, num_registers: int) -> Tensor:
    """Return values (B R, ...) as (B, R, ...); unchanged for one register."""
    if num_registers == 1:
        return values
    return values.reshape(-1, num_registers, *values.shape[1:])
