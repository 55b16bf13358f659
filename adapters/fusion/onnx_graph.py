"""A trained classifier of several modalities as an ONNX graph, for programs that are not Python.

Inputs are the embeddings of each modality, (N, D) float32 by its name; a row of zeros is a modality
that is absent. The output is `scores` (N, C). How a modality counts depends on which others a row
has, which is one of 2^M sets, so factors and temperatures are tables that the graph looks up. It is
computed by ONNX Runtime once when it is made, and refused where it differs from numpy.
"""

import numpy as np
from numpy.typing import NDArray

from adapters.few_shot.base import FloatArray
from adapters.few_shot.onnx_file import Node, onnx_model
from adapters.fusion.attention import AttentionFusion
from adapters.fusion.base import BoolArray, FusionAdapter, subsets, take_rows, with_only
from adapters.fusion.classifier import FusedClassifier
from adapters.fusion.early import EarlyFusion, row_norms
from adapters.fusion.gates import GatedFusion
from adapters.fusion.mean import MeanFusion
from adapters.fusion.stacking import StackedFusion

__all__ = ["TOLERANCE", "fused_onnx"]

TOLERANCE = 1e-5
MOST_CHECKED = 64
"""Shots, each with every set of its modalities."""
_FLOAT, _INT64 = 1, 7
_FAR_BELOW = 1e9

Constants = dict[str, NDArray[np.float32] | NDArray[np.int64]]
Graph = tuple[list[Node], Constants]


def fused_onnx(classifier: FusedClassifier) -> bytes:
    """The ONNX file of a classifier.

    Raises:
        ValueError: its graph differs from numpy.
    """
    adapter = classifier.adapter
    nodes, constants = _sets(adapter)
    make = _attention if isinstance(adapter, AttentionFusion) else _tabulated
    more_nodes, more = make(adapter)
    terms = [f"{name}.term" for name in adapter.modalities]
    kind = "Softmax" if classifier.is_exclusive else "Sigmoid"
    nodes += [
        *more_nodes,
        Node(kind="Sum", inputs=terms, outputs=["logits"]),
        Node(kind="Gather", inputs=["temperatures", "set"], outputs=["temperature"]),
        Node(kind="Div", inputs=["logits", "temperature"], outputs=["calibrated"]),
        Node(
            kind=kind,
            inputs=["calibrated"],
            outputs=["scores"],
            attributes={"axis": -1} if classifier.is_exclusive else {},
        ),
    ]
    constants |= more | {"temperatures": _temperatures(classifier)}
    content = onnx_model(
        nodes,
        constants,
        sources=list(adapter.dims.items()),
        target=("scores", adapter.num_classes),
    )
    _check(content, classifier)
    return content


def _sets(adapter: FusionAdapter) -> Graph:
    """Which modalities each row has: `NAME.here` (N, 1) of 0 and 1, `here` (N, M), `set` (N,)."""
    nodes, names = [], adapter.modalities
    for name in names:
        length, is_here, here = f"{name}.length", f"{name}.is_here", f"{name}.here"
        nodes += [
            Node(kind="ReduceL2", inputs=[name], outputs=[length], attributes={"axes": [1]}),
            Node(kind="Greater", inputs=[length, "half"], outputs=[is_here]),
            Node(kind="Cast", inputs=[is_here], outputs=[here], attributes={"to": _FLOAT}),
        ]
    joined = [f"{name}.here" for name in names]
    nodes += [
        Node(kind="Concat", inputs=joined, outputs=["here"], attributes={"axis": 1}),
        Node(kind="MatMul", inputs=["here", "powers"], outputs=["code"]),
        Node(kind="Cast", inputs=["code"], outputs=["codes"], attributes={"to": _INT64}),
        Node(kind="Squeeze", inputs=["codes", "one"], outputs=["set"]),
    ]
    powers = (2.0 ** np.arange(len(names)))[:, None].astype(np.float32)
    return nodes, {"half": _number(0.5), "powers": powers, "one": np.array([1], np.int64)}


def _tabulated(adapter: FusionAdapter) -> Graph:
    """Terms `factor[set] (x @ weights.T) + bias[set]`, of methods whose factors only know sets."""
    nodes: list[Node] = []
    constants: Constants = {}
    for_weights, for_bias, by_class = _factors(adapter, _all_sets(len(adapter.modalities)))
    for place, name in enumerate(adapter.modalities):
        own = by_class[place]
        nodes += [
            _product(name, f"{name}.weights", f"{name}.product"),
            Node(kind="Gather", inputs=[f"{name}.factors", "set"], outputs=[f"{name}.factor"]),
            Node(kind="Gather", inputs=[f"{name}.biases", "set"], outputs=[f"{name}.bias"]),
            _pair("Mul", f"{name}.product", f"{name}.factor", f"{name}.weighed"),
            _pair("Add", f"{name}.weighed", f"{name}.bias", f"{name}.term"),
        ]
        constants |= {
            f"{name}.weights": adapter.arrays[f"{name}/weights"] * own[:, None],
            f"{name}.factors": for_weights[:, [place]],
            f"{name}.biases": for_bias[:, [place]] * (adapter.arrays[f"{name}/bias"] * own),
        }
    return nodes, constants


