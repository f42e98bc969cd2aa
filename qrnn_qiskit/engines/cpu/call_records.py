"""How arrays get into compiled code: by address, in records of integers.

To unpack one array argument takes Numba about as long as a step of a short sequence, and a call has
thirty of them. The arrays of the circuit are therefore listed once in a *table* of addresses. A
call adds two records: its :class:`Sizes`, made once for all calls of a shape, and its addresses,
the fields of a :class:`Forward` or a :class:`Backward`, 0 for an array that is absent. The caller
keeps the arrays alive, contiguous and in the states' dtype.
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

from qrnn_qiskit.engines.cpu.interruption import NEVER
from qrnn_qiskit.engines.cpu.numba_compiler import inline, kernel
from qrnn_qiskit.engines.program import PauliProgram, Program

# The first states of a forward run: those in ``states``, |0...0>, or those at ``start``.
CARRIED, ZERO, GIVEN_VECTOR = 0, 1, 2


class Sizes(NamedTuple):
    """The sizes of a run of B sequences over T steps and of its backward pass.

    R registers, each with its own controller, run side by side: blocks 0 to ceil(B / lanes) - 1 are
    those of register 0, and so on. Arrays of a batch hold what belongs to the registers side by
    side, register 0 first: where :class:`Forward` and :class:`Backward` give a width K, P, H or
    2^n, the last axis is R times as wide.

    Attributes:
        threads: The number of threads that share the blocks.
        kind: The controller: GIVEN, LINEAR, RELU, GELU or GLU of
            :mod:`qrnn_qiskit.engines.contract`.
        batch: B.
        steps: T.
        angles: P.
        readouts: K.
        width: E, the width of the inputs.
        heard: K where the controller sees the readouts of the step before, otherwise 0.
        layer: W, the width of the controller's first layer; 0 for given angles.
        units: H, the width of its hidden layer; 0 without one.
        origin: The first states: CARRIED for those in ``states``, ZERO for |0...0>, GIVEN_VECTOR
            for those at ``start``.
        rows: The number of rows of ``fed``, B or 1.
        registers: R.
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
    registers: int = 1

    def record(self) -> NDArray[np.int64]:
        """Return the record that the kernels read."""
        return np.array(self, np.int64)


class Forward(NamedTuple):
    """The arrays of a forward run, each by its address.

    Weights and biases of the registers follow each other: (R, W, E + heard) and so on.

    Attributes:
        first: Weights (W, E + heard) of the first layer.
        output: Weights (P, H) of the output layer.
        ends: The last valid step of each sequence, counted from 1, (B,) int64; T if absent.
        slope: Derivatives (blocks, T, W * lanes) of the hidden layer by the first one, written.
        turns: (blocks, T, columns * 2 * lanes), see :func:`.angles.gather_turns`, written.
        states: (blocks, 2^n * 2 * lanes), moved on in place.
        theta: Angles (B, T, P) in radians, written; read with a GIVEN controller.
        residual: (blocks, columns * lanes) float64, see :func:`.angles.gather_turns`; present where
            further calls go on with the states.
        x: Inputs (B, T, E).
        first_bias: Biases (W,) of the first layer.
        output_bias: Biases (P,) of the output layer.
        fed: Readouts (rows, K) that the controller sees in the first step.
        start: First states (B, 2^n), complex.
        factors: Dropout factors (B, T, H) of the hidden layer; nothing is dropped if absent.
        inputs: The controller's inputs (blocks, T, (E + heard) * lanes), [x ; readouts], written.
        hidden: The hidden layer (blocks, T, H * lanes), written.
        values: Readouts (B, T, K), written.
        final: Readouts (B, K) after the last valid step of each sequence, written.
        vector: States (B, 2^n) after that step, complex, written.
        stop: The stop flag, see :mod:`.interruption`.
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
    stop: int = NEVER


class Backward(NamedTuple):
    """The arrays of the backward pass of a :class:`Forward` run, each by its address.

    Attributes:
        first: As in :class:`Forward`, like the six below it.
        output: See ``first``.
        ends: See ``first``.
        slope: See ``first``.
        turns: See ``first``.
        inputs: See ``first``.
        hidden: See ``first``.
        states: The states after the last step, not changed; if absent, ``back`` and ``adjoint``
            hold the states and their adjoint already.
        back: Room like ``states``: the states before the first step, written.
        adjoint: Room like ``states``: the derivative of the loss with respect to them, written.
        by_values: Derivative (B, T, K) of the loss with respect to the readouts.
        by_final: Derivative (B, K) with respect to the readouts after the last valid step of each
            sequence.
        by_vector: Derivative (B, 2^n) with respect to the states after that step, complex.
        by_theta: Derivative (B, T, P) with respect to the angles, written.
        by_x: Derivatives (R, B, T, E) with respect to the inputs, those through each register,
            written.
        by_fed: Derivative (B, K) with respect to the readouts that the first step was fed with,
            written.
        by_start: Derivative (B, 2^n) with respect to the first states, complex, written.
        sums: Room (blocks, numbers) for the sums of each block; present where the derivatives by
            the controller's weights are requested.
        by_weights: These derivatives (R, numbers), written: by the weights and biases of the first
            layer, then, with a hidden layer, by those of the output layer.
        stop: As in :class:`Forward`.
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
    stop: int = NEVER


