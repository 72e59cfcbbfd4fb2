"""LightGBM models as one ONNX tree ensemble.

Read from LightGBM's text format. Summaries are finite float32 multiples of
1/64, so a threshold may be lowered to the float32 at or below it without
changing any decision, and missing values need no rule.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

ML_OPSET = 5
LESS_OR_EQUAL, SUM, NO_TRANSFORM = 0, 1, 0  # codes of TreeEnsemble-5


def _lists(*names):
    return field(default_factory=lambda: {n: [] for n in names})


@dataclass
class Forest:
    """Trees of several models, each leaf scaled and summed into one target."""

    targets: int
    roots: list = field(default_factory=list)
    nodes: dict = _lists("featureids", "splits", "truenodeids", "trueleafs", "falsenodeids", "falseleafs")
    leaves: dict = _lists("targetids", "weights")

    def add(self, path: Path, target: int, scale: float, rounds: int | None = None):
        """All trees (or the first `rounds`) of a model, times `scale`, into `target`."""
        for tree in list(parse(path))[:rounds]:
            self._tree(tree, target, scale)

    def _tree(self, tree: dict, target: int, scale: float):
        first, leaf = len(self.nodes["splits"]), len(self.leaves["weights"])
        self.roots.append(first)
        for i in range(len(tree["split_feature"])):
            self.nodes["featureids"].append(int(tree["split_feature"][i]))
            self.nodes["splits"].append(below(tree["threshold"][i]))
            for side, word in (("left", "true"), ("right", "false")):
                child = int(tree[f"{side}_child"][i])
                self.nodes[f"{word}leafs"].append(int(child < 0))
                self.nodes[f"{word}nodeids"].append(leaf + ~child if child < 0 else first + child)
        self.leaves["targetids"] += [target] * len(tree["leaf_value"])
        self.leaves["weights"] += [value * scale for value in tree["leaf_value"]]

    def node(self, source: str, result: str):
        """The ensemble as one node of ai.onnx.ml: `source` [N, wide] -> `result` [N, targets]."""
        tensor = lambda name, x, kind: numpy_helper.from_array(np.array(x, dtype=kind), name)  # noqa: E731
        whole = {f"nodes_{k}": self.nodes[k] for k in self.nodes if k != "splits"}
        return helper.make_node(
            "TreeEnsemble", [source], [result], domain="ai.onnx.ml", n_targets=self.targets, aggregate_function=SUM, post_transform=NO_TRANSFORM,
            tree_roots=self.roots, nodes_splits=tensor("nodes_splits", self.nodes["splits"], np.float32),
            nodes_modes=tensor("nodes_modes", [LESS_OR_EQUAL] * len(self.nodes["splits"]), np.uint8),
            leaf_targetids=self.leaves["targetids"], leaf_weights=tensor("leaf_weights", self.leaves["weights"], np.float32), **whole,
        )  # fmt: skip


def opset() -> onnx.OperatorSetIdProto:
    return helper.make_opsetid("ai.onnx.ml", ML_OPSET)


def below(threshold: float) -> float:
    """The largest float32 not above `threshold`."""
    x = np.float32(threshold)
    return float(np.nextafter(x, np.float32(-np.inf)) if float(x) > threshold else x)


def parse(path: Path):
    """The trees of a LightGBM text file as arrays. A tree without a split only shifts every answer: it becomes one split with equal leaves."""
    for block in path.read_text().split("\nTree=")[1:]:
        fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if int(fields["num_cat"]):
            raise ValueError("categorical splits are not written")
        if int(fields["num_leaves"]) == 1:
            value = float(fields["leaf_value"])
            yield {"split_feature": [0], "threshold": [0.0], "left_child": [-1], "right_child": [-2], "leaf_value": [value, value]}
            continue
        kinds = {"split_feature": int, "threshold": float, "left_child": int, "right_child": int, "leaf_value": float}
        yield {k: np.array(fields[k].split(), dtype=t) for k, t in kinds.items()}