def _factors(adapter: FusionAdapter, sets: BoolArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """How much weights and bias of each modality count, both (S, M) by set, and (M, C) by class."""
    there = sets.astype(np.float32)
    number = np.maximum(there.sum(axis=1, keepdims=True), 1)
    by_class = np.ones((len(adapter.modalities), adapter.num_classes), np.float32)
    if isinstance(adapter, EarlyFusion):
        norms = row_norms(sets, adapter.arrays["scales"])
        return there / norms[:, None], there / number, by_class
    if isinstance(adapter, MeanFusion):
        return there / number, there / number, by_class
    if isinstance(adapter, GatedFusion | StackedFusion):
        gates, exponent = adapter.arrays["gates"], adapter.arrays["exponent"][0]
        both = np.asarray(there * np.exp(gates) * number**exponent, np.float32)
        return both, both, adapter.arrays.get("class_gates", by_class)
    raise ValueError(f"fusion {adapter.name!r} has no ONNX form")


def _attention(adapter: FusionAdapter) -> Graph:
    """Terms `M share (x @ weights.T + bias)`, shares by what the tokens show."""
    nodes: list[Node] = []
    constants: Constants = {
        "offsets": adapter.arrays["offsets"],
        "far": _number(_FAR_BELOW),
        "number": _number(len(adapter.modalities)),
    }
    for name in adapter.modalities:
        nodes.append(_product(name, f"{name}.keys", f"{name}.says"))
        constants |= {
            f"{name}.{key}": adapter.arrays[f"{name}/{key}"] for key in ("bias", "keys", "weights")
        }
    said = [f"{name}.says" for name in adapter.modalities]
    nodes += [
        Node(kind="Sum", inputs=[*said, "offsets"], outputs=["attention"]),
        _pair("Mul", "here", "far", "raised"),
        _pair("Sub", "raised", "far", "mask"),
        _pair("Add", "attention", "mask", "masked"),
        Node(kind="Softmax", inputs=["masked"], outputs=["shares"], attributes={"axis": -1}),
        _pair("Mul", "shares", "number", "weighed"),
        _pair("Mul", "weighed", "here", "counted"),
    ]
    for place, name in enumerate(adapter.modalities):
        constants[f"{name}.place"] = np.array([place], np.int64)
        nodes += [
            _product(name, f"{name}.weights", f"{name}.product"),
            _pair("Add", f"{name}.product", f"{name}.bias", f"{name}.value"),
            Node(
                kind="Gather",
                inputs=["counted", f"{name}.place"],
                outputs=[f"{name}.share"],
                attributes={"axis": 1},
            ),
            _pair("Mul", f"{name}.value", f"{name}.share", f"{name}.term"),
        ]
    return nodes, constants


def _temperatures(classifier: FusedClassifier) -> FloatArray:
    """(S, 1) by set; one for a row without any modality."""
    names = classifier.modalities
    found = np.ones((1 << len(names), 1), np.float32)
    for kept in subsets(names):
        found[sum(1 << names.index(name) for name in kept)] = classifier.doubts[kept].temperature
    return found


def _all_sets(number: int) -> BoolArray:
    """(S, M), row s holds modality m where bit m of s is set."""
    return (np.arange(1 << number)[:, None] >> np.arange(number) & 1).astype(bool)


def _check(content: bytes, classifier: FusedClassifier) -> None:
    """Compute shots with every set of modalities both ways.

    Raises:
        ValueError: They differ.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    shots = take_rows(classifier.examples, np.arange(len(classifier.example_ids))[:MOST_CHECKED])
    for kept in [(), *subsets(classifier.modalities)]:
        rows = with_only(shots, kept)
        inputs = {name: rows[name].embeddings for name in classifier.modalities}
        (made,) = session.run(["scores"], inputs)
        difference = float(np.abs(made - classifier.answer(rows, num_examples=1).shares).max())
        if not difference <= TOLERANCE:
            raise ValueError(
                f"the ONNX form of fusion {classifier.adapter.name!r} differs from numpy by "
                f"{difference:.2g} where rows have {', '.join(kept) or 'nothing'}"
            )


def _product(source: str, weights: str, target: str) -> Node:
    """`source @ weights.T`."""
    inputs = [source, weights]
    return Node(kind="Gemm", inputs=inputs, outputs=[target], attributes={"transB": 1})


def _pair(kind: str, first: str, second: str, target: str) -> Node:
    return Node(kind=kind, inputs=[first, second], outputs=[target])


def _number(value: float) -> FloatArray:
    return np.array([value], np.float32)
