"""Lane vectors: one machine vector that holds the same amplitude of many sequences.

The simulator keeps the batch as the innermost axis. A *lane vector* is 64 bytes of it, 16 numbers
in float32 and 8 in float64: one AVX-512 register, two AVX2 registers or four NEON registers. Each
lane is another sequence, and all lanes take the same path through the circuit, so a gate on any
qubit is plain vector arithmetic, without shuffles between lanes. Kernels written with lane vectors
are explicit SIMD: they do not depend on what LLVM's auto-vectorizer recognizes, and LLVM turns
``a * b + c`` into one fused multiply-add.

The functions from ``load`` to ``square_root`` are for ``numba.njit`` code only. Indices count lane
vectors, not numbers, and arrays are one-dimensional and contiguous.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global
from numba.core.typing.templates import signature as typing_signature
from numba.extending import intrinsic, lower_builtin, models, register_model
from numpy.typing import NDArray

VECTOR_BYTES = 64
# Allows LLVM to fuse a product and a sum into one instruction. No other rule of IEEE 754 is
# relaxed: NaN and infinity pass through, and sums keep their order.
_FLAGS = ("contract",)


def lanes_per_vector(dtype: np.dtype[Any] | type) -> int:
    """Return how many sequences share one lane vector of ``dtype`` (float32: 16, float64: 8)."""
    return VECTOR_BYTES // np.dtype(dtype).itemsize


class LaneVector(types.Type):
    """Numba type of a lane vector of float32 or float64 numbers."""

    def __init__(self, dtype: types.Float) -> None:
        self.dtype = dtype
        self.lanes = VECTOR_BYTES * 8 // dtype.bitwidth
        super().__init__(name=f"LaneVector({dtype} x {self.lanes})")


@register_model(LaneVector)
class _LaneVectorModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: LaneVector) -> None:
        super().__init__(dmm, fe_type, _vector_of(fe_type.dtype))


def _scalar_of(dtype: types.Float) -> ir.Type:
    return ir.FloatType() if dtype.bitwidth == 32 else ir.DoubleType()


def _vector_of(dtype: types.Float) -> ir.VectorType:
    return ir.VectorType(_scalar_of(dtype), VECTOR_BYTES * 8 // dtype.bitwidth)


def _pointer_to(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """Return the address of lane vector ``index`` of a one-dimensional contiguous array."""
    lanes = VECTOR_BYTES * 8 // array_type.dtype.bitwidth
    data = context.make_array(array_type)(context, builder, array).data
    offset = builder.mul(index, ir.Constant(index.type, lanes))
    address = builder.gep(data, [offset], inbounds=True)
    return builder.bitcast(address, ir.PointerType(_vector_of(array_type.dtype)))


def _splat(builder: Any, value: Any, vector_type: ir.VectorType) -> Any:
    """Return ``value`` in every lane: LLVM's idiom, which becomes one broadcast instruction."""
    single = builder.insert_element(
        ir.Constant(vector_type, ir.Undefined), value, ir.Constant(ir.IntType(32), 0)
    )
    mask = ir.Constant(ir.VectorType(ir.IntType(32), vector_type.count), None)
    return builder.shuffle_vector(single, ir.Constant(vector_type, ir.Undefined), mask)


