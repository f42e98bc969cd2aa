"""How arrays get into compiled code: by address, in records of integers.

Numba takes an array apart in about as long as a short sequence needs for a step, and a call has
thirty of them. The circuit's arrays are listed once in a *table* of addresses. A call has two
records more: its :class:`Sizes`, listed once for all calls of a shape, and its addresses, the
fields of a :class:`Forward` or a :class:`Backward`, 0 where there is none. Whoever calls keeps the
arrays alive, contiguous and of the states' dtype.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array
from numba.np.unsafe.ndarray import to_fixed_tuple
from numpy.typing import NDArray

from qrnn_qiskit.engines.cpu.numba_compiler import inline, kernel
from qrnn_qiskit.engines.program import PauliProgram, Program

# What the states of a forward run are at first.
CARRIED, ZERO, GIVEN_VECTOR = 0, 1, 2


class Sizes(NamedTuple):
    """Of a run of B sequences over T steps, and of its way back.

    Attributes:
        threads: How many threads share the blocks.
        kind: Of the controller: GIVEN, LINEAR, RELU, GELU or GLU of :mod:`.network`.
        batch, steps, angles, readouts: B, T, P and K.
        width: E, of the inputs.
        heard: K where the controller sees the readouts of the step before, 0 where it does not.
        layer: W, of the controller's first layer; 0 for given angles.
        units: H, of its hidden layer; 0 without one.
        origin: What the states are at first: CARRIED as they are in ``states``, ZERO for |0...0>,
            GIVEN_VECTOR for those at ``start``.
        rows: How many rows ``fed`` has, B or 1.
    """

    threads: int
    kind: int
    batch: int
    steps: int
    angles: int
    readouts: int
    width: int = 0
    heard: int = 0
    layer: int = 0
    units: int = 0
    origin: int = CARRIED
    rows: int = 0

    def record(self) -> NDArray[np.int64]:
        """What the kernels read."""
        return np.array(self, np.int64)


class Forward(NamedTuple):
    """The arrays of a forward run.

    Attributes:
        first: (W, E + heard) weights of the first layer.
        output: (P, H) of the layer from the hidden one to angles.
        ends: (B,) int64 last valid step of each sequence, counted from 1; without it T.
        slope: (blocks, T, W * lanes) derivative of the hidden layer by the first one, written.
        turns: (blocks, T, columns * 2 * lanes), see :func:`.angles.gather_turns`, written.
        states: (blocks, 2^n * 2 * lanes), moved on in place.
        theta: (B, T, P) angles in radians, written; read where they are given.
        residual: (blocks, columns * lanes) float64, see :func:`.angles.gather_turns`, where further
            calls go on with the states.
        x: (B, T, E).
        first_bias: (W,).
        output_bias: (P,).
        fed: (rows, K) readouts that the first step is fed with.
        start: (B, 2^n) complex first states.
        factors: (B, T, H) dropout factors of the hidden layer; without them nothing is dropped.
        inputs: (blocks, T, (E + heard) * lanes) what the controller sees, [x ; readouts], written.
        hidden: (blocks, T, H * lanes) the hidden layer, written.
        values: (B, T, K) readouts, written.
        final: (B, K) readouts after each sequence's last valid step, written.
        vector: (B, 2^n) complex states there, written.
    """

    first: int = 0
    output: int = 0
    ends: int = 0
    slope: int = 0
    turns: int = 0
    states: int = 0
    theta: int = 0
    residual: int = 0
    x: int = 0
    first_bias: int = 0
    output_bias: int = 0
    fed: int = 0
    start: int = 0
    factors: int = 0
    inputs: int = 0
    hidden: int = 0
    values: int = 0
    final: int = 0
    vector: int = 0


class Backward(NamedTuple):
    """The arrays of the way back of a :class:`Forward` run.

    Attributes:
        first, output, ends, slope, turns, inputs, hidden: As in :class:`Forward`.
        states: The states after the last step, left as they are; without them ``back`` and
            ``adjoint`` go on as they stand.
        back: Like the states: those before the first step, written.
        adjoint: Likewise, the derivative of the loss by them.
        by_values: (B, T, K) derivative of the loss by the readouts.
        by_final: (B, K) by those after each sequence's last valid step.
        by_vector: (B, 2^n) complex, by the states there.
        by_theta: (B, T, P) derivative by the angles, written.
        by_x: (B, T, E) by the inputs, written.
        by_fed: (B, K) by the readouts that the first step was fed with, written.
        by_start: (B, 2^n) complex, by the first states, written.
        sums: (blocks, numbers) room for the sums of each block where the derivatives by the
            controller's weights are asked for.
        by_weights: (numbers,) these derivatives, written: those by the first layer's weights and
            biases, then, where there is a hidden layer, those of the output layer.
    """

    first: int = 0
    output: int = 0
    ends: int = 0
    slope: int = 0
    turns: int = 0
    inputs: int = 0
    hidden: int = 0
    states: int = 0
    back: int = 0
    adjoint: int = 0
    by_values: int = 0
    by_final: int = 0
    by_vector: int = 0
    by_theta: int = 0
    by_x: int = 0
    by_fed: int = 0
    by_start: int = 0
    sums: int = 0
    by_weights: int = 0


NUM_SIZES, NUM_FORWARD, NUM_BACKWARD = (
    len(record._fields) for record in (Sizes, Forward, Backward)
)


@kernel
def open_sizes(record: Any) -> Sizes:
    """The fields of a record."""
    return Sizes(*to_fixed_tuple(record, NUM_SIZES))


@kernel
def open_forward(record: Any) -> Forward:
    """Likewise."""
    return Forward(*to_fixed_tuple(record, NUM_FORWARD))


@kernel
def open_backward(record: Any) -> Backward:
    """Likewise."""
    return Backward(*to_fixed_tuple(record, NUM_BACKWARD))


def _view(typingctx: Any, like: Any, address: Any, shape: Any) -> Any:
    """``view(like, address, shape)``: the array of ``shape`` at ``address``.

    It has the dtype of the array ``like``, and must not be read where the address is 0.
    """
    array_type = types.Array(like.dtype, len(shape), "C")

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        array = context.make_array(array_type)(context, builder)
        sizes = cgutils.unpack_tuple(builder, args[2])
        itemsize = ir.Constant(args[1].type, array_type.dtype.bitwidth // 8)
        strides = [itemsize]
        for size in reversed(sizes[1:]):
            strides.insert(0, builder.mul(strides[0], size))
        data = builder.inttoptr(args[1], array.data.type)
        populate_array(array, data, sizes, strides, itemsize, meminfo=None)
        return array._getvalue()

    return array_type(like, types.intp, shape), codegen


view: Any = intrinsic(_view)


@kernel
def find_block(like: Any, address: int, block: int, shape: Any) -> Any:
    """The numbers of a block, which are of the same ``shape`` in every block."""
    return view(like, address, (block + 1, *shape))[block]


# The table has a row for each field of the circuit, then for each of the observables: two tuples of
# row numbers, which Numba reads as constants. A row is an address and up to two sizes; where the
# field is a number, the number stands in place of the address.
_PROGRAM: Any = Program(*range(len(Program._fields)))
_PAULIS: Any = PauliProgram(
    *range(len(Program._fields), len(Program._fields) + len(PauliProgram._fields))
)
_ADDRESS, _ROWS, _COLUMNS = 0, 1, 2


def list_addresses(program: Program, paulis: PauliProgram) -> NDArray[np.int64]:
    """The table that :func:`open_program` and :func:`open_paulis` read.

    An entry is an address and two sizes, or a number.
    """
    entries: list[tuple[int, int, int]] = []
    for value in (*program, *paulis):
        if isinstance(value, int):
            entries.append((value, 0, 0))
        else:
            assert value.flags.c_contiguous
            assert value.dtype.kind == "f" or value.dtype == np.int64
            entries.append((value.ctypes.data, *value.shape, *(2 - value.ndim) * (0,)))
    return np.asarray(entries, np.int64)


@inline
def _open_vector(like: Any, table: Any, entry: int) -> Any:
    return view(like, table[entry, _ADDRESS], (table[entry, _ROWS],))


@inline
def _open_matrix(like: Any, table: Any, entry: int) -> Any:
    return view(like, table[entry, _ADDRESS], (table[entry, _ROWS], table[entry, _COLUMNS]))


@kernel
def open_program(table: Any, doubles: Any, like: Any) -> Program:
    """The circuit of a table; ``doubles`` is any float64 array, ``like`` has the states' dtype."""
    return Program(
        num_qubits=table[_PROGRAM.num_qubits, _ADDRESS],
        kind=_open_vector(table, table, _PROGRAM.kind),
        start=_open_vector(table, table, _PROGRAM.start),
        site=_open_vector(table, table, _PROGRAM.site),
        column=_open_vector(table, table, _PROGRAM.column),
        extra=_open_vector(table, table, _PROGRAM.extra),
        signs=_open_matrix(like, table, _PROGRAM.signs),
        term_start=_open_vector(table, table, _PROGRAM.term_start),
        term_parameter=_open_vector(table, table, _PROGRAM.term_parameter),
        term_coefficient=_open_vector(doubles, table, _PROGRAM.term_coefficient),
        offset=_open_vector(doubles, table, _PROGRAM.offset),
    )


@kernel
def open_paulis(table: Any, like: Any) -> PauliProgram:
    """The observables of a table; ``like`` has the states' dtype."""
    return PauliProgram(
        num_strings=table[_PAULIS.num_strings, _ADDRESS],
        diagonal_mask=_open_vector(table, table, _PAULIS.diagonal_mask),
        diagonal_term=_open_vector(table, table, _PAULIS.diagonal_term),
        neighbours=_open_matrix(table, table, _PAULIS.neighbours),
        flip=_open_vector(table, table, _PAULIS.flip),
        start=_open_vector(table, table, _PAULIS.start),
        z_mask=_open_vector(table, table, _PAULIS.z_mask),
        power=_open_vector(table, table, _PAULIS.power),
        term=_open_vector(table, table, _PAULIS.term),
        matrix=_open_matrix(like, table, _PAULIS.matrix),
        transposed=_open_matrix(like, table, _PAULIS.transposed),
    )
