"""A trained classifier as an ONNX graph: embeddings (N, D) -> calibrated scores (N, C).

Made for programs that are not Python; Sceneprint itself answers with numpy. The graph is computed
by ONNX Runtime once when it is made, and refused where it differs from numpy.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from adapters.few_shot.base import FewShotAdapter, LinearAdapter
from adapters.few_shot.classifier import FewShotClassifier
from adapters.few_shot.clip_adapter import BLEND, ClipAdapter
from adapters.few_shot.nearest import PRIOR_VOTES, SIMILARITY_SCALE, NearestExamples
from adapters.few_shot.onnx_file import Node, onnx_model
from adapters.few_shot.tip_adapter import BETA, TipAdapter

__all__ = ["TOLERANCE", "classifier_onnx"]

TOLERANCE = 1e-5
MOST_CHECKED = 256

Graph = tuple[list[Node], dict[str, NDArray[np.float32] | NDArray[np.int64]]]
"""Nodes from `embeddings` to `logits`, and constants beside the adapter's arrays."""


def classifier_onnx(classifier: FewShotClassifier) -> bytes:
    """The ONNX file of a classifier.

    Raises:
        ValueError: an adapter that has no graph, or one whose graph differs from numpy.
    """
    adapter = classifier.adapter
    nodes, constants = _graph(adapter)
    own = {name: value for name, value in adapter.arrays.items() if name != "embeddings"}
    constants |= own | {"temperature": _number(classifier.temperature)}
    nodes.append(Node(kind="Div", inputs=["logits", "temperature"], outputs=["calibrated"]))
    last = Node(kind="Softmax", inputs=["calibrated"], outputs=["scores"], attributes={"axis": -1})
    if not classifier.is_exclusive:
        last = Node(kind="Sigmoid", inputs=["calibrated"], outputs=["scores"])
    used = {name for node in [*nodes, last] for name in node.inputs}
    content = onnx_model(
        [*nodes, last],
        {name: value for name, value in constants.items() if name in used},
        sources=[("embeddings", adapter.dim)],
        target=("scores", adapter.num_classes),
    )
    _check(content, classifier)
    return content


def _check(content: bytes, classifier: FewShotClassifier) -> None:
    import onnxruntime

    rows = np.ascontiguousarray(classifier.examples[:MOST_CHECKED])
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (made,) = session.run(["scores"], {"embeddings": rows})
    difference = float(np.abs(made - classifier.answer(rows, num_examples=1).shares).max())
    if not difference <= TOLERANCE:
        raise ValueError(
            f"the ONNX form of {classifier.adapter.name!r} differs from numpy by {difference:.2g}"
        )


def _graph(adapter: FewShotAdapter) -> Graph:
    for kind, make in _MAKERS:
        if isinstance(adapter, kind):
            return make(adapter)
    raise ValueError(f"adapter {adapter.name!r} has no ONNX form")


def _linear(adapter: FewShotAdapter) -> Graph:
    return [_product("embeddings", "logits")], {}


def _clip_adapter(adapter: FewShotAdapter) -> Graph:
    nodes = [
        Node(kind="MatMul", inputs=["embeddings", "down"], outputs=["narrow"]),
        Node(kind="Relu", inputs=["narrow"], outputs=["hidden"]),
        Node(kind="MatMul", inputs=["hidden", "up"], outputs=["wide"]),
        Node(kind="Relu", inputs=["wide"], outputs=["moved"]),
        Node(kind="Mul", inputs=["moved", "blend"], outputs=["new"]),
        Node(kind="Mul", inputs=["embeddings", "rest"], outputs=["old"]),
        Node(kind="Add", inputs=["new", "old"], outputs=["mixed"]),
        Node(kind="ReduceL2", inputs=["mixed"], outputs=["length"], attributes={"axes": [1]}),
        Node(kind="Max", inputs=["length", "least"], outputs=["norm"]),
        Node(kind="Div", inputs=["mixed", "norm"], outputs=["unit"]),
        _product("unit", "logits"),
    ]
    return nodes, {"blend": _number(BLEND), "rest": _number(1 - BLEND), "least": _number(1e-6)}


def _tip_adapter(adapter: FewShotAdapter) -> Graph:
    nodes = [
        _product("embeddings", "text"),
        *_cosines("keys"),
        Node(kind="Sub", inputs=["cosines", "one"], outputs=["nearness"]),
        Node(kind="Mul", inputs=["nearness", "beta"], outputs=["power"]),
        Node(kind="Exp", inputs=["power"], outputs=["affinities"]),
        Node(kind="MatMul", inputs=["affinities", "values"], outputs=["cached"]),
        Node(kind="Add", inputs=["text", "cached"], outputs=["logits"]),
    ]
    return nodes, {"one": _number(1), "beta": _number(BETA)}


def _nearest(adapter: FewShotAdapter) -> Graph:
    nodes = [
        *_cosines("embeddings_of_shots"),
        Node(kind="TopK", inputs=["cosines", "count"], outputs=["best", "near"]),
        Node(kind="Mul", inputs=["best", "scale"], outputs=["powers"]),
        Node(kind="Softmax", inputs=["powers"], outputs=["votes"], attributes={"axis": -1}),
        Node(kind="Unsqueeze", inputs=["votes", "middle"], outputs=["row"]),
        Node(kind="Gather", inputs=["targets", "near"], outputs=["labels"]),
        Node(kind="MatMul", inputs=["row", "labels"], outputs=["voted"]),
        Node(kind="Squeeze", inputs=["voted", "middle"], outputs=["shares"]),
        Node(kind="Add", inputs=["shares", "prior"], outputs=["raised"]),
        Node(kind="Div", inputs=["raised", "total"], outputs=["share"]),
        Node(kind="Sub", inputs=["one", "share"], outputs=["against"]),
        Node(kind="Div", inputs=["share", "against"], outputs=["odds"]),
        Node(kind="Log", inputs=["odds"], outputs=["logits"]),
    ]
    return nodes, {
        "embeddings_of_shots": adapter.arrays["embeddings"],
        "count": adapter.arrays["k"].astype(np.int64),
        "middle": np.array([1], np.int64),
        "scale": _number(SIMILARITY_SCALE),
        "prior": _number(PRIOR_VOTES / adapter.num_classes),
        "total": _number(1 + PRIOR_VOTES),
        "one": _number(1),
    }


_MAKERS: tuple[tuple[type[FewShotAdapter], Callable[[FewShotAdapter], Graph]], ...] = (
    (LinearAdapter, _linear),
    (ClipAdapter, _clip_adapter),
    (TipAdapter, _tip_adapter),
    (NearestExamples, _nearest),
)


def _product(source: str, target: str) -> Node:
    """`source @ weights.T + bias`."""
    inputs = [source, "weights", "bias"]
    return Node(kind="Gemm", inputs=inputs, outputs=[target], attributes={"transB": 1})


def _cosines(keys: str) -> list[Node]:
    turned = Node(kind="Transpose", inputs=[keys], outputs=["turned"], attributes={"perm": [1, 0]})
    return [turned, Node(kind="MatMul", inputs=["embeddings", "turned"], outputs=["cosines"])]


def _number(value: float) -> NDArray[np.float32]:
    return np.array([value], np.float32)
