"""`NeuralClassifier`: the Keras network layer by layer. Its layers are those of `neural.models`, and the usual ones."""

import numpy as np

from cvclassic.errors import InputError
from cvclassic.features import HOG
from cvclassic.model.onnx.classifiers import Answer, both_signs, highest
from cvclassic.model.onnx.graph import Graph, Value
from cvclassic.model.onnx.hog import hog
from cvclassic.model.onnx.pixels import Images
from cvclassic.neural import NeuralClassifier

IDENTITIES = (  # what only training has
    "Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "RandomFlip", "RandomTranslation",
    "RandomRotation", "RandomZoom", "RandomContrast", "RandomBrightness", "ActivityRegularization",
)  # fmt: skip


def neural_classifier(graph: Graph, step: NeuralClassifier, x: Images | Value) -> Answer:
    """The class with the highest score, or with a cost matrix of the least expected cost; in single precision."""
    if isinstance(x, Images):
        x = graph.transposed(x.tensor, 0, 2, 3, 1)
    scores = Network(graph).output(step.model_, x)
    if step.costs_ is not None:
        probabilities = graph.add("Softmax", scores, axis=1)
        scores = graph.add("Neg", graph.add("MatMul", probabilities, np.float32(step.costs_)))
    answer = highest(graph, scores)
    if len(step.classes_) > 2:
        return answer
    first, second = graph.add("Split", scores, n_outputs=2, axis=1)
    return Answer(both_signs(graph, graph.add("Sub", second, first)), answer.label)