THREADS = Sizes._fields.index("threads")  # its place in a record

NUM_SIZES, NUM_FORWARD, NUM_BACKWARD = (
    len(record._fields) for record in (Sizes, Forward, Backward)
)


@kernel
def open_sizes(record: Any) -> Sizes:
    """Return the fields of a record of :class:`Sizes`."""
    return Sizes(*to_fixed_tuple(record, NUM_SIZES))


@kernel
def open_forward(record: Any) -> Forward:
    """Return the fields of a record of :class:`Forward`."""
    return Forward(*to_fixed_tuple(record, NUM_FORWARD))


@kernel
def open_backward(record: Any) -> Backward:
    """Return the fields of a record of :class:`Backward`."""
    return Backward(*to_fixed_tuple(record, NUM_BACKWARD))


def _view(typingctx: Any, like: Any, address: Any, shape: Any) -> Any:
    """``view(like, address, shape)`` returns the array of ``shape`` at ``address``.

    It has the dtype of the array ``like``. A view of the address 0 may be made, but not read.
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
        # No meminfo: the array is not counted, and the caller keeps its memory alive.
        populate_array(array, data, sizes, strides, itemsize, meminfo=None)
        return array._getvalue()

    return array_type(like, types.intp, shape), codegen


view: Any = intrinsic(_view)


@kernel
def find_block(like: Any, address: int, block: int, shape: Any) -> Any:
    """Return the numbers of a block, which have the same ``shape`` in every block."""
    return view(like, address, (block + 1, *shape))[block]


@kernel
def find_register(like: Any, address: int, register: int, width: int, shape: Any) -> Any:
    """Return an array of a batch that begins at the columns of a register.

    ``shape`` is that of the whole array, of which every register has ``width`` columns. The caller
    reads no more than these.
    """
    return view(like, address + register * width * like.itemsize, shape)


# The table has a row for each field of the circuit, then for each of the observables: two tuples of
# row numbers, which Numba reads as constants. A row is an address and up to two sizes; where the
# field is a number, the number stands in place of the address.
_PROGRAM: Any = Program(*range(len(Program._fields)))
_PAULIS: Any = PauliProgram(
    *range(len(Program._fields), len(Program._fields) + len(PauliProgram._fields))
)
_ADDRESS, _ROWS, _COLUMNS = 0, 1, 2


def list_addresses(program: Program, paulis: PauliProgram) -> NDArray[np.int64]:
    """Return the table (rows, 3) that :func:`open_program` and :func:`open_paulis` read."""
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
    """Return the circuit of a table.

    Args:
        table: See :func:`list_addresses`.
        doubles: Any float64 array, for its type.
        like: Any array of the states' dtype.
    """
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
    """Return the observables of a table; ``like`` is any array of the states' dtype."""
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
