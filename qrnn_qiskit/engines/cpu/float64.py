"""Functions of float64 lane vectors, for states of either precision.

Angles and the controller's activations are computed in float64 and rounded once. *Part* i of an
array is its eight numbers from 8 i on: a lane vector of a float64 array, half of one of a float32
array.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from qrnn_qiskit.engines.cpu.lane_vectors import LaneVector, define_function
from qrnn_qiskit.engines.cpu.numba_compiler import inline

DOUBLE_LANES = 8
_DOUBLE = LaneVector(types.float64)
_VECTOR = ir.VectorType(ir.DoubleType(), DOUBLE_LANES)
_INTEGERS = ir.VectorType(ir.IntType(64), DOUBLE_LANES)


def _point(context: Any, builder: Any, array_type: Any, array: Any, part: Any) -> Any:
    scalar = ir.FloatType() if array_type.dtype.bitwidth == 32 else ir.DoubleType()
    data = context.make_array(array_type)(context, builder, array).data
    place = builder.mul(part, ir.Constant(part.type, DOUBLE_LANES))
    address = builder.gep(data, [place], inbounds=True)
    return builder.bitcast(address, ir.VectorType(scalar, DOUBLE_LANES).as_pointer())


def _load_part(typingctx: Any, array: Any, part: Any) -> Any:
    """``load_part(array, i)`` returns part i, widened to float64."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _point(context, builder, sig.args[0], *args)
        vector = builder.load(pointer, align=sig.args[0].dtype.bitwidth // 8)
        return vector if vector.type == _VECTOR else builder.fpext(vector, _VECTOR)

    return _DOUBLE(array, types.intp), codegen


def _store_part(typingctx: Any, array: Any, part: Any, vector: Any) -> Any:
    """``store_part(array, i, vector)`` writes part i, rounded to the array's dtype."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _point(context, builder, sig.args[0], args[0], args[1])
        wanted = pointer.type.pointee
        vector = args[2] if wanted == _VECTOR else builder.fptrunc(args[2], wanted)
        builder.store(vector, pointer, align=sig.args[0].dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), codegen


def _spread(typingctx: Any, value: Any) -> Any:
    """``spread(value)`` returns ``value`` in every lane."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        empty = ir.Constant(_VECTOR, ir.Undefined)
        single = builder.insert_element(empty, args[0], ir.Constant(ir.IntType(32), 0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), DOUBLE_LANES), None)
        return builder.shuffle_vector(single, empty, mask)

    return _DOUBLE(types.float64), codegen


def _power_of_two(typingctx: Any, exponent: Any) -> Any:
    """``power_of_two(exponent)`` returns 2^exponent for whole numbers from -1022 to 1023.

    It writes the biased exponent into the exponent bits 52 to 62 of a float64 whose mantissa is 1.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        whole = builder.fptosi(args[0], _INTEGERS)
        biased = builder.add(whole, ir.Constant(_INTEGERS, [1023] * DOUBLE_LANES))
        shifted = builder.shl(biased, ir.Constant(_INTEGERS, [52] * DOUBLE_LANES))
        return builder.bitcast(shifted, _VECTOR)

    return exponent(exponent), codegen


def define_polynomial(coefficients: Sequence[float]) -> Any:
    """Return a polynomial for use in kernels, evaluated by Horner's rule.

    Args:
        coefficients: The coefficients, that of the highest power first.
    """

    def function(typingctx: Any, vector: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            first, *rest = (ir.Constant(_VECTOR, [c] * DOUBLE_LANES) for c in coefficients)
            value = first
            for coefficient in rest:
                product = builder.fmul(value, args[0], flags=("contract",))
                value = builder.fadd(product, coefficient, flags=("contract",))
            return value

        return vector(vector), codegen

    return intrinsic(function)


load_part: Any = intrinsic(_load_part)
store_part: Any = intrinsic(_store_part)
spread: Any = intrinsic(_spread)
power_of_two: Any = intrinsic(_power_of_two)
nearest: Any = define_function("rint")
absolute: Any = define_function("fabs")
copy_sign: Any = define_function("copysign", 2)
lesser: Any = define_function("minnum", 2)
greater: Any = define_function("maxnum", 2)

# ln 2 in two parts (Cody and Waite): the first has so many trailing zero bits that k times it is
# exact for |k| < 2^11, and subtracting it from x loses nothing.
_LN2_HIGH = 0.693147180559663
_LN2_LOW = 2.8235290563031577e-13
_exponential_series: Any = define_polynomial([1.0 / math.factorial(k) for k in range(13, -1, -1)])


@inline
def exponential(x: Any) -> Any:
    """Return exp(x), with x clipped to [-700, 700], where float64 has no overflow.

    exp(x) = 2^k exp(r) with k = round(x / ln 2) and |r| <= ln(2) / 2. There the Taylor series up to
    r^13 is exact to rounding.
    """
    x = lesser(greater(x, spread(-700.0)), spread(700.0))
    k = nearest(x * spread(1.0 / math.log(2.0)))
    r = x - k * spread(_LN2_HIGH) - k * spread(_LN2_LOW)
    return power_of_two(k) * _exponential_series(r)
