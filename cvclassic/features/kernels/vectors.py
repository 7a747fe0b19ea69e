"""Steps of eight float32 values at once, for what numba's own vectorization does not find.

Arrays are flat and float32, places in them `uintp`; they need not be aligned. What stands in LLVM here is compiled for
every processor: into one instruction where it has registers for eight values, else into several.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

LANES = 4
WIDTH = 2 * LANES

_FLOAT, _INDEX = ir.FloatType(), ir.IntType(32)
_PAIR, _EIGHT = ir.VectorType(_FLOAT, 2), ir.VectorType(_FLOAT, WIDTH)


@intrinsic
def add_pair(typingctx, target, place, first, second, weights, start):
    """Add `first` times the weights from `start` to four values from `place`, and `second` times those to the next.

    The weights come twice: eight values, of which the last four repeat the first.
    """

    def generate(context, builder, signature, arguments):
        array, index, one, other, factors, offset = arguments
        pointer = _pointer(context, builder, signature.args[0], array, index)
        weight = builder.load(_pointer(context, builder, signature.args[4], factors, offset), align=4)
        pair = builder.insert_element(ir.Constant(_PAIR, ir.Undefined), one, _INDEX(0))
        pair = builder.insert_element(pair, other, _INDEX(1))
        votes = _chosen(builder, pair, pair, [0] * LANES + [1] * LANES)
        product = builder.fmul(votes, weight, flags=("contract",))
        builder.store(builder.fadd(builder.load(pointer, align=4), product, flags=("contract",)), pointer, align=4)
        return context.get_dummy_value()

    return types.void(target, place, first, second, weights, start), generate


@intrinsic
def split_lanes(typingctx, source, place, target, start, distance):
    """Part eight times four values from `place` on into four times eight, `distance` apart from `start` on."""

    def generate(context, builder, signature, arguments):
        array, index, into, first, step = arguments
        pointer = _pointer(context, builder, signature.args[0], array, index)
        parts = [builder.load(builder.gep(pointer, [_INDEX(k)]), align=4) for k in range(LANES)]
        left = _chosen(builder, parts[0], parts[1], range(2 * WIDTH))
        right = _chosen(builder, parts[2], parts[3], range(2 * WIDTH))
        for lane in range(LANES):
            values = _chosen(builder, left, right, [lane + LANES * k for k in range(WIDTH)])
            builder.store(values, _pointer(context, builder, signature.args[2], into, first), align=4)
            first = builder.add(first, step)
        return context.get_dummy_value()

    return types.void(source, place, target, start, distance), generate


@intrinsic
def put_sum(typingctx, target, place, source, first, second):
    """Put the sums of eight values of `source` from `first` on and eight from `second` on to `place`."""

    def generate(context, builder, signature, arguments):
        array, index, values, one, other = arguments
        terms = [_pointer(context, builder, signature.args[2], values, start) for start in (one, other)]
        total = builder.fadd(*(builder.load(term, align=4) for term in terms))
        builder.store(total, _pointer(context, builder, signature.args[0], array, index), align=4)
        return context.get_dummy_value()

    return types.void(target, place, source, first, second), generate


def _pointer(context, builder, array_type, array, place):
    """Eight values of a flat array from `place` on."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [place]), _EIGHT.as_pointer())


def _chosen(builder, first, second, places):
    """A vector of these values of two vectors, counted through both."""
    places = list(places)
    return builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(_INDEX, len(places)), places))
