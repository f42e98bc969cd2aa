"""Compiled prefix circuits as one recurrence: the operations that all longer prefixes share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from qiskit.circuit import Instruction, Parameter, QuantumCircuit

from qrnn_qiskit.engines.cpu.noisy_program import NoisyProgram, ProgramBuilder
from qrnn_qiskit.on_device.noisy_recurrence import NoisySegment
from runtime_jobs.aer.channels import Angle, Channels, Piece

__all__ = ["Block", "build_segment", "close_segment", "list_blocks", "split_steps"]


class Block(NamedTuple):
    """A gate of a compiled circuit as pieces of a program.

    Attributes:
        qubits: Its qubits.
        key: Equal for the same gate at the same angles.
        pieces: The gate and its error.
    """

    qubits: tuple[int, ...]
    key: tuple[object, ...]
    pieces: tuple[Piece, ...]


def list_blocks(
    circuit: QuantumCircuit, parameters: Sequence[Parameter], channels: Channels
) -> list[Block]:
    """List the gates of a compiled circuit without measurements.

    Args:
        circuit: The circuit; its parameters are among ``parameters``.
        parameters: Parameters in the order of the values.
        channels: Writes the gates.
    """
    columns = {parameter: column for column, parameter in enumerate(parameters)}
    blocks = []
    for item in circuit.data:
        qubits = tuple(circuit.find_bit(qubit).index for qubit in item.qubits)
        pieces = tuple(channels.write(item.operation, qubits, columns))
        if pieces:
            blocks.append(Block(qubits, _make_key(item.operation, qubits, pieces), pieces))
    return blocks


def split_steps(
    prefixes: Sequence[Sequence[Block]],
) -> list[tuple[list[Block], list[Block]]]:
    """Split the circuits of 1 to T steps into their trunks and tails.

    Two circuits share the gates that come first on every one of their qubits. The trunk of step t
    holds the gates that all circuits of t and more steps share, without those of earlier trunks;
    its tail holds the other gates of circuit t.
    """
    shared = [list(prefixes[-1])]
    for blocks in reversed(prefixes[:-1]):
        common, _ = _match(blocks, shared[0])
        shared.insert(0, [blocks[k] for k in sorted(common)])
    steps = []
    before: list[Block] = []
    for blocks, trunk in zip(prefixes, shared, strict=True):
        _, known = _match(before, trunk)
        _, used = _match(trunk, blocks)
        steps.append(
            (
                [block for k, block in enumerate(trunk) if k not in known],
                [block for k, block in enumerate(blocks) if k not in used],
            )
        )
        before = trunk
    return steps


def build_segment(blocks: Sequence[Block], num_qubits: int, dtype: torch.dtype) -> NoisySegment:
    """Build the program of some gates in their order."""
    builder = ProgramBuilder(num_qubits)
    angles: list[Angle] = []
    for block in blocks:
        for piece in block.pieces:
            if piece.angle is not None:
                builder.rotate(piece.axis, piece.qubits[0])
                angles.append(piece.angle)
            elif piece.matrix is not None:
                builder.map(piece.qubits, piece.matrix)
    return close_segment(builder.build(dtype), angles)


def close_segment(program: NoisyProgram, angles: Sequence[Angle]) -> NoisySegment:
    """Join a program with its angles, in their order."""
    columns = sorted({column for angle in angles for column, _ in angle.terms})
    place = {column: k for k, column in enumerate(columns)}
    slopes = np.zeros((len(columns), len(angles)))
    for k, angle in enumerate(angles):
        for column, slope in angle.terms:
            slopes[place[column], k] = slope
    offsets = np.array([angle.offset for angle in angles])
    return NoisySegment(program, np.array(columns, np.int64), slopes, offsets)


def _make_key(
    operation: Instruction, qubits: tuple[int, ...], pieces: Sequence[Piece]
) -> tuple[object, ...]:
    angles = tuple(piece.angle for piece in pieces if piece.angle is not None)
    fixed = tuple(repr(value) for value in operation.params) if not angles else ()
    return (operation.name, qubits, angles, fixed)


def _match(first: Sequence[Block], second: Sequence[Block]) -> tuple[set[int], set[int]]:
    """Indices of the gates that come first on all their qubits in both circuits."""
    wires: dict[int, list[int]] = {}
    for k, block in enumerate(second):
        for qubit in block.qubits:
            wires.setdefault(qubit, []).append(k)
    at = dict.fromkeys(wires, 0)
    blocked: set[int] = set()
    left, right = set(), set()
    for k, block in enumerate(first):
        heads = {
            wires[q][at[q]] if q in wires and at[q] < len(wires[q]) else -1 for q in block.qubits
        }
        head = heads.pop()
        is_same = not heads and head >= 0 and not blocked.intersection(block.qubits)
        if is_same and second[head].key == block.key:
            left.add(k)
            right.add(head)
            for qubit in block.qubits:
                at[qubit] += 1
        else:
            blocked.update(block.qubits)
    return left, right
