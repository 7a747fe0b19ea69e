"""`Embedding`: the images resized and scaled as it does, and the graph of its ONNX file taken into ours."""

import cv2
import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import compose, version_converter

from cvclassic.errors import InputError
from cvclassic.features import Embedding
from cvclassic.features.onnx import OnnxNetwork
from cvclassic.model.onnx.graph import OPSET, Graph, Value
from cvclassic.model.onnx.pixels import Images

PREFIX = "backbone/"


def embedding(graph: Graph, step: Embedding, images: Images) -> Value:
    """Features (n, d)."""
    frozen = step.frozen_
    if not isinstance(frozen.backbone, OnnxNetwork):
        raise InputError(
            f"The backbone {frozen.backbone.name} can't be exported to ONNX: it is no ONNX file. Train the pipeline "
            "with a backbone from an ONNX file."
        )
    rows, columns = _resizing(images.shape[:2], frozen.size)
    resized = graph.pooled(rows, images.tensor, np.ascontiguousarray(columns.T))
    mean, std = (np.float32(each).reshape(3, 1, 1) for each in (frozen.mean, frozen.std))
    scaled = graph.add("Div", graph.add("Sub", resized, mean), std)  # three channels, of gray images too
    return _network(graph, frozen.backbone, scaled, step.n_features_)


def _resizing(shape, size) -> tuple[np.ndarray, np.ndarray]:
    """What `cv2.resize` makes of a line of pixels, as a matrix for the columns of an image and one for its rows.

    Both of its interpolations here, linear and by areas, work on rows and columns by themselves.
    """
    enlarged = size[0] >= shape[0] and size[1] >= shape[1]
    interpolation = cv2.INTER_LINEAR if enlarged else cv2.INTER_AREA
    matrices = []
    for axis in (0, 1):
        matrix = np.empty((size[axis], shape[axis]), np.float32)
        for k in range(shape[axis]):
            image = np.zeros(shape, np.float32)
            image[(k, slice(None)) if axis == 0 else (slice(None), k)] = 1
            resized = cv2.resize(image, size[::-1], interpolation=interpolation)
            matrix[:, k] = resized[:, 0] if axis == 0 else resized[0]
        matrices.append(matrix)
    return matrices[0], matrices[1]


def _network(graph: Graph, backbone: OnnxNetwork, x: Value, n_features: int) -> Value:
    """The backbone's nodes and weights, with names of their own, behind `x`."""
    try:
        model = version_converter.convert_version(onnx.load_model_from_string(backbone.content), OPSET)
    except (DecodeError, RuntimeError, ValueError) as error:
        line = " ".join(str(error).split())[:200]
        raise InputError(
            f"The backbone {backbone.name} can't be exported to ONNX: the package onnx can't bring it to opset "
            f"{OPSET}. It says: {line}"
        ) from error
    inner = compose.add_prefix_graph(model.graph, PREFIX)
    constants = {each.name for each in inner.initializer}
    [entry] = [each for each in inner.input if each.name not in constants]
    batch = entry.type.tensor_type.shape.dim[0]
    if batch.dim_value:
        raise InputError(
            f"The backbone {backbone.name} can't be exported to ONNX: it takes {batch.dim_value} image at a time, and "
            "the exported graph takes any number. Export the backbone anew with a free first axis."
        )
    graph.nodes.append(onnx.helper.make_node("Identity", [x], [entry.name]))
    graph.nodes.extend(inner.node)
    graph.constants.extend(inner.initializer)
    return graph.reshaped(inner.output[0].name, -1, n_features)
