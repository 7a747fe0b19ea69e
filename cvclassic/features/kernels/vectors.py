"""Steps of eight float32 values or more at once, for what numba's own vectorization does not find.

Arrays are flat and float32, places in them `uintp`; they need not be aligned. What stands in LLVM here is compiled for
every processor: into one instruction where it has registers for eight values, else into several.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 4
WIDTH = 2 * LANES
SPAN, ROWS = 2 * WIDTH, 2  # of `weigh_around`: as many sums as the processors without AVX-512 have registers for

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
def add_weighted(typingctx, target, place, vote, weights, start):
    """Add `vote` times the four weights from `start` on to four values from `place` on."""

    def generate(context, builder, signature, arguments):
        array, index, vote, factors, offset = arguments
        four = ir.VectorType(_FLOAT, LANES)
        pointer, weight = (
            builder.bitcast(builder.gep(context.make_array(kind)(context, builder, of).data, [at]), four.as_pointer())
            for kind, of, at in ((signature.args[0], array, index), (signature.args[3], factors, offset))
        )
        product = builder.fmul(_everywhere(builder, vote, four), builder.load(weight, align=4), flags=("contract",))
        builder.store(builder.fadd(builder.load(pointer, align=4), product, flags=("contract",)), pointer, align=4)
        return context.get_dummy_value()

    return types.void(target, place, vote, weights, start), generate


@intrinsic
def sum_lanes(typingctx, source, place, starts, weights, first, count, target, at, distance):
    """Put weighted sums of eight times four values, parted into four times eight, `distance` apart from `at` on.

    The terms begin `starts[first]` and so on after `place`, and are weighted by `weights[first]` and so on.
    """

    def generate(context, builder, signature, arguments):
        array, index, starts, weights, first, count, into, at, step = arguments
        half = ir.VectorType(_FLOAT, SPAN)
        data = context.make_array(signature.args[0])(context, builder, array).data
        starts = context.make_array(signature.args[2])(context, builder, starts).data
        weights = context.make_array(signature.args[3])(context, builder, weights).data
        totals = [cgutils.alloca_once_value(builder, ir.Constant(half, None)) for _ in range(2)]
        with cgutils.for_range(builder, count) as loop:
            term = builder.add(first, loop.index)
            begin = builder.add(index, builder.load(builder.gep(starts, [term])))
            factor = _everywhere(builder, builder.load(builder.gep(weights, [term])), half)
            for k, total in enumerate(totals):
                values = builder.gep(data, [builder.add(begin, ir.Constant(begin.type, k * SPAN))])
                values = builder.load(builder.bitcast(values, half.as_pointer()), align=4)
                product = builder.fmul(values, factor, flags=("contract",))
                builder.store(builder.fadd(builder.load(total), product, flags=("contract",)), total)
        left, right = (builder.load(total) for total in totals)
        for lane in range(LANES):
            values = _chosen(builder, left, right, [lane + LANES * k for k in range(WIDTH)])
            builder.store(values, _pointer(context, builder, signature.args[6], into, at), align=4)
            at = builder.add(at, step)
        return context.get_dummy_value()

    return types.void(source, place, starts, weights, first, count, target, at, distance), generate


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


@intrinsic
def weigh_around(typingctx, source, place, step, taps, start, count, row, sums, even, odd, sums_row):
    """Put weighted sums of the neighbors of `SPAN` values, in each of `ROWS` rows, to the places `even` and `odd`.

    The values lie from `place` on, with `row` from one row to the next (`sums_row` where they are put), and their
    neighbors at 0 to `count` - 1 times `step` on both sides. `taps` holds two weights for each distance from `start`
    on: that of the sum of the two neighbors, for what comes to `even`, and that of the later less the earlier one.
    """

    def generate(context, builder, signature, arguments):
        array, index, step, weights, first, count, row, into, *places, below = arguments
        span = ir.VectorType(_FLOAT, SPAN)
        data = context.make_array(signature.args[0])(context, builder, array).data
        weights = context.make_array(signature.args[3])(context, builder, weights).data
        totals = [[cgutils.alloca_once_value(builder, ir.Constant(span, None)) for _ in places] for _ in range(ROWS)]
        with cgutils.for_range(builder, count) as loop:
            away = builder.mul(loop.index, step)
            tap = builder.add(first, builder.shl(loop.index, loop.index.type(1)))
            factors = [_everywhere(builder, builder.load(builder.gep(weights, [tap])), span)]
            factors += [_everywhere(builder, builder.load(builder.gep(weights, [builder.add(tap, tap.type(1))])), span)]
            center = index
            for each in totals:
                sides = [builder.gep(data, [move(center, away)]) for move in (builder.add, builder.sub)]
                after, before = (builder.load(builder.bitcast(p, span.as_pointer()), align=4) for p in sides)
                pairs = builder.fadd(after, before), builder.fsub(after, before)
                for total, pair, factor in zip(each, pairs, factors, strict=True):
                    product = builder.fmul(pair, factor, flags=("contract",))
                    builder.store(builder.fadd(builder.load(total), product, flags=("contract",)), total)
                center = builder.add(center, row)
        into = context.make_array(signature.args[7])(context, builder, into).data
        for each in totals:
            for k, total in enumerate(each):
                target = builder.bitcast(builder.gep(into, [places[k]]), span.as_pointer())
                builder.store(builder.load(total), target, align=4)
                places[k] = builder.add(places[k], below)
        return context.get_dummy_value()

    return types.void(source, place, step, taps, start, count, row, sums, even, odd, sums_row), generate


def _everywhere(builder, value, vector):
    """A vector of this type that has `value` in all places."""
    single = builder.insert_element(ir.Constant(vector, ir.Undefined), value, _INDEX(0))
    return _chosen(builder, single, single, [0] * vector.count)


def _pointer(context, builder, array_type, array, place):
    """Eight values of a flat array from `place` on."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [place]), _EIGHT.as_pointer())


def _chosen(builder, first, second, places):
    """A vector of these values of two vectors, counted through both."""
    places = list(places)
    return builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(_INDEX, len(places)), places))