def _load(typingctx: Any, array: Any, index: Any) -> Any:
    """``load(array, index)`` returns lane vector ``index`` of ``array``."""
    signature = LaneVector(array.dtype)(array, types.intp)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _pointer_to(context, builder, sig.args[0], *args)
        # Only the alignment of one number is promised: a slice may begin anywhere. Where an array
        # does begin at a multiple of 64 bytes, the unaligned instruction is as fast.
        return builder.load(pointer, align=sig.args[0].dtype.bitwidth // 8)

    return signature, codegen


def _store(typingctx: Any, array: Any, index: Any, vector: Any) -> Any:
    """``store(array, index, vector)`` writes lane vector ``index`` of ``array``."""
    signature = types.void(array, types.intp, vector)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _pointer_to(context, builder, sig.args[0], args[0], args[1])
        builder.store(args[2], pointer, align=sig.args[0].dtype.bitwidth // 8)
        return context.get_dummy_value()

    return signature, codegen


def _splat_number(typingctx: Any, array: Any, value: Any) -> Any:
    """``splat(array, value)`` returns ``value`` in every lane, in the dtype of ``array``."""
    signature = LaneVector(array.dtype)(array, array.dtype)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _splat(builder, args[1], _vector_of(sig.args[0].dtype))

    return signature, codegen


def _define_operator(function: Any, instruction: str, arity: int) -> None:
    """Teach Numba that ``function`` of lane vectors is LLVM's ``instruction``, lane by lane."""

    @infer_global(function)
    class _Template(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            matches = len(args) == arity and all(arg == args[0] for arg in args)
            if matches and isinstance(args[0], LaneVector):
                return typing_signature(args[0], *args)
            return None

    @lower_builtin(function, *([LaneVector] * arity))
    def _lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, instruction)(*args, flags=_FLAGS)


def _sum_lanes(typingctx: Any, vector: Any) -> Any:
    """``sum_lanes(vector)`` returns the sum of its lanes, added in an order that LLVM chooses."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector_type, bits = args[0].type, sig.args[0].dtype.bitwidth
        scalar = vector_type.element
        name = f"llvm.vector.reduce.fadd.v{vector_type.count}f{bits}"
        function_type = ir.FunctionType(scalar, [scalar, vector_type])
        called = cgutils.get_or_insert_function(builder.module, function_type, name)
        # Without "reassoc" LLVM would add one lane after the other, 16 dependent additions. The
        # start is -0.0, which leaves every number unchanged; +0.0 would turn a sum of -0.0 into it.
        return builder.call(called, [ir.Constant(scalar, -0.0), *args], fastmath=("reassoc",))

    return vector.dtype(vector), codegen


for _function, _instruction, _arity in (
    (operator.add, "fadd", 2),
    (operator.sub, "fsub", 2),
    (operator.mul, "fmul", 2),
    (operator.truediv, "fdiv", 2),
    (operator.neg, "fneg", 1),
):
    _define_operator(_function, _instruction, _arity)


def define_function(name: str, arity: int = 1) -> Any:
    """Return LLVM's function ``name`` for lane vectors, lane by lane, for use in kernels."""

    def make(vector: Any, count: int) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            vector_type = args[0].type
            full_name = f"llvm.{name}.v{vector_type.count}f{sig.args[0].dtype.bitwidth}"
            function_type = ir.FunctionType(vector_type, [vector_type] * count)
            called = cgutils.get_or_insert_function(builder.module, function_type, full_name)
            return builder.call(called, args)

        return vector(*([vector] * count)), codegen

    if arity == 1:
        return intrinsic(lambda typingctx, vector: make(vector, 1))
    return intrinsic(lambda typingctx, vector, other: make(vector, 2))


load: Any = intrinsic(_load)
store: Any = intrinsic(_store)
splat: Any = intrinsic(_splat_number)
sum_lanes: Any = intrinsic(_sum_lanes)
square_root: Any = define_function("sqrt")


def allocate_aligned(shape: tuple[int, ...], dtype: np.dtype[Any] | type) -> NDArray[Any]:
    """Return a zeroed array of ``shape`` that begins at a multiple of ``VECTOR_BYTES``.

    A lane vector is then one cache line, and no load touches two.
    """
    size = math.prod(shape)
    buffer = np.zeros(size + lanes_per_vector(dtype), dtype)
    start = -buffer.__array_interface__["data"][0] % VECTOR_BYTES // buffer.itemsize
    aligned: NDArray[Any] = buffer[start : start + size].reshape(shape)
    return aligned
