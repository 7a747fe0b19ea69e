"""A graph of ONNX operators as it grows: each operator is one call, and arrays become its constants."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

OPSET = 17  # of 2022: the sums of ScatterElements came with 16, and from 18 on ReduceMean is given its axes otherwise
IR_VERSION = 8  # the file format of that time, so that older runtimes read it

Value = str  # the name of a tensor in the graph


class Graph:
    """Nodes and constants in the order in which they were added; a constant that is there already is used again.

    Parameters
    ----------
    prefix : str
        Of all names: what is inside a loop shares its names with what is around it.

    Attributes
    ----------
    nodes : list of onnx.NodeProto
    constants : list of onnx.TensorProto
    """

    def __init__(self, prefix: str = ""):
        self.prefix = prefix
        self.nodes, self.constants = [], []
        self._named: dict[tuple, Value] = {}

    def add(self, operator: str, *inputs, n_outputs: int = 1, **attributes) -> Value | list[Value]:
        """The output of one more operator, or a list of them where there are several.

        `inputs` are names of tensors, arrays and NumPy's numbers, which become constants, or Python's: a float is
        float32, an int or a list of them int64.
        """
        names = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        first = f"{self.prefix}{operator.lower()}{len(self.nodes)}"
        outputs = [first] if n_outputs == 1 else [f"{first}_{k}" for k in range(n_outputs)]
        self.nodes.append(helper.make_node(operator, names, outputs, name=first, **attributes))
        return outputs[0] if n_outputs == 1 else outputs

    def constant(self, value) -> Value:
        """The name under which `value` stands among the constants."""
        array = np.asarray(value, np.float32 if type(value) is float else None)
        array = np.ascontiguousarray(array).reshape(array.shape)  # a single number stays one
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._named:
            self._named[key] = f"{self.prefix}constant{len(self.constants)}"
            self.constants.append(numpy_helper.from_array(array, self._named[key]))
        return self._named[key]

    def clipped(self, x: Value, low, high) -> Value:
        """`x` between two numbers of its own type."""
        return self.add("Min", self.add("Max", x, low), high)

    def cast(self, x: Value, dtype) -> Value:
        """`x` in a NumPy dtype."""
        return self.add("Cast", x, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def reshaped(self, x: Value, *shape: int) -> Value:
        """`x` in another shape; -1 stands for what is left."""
        return self.add("Reshape", x, list(shape))

    def transposed(self, x: Value, *axes: int) -> Value:
        """`x` with its axes in another order."""
        return self.add("Transpose", x, perm=list(axes))

    def sliced(self, x: Value, axis: int, start: int, stop: int) -> Value:
        """`x` from `start` up to `stop` along an axis."""
        return self.add("Slice", x, [start], [stop], [axis])

    def padded(self, x: Value, *, top=0, left=0, bottom=0, right=0, mode="constant") -> Value:
        """(n, channels, height, width) with more pixels around: zeros, or by `mode="reflect"` those of the inside."""
        return self.add("Pad", x, [0, 0, top, left, 0, 0, bottom, right], mode=mode)

    def convolved(self, x: Value, kernels: np.ndarray, *bias, **attributes) -> Value:
        """The convolution of (n, channels, height, width) with kernels (filters, channels, height, width), float32."""
        return self.add("Conv", x, np.ascontiguousarray(kernels, np.float32), *bias, **attributes)

    def total(self, x: Value, *axes: int, keepdims: bool = True) -> Value:
        """The sum over some axes."""
        return self.add("ReduceSum", x, list(axes), keepdims=int(keepdims))

    def mean(self, x: Value, *axes: int) -> Value:
        """The mean over some axes, which stay with length 1."""
        return self.add("ReduceMean", x, axes=list(axes), keepdims=1)

    def pooled(self, rows: np.ndarray, x: Value, columns: np.ndarray) -> Value:
        """`rows @ x @ columns` of the last two axes: weighted sums over the parts of images."""
        return self.add("MatMul", self.add("MatMul", rows, x), columns)

    def like(self, x: Value, array: np.ndarray) -> Value:
        """`array` (1, ...), floating point, once for each row of `x` (n, m), of finite numbers."""
        # Sums in place of Shape and Expand, which `cv2.dnn` has trouble with.
        nothing = self.add("Mul", self.cast(self.sliced(x, 1, 0, 1), array.dtype), array.dtype.type(0))
        return self.add("Add", nothing, array)

    def counted(self, places: Value, n_places: int, size: int) -> Value:
        """Histograms (n, size), float32: how often each place is among `places` (n, n_places), int64."""
        ones = self.like(places, np.ones((1, n_places), np.float32))
        # `cv2.dnn` wants no more places than there are bins.
        nothing = self.like(places, np.zeros((1, max(size, n_places)), np.float32))
        counts = self.add("ScatterElements", nothing, places, ones, axis=1, reduction="add")
        return self.sliced(counts, 1, 0, size) if n_places > size else counts

    def model(self, inputs, outputs, **about: str) -> onnx.ModelProto:
        """All of it as a model, checked; `about` becomes its metadata."""
        graph = helper.make_graph(self.nodes, "cvclassic", inputs, outputs, initializer=self.constants)
        imports = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, producer_name="cvclassic", opset_imports=imports, ir_version=IR_VERSION)
        helper.set_model_props(model, about)
        onnx.checker.check_model(model, full_check=True)
        return model
