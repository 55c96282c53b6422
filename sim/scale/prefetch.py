"""Asking the processor for memory before it is needed, in kernels.

A model of a million boxes does not fit the processor's caches, and boxes act in random
order: each one's row would be waited for.  A hint changes no result.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LINE_BYTES = 64
# Of a row, from its start on.
LINES_MOST = 5


@intrinsic
def hint(typingctx, array, row):
    """hint(array, row): the lines of row `row` of a C-contiguous array will be needed soon."""
    if not isinstance(array, types.Array) or array.layout != "C" or not isinstance(row, types.Integer):
        return None

    def generate(context, builder, signature, arguments):
        kind = signature.args[0]
        view = context.make_array(kind)(context, builder, value=arguments[0])
        step = cgutils.unpack_tuple(builder, view.strides, kind.ndim)[0]
        place = context.cast(builder, arguments[1], signature.args[1], types.intp)
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        start = builder.gep(builder.bitcast(view.data, byte), [builder.mul(place, step)])
        fetch = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [byte, number, number, number]), "llvm.prefetch.p0")
        for line in range(LINES_MOST):
            offset = ir.Constant(step.type, line * LINE_BYTES)
            with builder.if_then(builder.icmp_signed(">", step, offset)):
                builder.call(fetch, [builder.gep(start, [offset]), number(1), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(array, row), generate