class Network:
    """Follows a functional model from its output back to its input; tensors have the channels last, as in Keras.

    `_make_<kind>` is the rule for a kind of layer.
    """

    def __init__(self, graph: Graph):
        self.graph = graph

    def output(self, model, x: Value) -> Value:
        """The first output of `model` for the input `x`."""
        return self._outputs(model, x)[0]

    def _outputs(self, model, x):
        if not hasattr(model, "outputs") or len(getattr(model, "inputs", None) or ()) != 1:
            raise InputError(
                f"The network {model.name} can't be exported to ONNX: it is {type(model).__name__}, and no functional "
                "or sequential model with one input, whose layers can be followed."
            )
        known = {id(model.inputs[0]): x}
        return [self._value(tensor, known) for tensor in model.outputs]

    def _value(self, tensor, known):
        if id(tensor) not in known:
            # No public name of Keras leads from a tensor to the call of a layer that made it.
            operation, node, _ = tensor._keras_history
            call = operation._inbound_nodes[node]
            values = [self._value(each, known) for each in call.input_tensors]
            if hasattr(operation, "layers"):
                outputs = self._outputs(operation, *values)
            else:
                outputs = [self._layer(operation, values, call)]
            for each, value in zip(call.output_tensors, outputs, strict=True):
                known[id(each)] = value
        return known[id(tensor)]

    def _layer(self, layer, values, call):
        kind = type(layer).__name__
        shape = call.input_tensors[0].shape
        if getattr(layer, "data_format", "channels_last") != "channels_last":
            raise self._refusal(layer, "its channels come first")
        if kind in IDENTITIES:
            return values[0]
        make = getattr(self, f"_make_{kind.lower()}", None)
        if make is None or type(layer).__module__.split(".")[0] not in ("keras", "cvclassic"):
            raise self._refusal(layer, "there is no rule for this kind of layer")
        return make(layer, values if len(values) > 1 else values[0], shape, call)

    def _refusal(self, layer, why):
        return InputError(f"The layer {layer.name} ({type(layer).__name__}) can't be exported to ONNX: {why}.")

    def _make_rescaling(self, layer, x, shape, call):
        return self.graph.add("Add", self.graph.add("Mul", x, np.float32(layer.scale)), np.float32(layer.offset))

    def _make_flatten(self, layer, x, shape, call):
        return self.graph.reshaped(x, -1, int(np.prod(shape[1:])))

    def _make_dense(self, layer, x, shape, call):
        weights = [np.asarray(each, np.float32) for each in layer.get_weights()]
        product = self.graph.add("MatMul", x, weights[0])
        return self._active(layer, self.graph.add("Add", product, weights[1]) if layer.use_bias else product)

    def _make_conv2d(self, layer, x, shape, call):
        if tuple(layer.strides) != (1, 1) or tuple(layer.dilation_rate) != (1, 1) or layer.groups != 1:
            raise self._refusal(layer, "strides, dilation and groups are not supported")
        kernel, *bias = (np.asarray(each, np.float32) for each in layer.get_weights())
        before = [(side - 1) // 2 if layer.padding == "same" else 0 for side in kernel.shape[:2]]
        after = [
            side - 1 - b if layer.padding == "same" else 0 for side, b in zip(kernel.shape[:2], before, strict=True)
        ]
        first = self.graph.transposed(x, 0, 3, 1, 2)
        found = self.graph.convolved(first, kernel.transpose(3, 2, 0, 1), *bias, pads=[*before, *after])
        return self._active(layer, self.graph.transposed(found, 0, 2, 3, 1))

    def _make_maxpooling2d(self, layer, x, shape, call):
        if layer.padding != "valid":
            raise self._refusal(layer, f'padding="{layer.padding}" is not supported')
        first = self.graph.transposed(x, 0, 3, 1, 2)
        sides = {"kernel_shape": list(layer.pool_size), "strides": list(layer.strides)}
        return self.graph.transposed(self.graph.add("MaxPool", first, **sides), 0, 2, 3, 1)

    def _make_globalmaxpooling2d(self, layer, x, shape, call):
        return self.graph.add("ReduceMax", x, axes=[1, 2], keepdims=int(layer.keepdims))

    def _make_globalaveragepooling2d(self, layer, x, shape, call):
        return self.graph.add("ReduceMean", x, axes=[1, 2], keepdims=int(layer.keepdims))

    def _make_batchnormalization(self, layer, x, shape, call):
        if layer.axis % len(shape) != len(shape) - 1:
            raise self._refusal(layer, "it does not normalize the last axis")
        names = [*["gamma"] * layer.scale, *["beta"] * layer.center, "mean", "variance"]
        given = dict(zip(names, (np.asarray(each, np.float64) for each in layer.get_weights()), strict=True))
        factor = given.get("gamma", 1.0) / np.sqrt(given["variance"] + layer.epsilon)
        offset = given.get("beta", 0.0) - given["mean"] * factor
        return self.graph.add("Add", self.graph.add("Mul", x, np.float32(factor)), np.float32(offset))

    _make_fusedbatchnormalization = _make_batchnormalization  # which differ in training

    def _make_patchwhitening(self, layer, x, shape, call):
        kernel, bias = (np.asarray(each, np.float32) for each in (layer.kernel, layer.bias))
        first = self.graph.transposed(x, 0, 3, 1, 2)
        found = self.graph.convolved(first, kernel.transpose(3, 2, 0, 1), bias, pads=[0, 0, 0, 0])
        return self.graph.transposed(found, 0, 2, 3, 1)

    def _make_activation(self, layer, x, shape, call):
        return self._active(layer, x)

    def _make_prelu(self, layer, x, shape, call):
        slope = np.asarray(layer.get_weights()[0], np.float32)
        return self.graph.add("PRelu", x, slope)

    def _make_leakyrelu(self, layer, x, shape, call):
        return self.graph.add("LeakyRelu", x, alpha=float(layer.negative_slope))

    def _make_add(self, layer, values, shape, call):
        return self.graph.add("Sum", *values)

    def _make_concatenate(self, layer, values, shape, call):
        return self.graph.add("Concat", *values, axis=layer.axis)

    def _make_reshape(self, layer, x, shape, call):
        return self.graph.reshaped(x, -1, *call.output_tensors[0].shape[1:])

    def _make_max(self, layer, x, shape, call):  # `keras.ops.max`, in a maxout
        if layer.axis is None:
            raise self._refusal(layer, "it takes the maximum over all images")
        axes = np.atleast_1d(layer.axis).tolist()
        return self.graph.add("ReduceMax", x, axes=axes, keepdims=int(layer.keepdims))

    def _make_maxout(self, layer, x, shape, call):
        values = self._make_dense(layer.dense, x, shape, call)
        pieces = self.graph.reshaped(values, -1, *shape[1:-1], layer.units, layer.pieces)
        return self.graph.add("ReduceMax", pieces, axes=[-1], keepdims=0)

    def _make_hoglayer(self, layer, x, shape, call):
        like = HOG(
            orientations=layer.orientations,
            cell_size=layer.cell_size,
            block_size=layer.block_size,
            block_norm=layer.block_norm,
            convention="skimage",
        )
        first = self.graph.transposed(x, 0, 3, 1, 2)
        return hog(self.graph, like, Images(first, shape[1:3] if shape[3] == 1 else shape[1:]))

    def _active(self, layer, x):
        name = getattr(layer.activation, "__name__", type(layer.activation).__name__)
        simple = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "softplus": "Softplus", "elu": "Elu"}
        if name == "linear":
            return x
        if name in simple:
            return self.graph.add(simple[name], x)
        if name == "leaky_relu":
            return self.graph.add("LeakyRelu", x, alpha=0.2)
        if name in ("silu", "swish"):
            return self.graph.add("Mul", x, self.graph.add("Sigmoid", x))
        if name == "gelu":
            curve = self.graph.add("Add", self.graph.add("Erf", self.graph.add("Mul", x, np.float32(0.5**0.5))), 1.0)
            return self.graph.add("Mul", self.graph.add("Mul", x, 0.5), curve)
        if name == "softmax":
            return self.graph.add("Softmax", x, axis=-1)
        raise self._refusal(layer, f"there is no rule for the activation {name}")
