"""Eight reads side by side as one value of compiled code: a SIMD vector with arithmetic.

`load(a, k)` takes `a[k] ... a[k + 7]` of a one-dimensional contiguous array, `store(a, k, x)` puts them back; indices
are not checked. Values add, subtract, multiply and divide with each other and with floats (`spread`). LLVM may contract
products and sums into fused ones and does nothing else to the arithmetic, so that results don't depend on the
processor's vector width.
"""

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

LANES = 8
"""Reads that are solved side by side."""
_DOUBLE = ir.DoubleType()
_VECTOR = ir.VectorType(_DOUBLE, LANES)
_FLAGS = ("contract",)


class LanesType(types.Type):
    """The type of eight doubles."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


lanes_type = LanesType()


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: LanesType) -> None:
        super().__init__(manager, kind, _VECTOR)


def _place(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    pointer = builder.gep(data, [index])
    return builder.bitcast(pointer, _VECTOR.as_pointer())


@intrinsic
def load(typingctx, array, index):
    """Returns eight values of an array from an index on."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature.args[0], arguments[0], arguments[1])
        value = builder.load(place)
        value.align = 8
        return value

    return lanes_type(array, types.intp), code


@intrinsic
def store(typingctx, array, index, value):
    """Puts eight values into an array from an index on."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature.args[0], arguments[0], arguments[1])
        builder.store(arguments[2], place, align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes_type), code


def _spread(builder: Any, value: Any) -> Any:
    single = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(single, ir.Constant(_VECTOR, ir.Undefined), mask)


@intrinsic
def spread(typingctx, value):
    """Returns eight times the same value."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _spread(builder, arguments[0])

    return lanes_type(types.float64), code


def _binary(function: Any, name: str) -> None:
    """Makes an operator of Python an instruction, for two values, or for one and a float."""
    kinds = [(lanes_type, lanes_type), (lanes_type, types.float64), (types.float64, lanes_type)]

    @infer_global(function)
    class _Typed(ConcreteTemplate):
        cases = [signature(lanes_type, *kind) for kind in kinds]  # noqa: RUF012

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pair = [
            value if kind == lanes_type else _spread(builder, value)
            for kind, value in zip(signature.args, arguments, strict=True)
        ]
        return getattr(builder, name)(*pair, flags=_FLAGS)

    for kind in kinds:
        lower_builtin(function, *kind)(code)


_binary(operator.add, "fadd")
_binary(operator.sub, "fsub")
_binary(operator.mul, "fmul")
_binary(operator.truediv, "fdiv")


@intrinsic
def larger(typingctx, a, b):
    """Returns the larger of each pair of values; the second one where one is no number."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *arguments), *arguments)

    return lanes_type(lanes_type, lanes_type), code


@intrinsic
def magnitude(typingctx, a):
    """Returns absolute values."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        negative = builder.fneg(arguments[0])
        return builder.select(builder.fcmp_ordered(">", arguments[0], negative), arguments[0], negative)

    return lanes_type(lanes_type), code


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """Exchanges rows with columns: blocks of 1, 2 and 4 elements across the diagonal, one after another."""
    kind = ir.VectorType(ir.IntType(32), LANES)
    for size in (1, 2, 4):
        low = ir.Constant(kind, [c + LANES - size if c & size else c for c in range(LANES)])
        high = ir.Constant(kind, [c + LANES if c & size else c + size for c in range(LANES)])
        for r in range(LANES):
            if not r & size:
                a, b = rows[r], rows[r + size]
                rows[r] = builder.shuffle_vector(a, b, low)
                rows[r + size] = builder.shuffle_vector(a, b, high)
    return rows


@intrinsic
def turn(typingctx, source, begin, stride, target, to, target_stride):
    """Transposes eight by eight values: `target[to + c target_stride + r] = source[begin + r stride + c]`."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds = signature.args
        source, begin, stride, target, to, target_stride = arguments
        rows = []
        for _ in range(LANES):
            rows.append(builder.load(_place(context, builder, kinds[0], source, begin)))
            rows[-1].align = 8
            begin = builder.add(begin, stride)
        for row in _transposed(builder, rows):
            builder.store(row, _place(context, builder, kinds[3], target, to), align=8)
            to = builder.add(to, target_stride)
        return context.get_dummy_value()

    return types.void(source, types.intp, types.intp, target, types.intp, types.intp), code
