"""The graph that serves: summaries, the network and the ensemble's forests, for the last hour of a window."""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper

from .bundle import OPSET, export
from .contract import F, MAX_HOURS
from .encoder import HEADS
from .ensemble import SETS, Ensemble
from .forest import Forest, opset


class Serving(torch.nn.Module):
    """tokens [1, T, F] -> summary [1, wide], network logits [1, heads], embedding [1, D], distance [1, 1]."""

    def __init__(self, network, ood: dict):
        super().__init__()
        self.network = network
        self.register_buffer("centre", torch.tensor(ood["centre"], dtype=torch.float32))
        self.register_buffer("precision", torch.tensor(ood["precision"], dtype=torch.float32))

    def forward(self, tokens):
        net, length = self.network, tokens.shape[1]
        summary = net.summary(tokens)
        x = net.enter(summary)
        for block in net.blocks:
            x = block(x, net.bias[:, :length, :length])
        embedding = net.norm(x)[:, -1]
        off = embedding - self.centre
        distance = torch.sqrt(((off @ self.precision) * off).sum(-1, keepdim=True).clamp(min=0.0) / off.shape[-1])
        return summary[:, -1], net.head(embedding), embedding, distance


def write(path: Path, network, calibration: dict, work: Path):
    """The whole graph: tokens -> logits [1, heads], embedding [1, D], distance [1, 1]."""
    model = Serving(network, calibration["ood"]).eval()
    names = ["summary", "network", "embedding", "distance"]
    tokens = torch.zeros(1, MAX_HOURS, F)
    tokens[..., 0] = torch.linspace(-1, 1, MAX_HOURS)
    export(model, path, (tokens,), ["tokens"], names, {"tokens": {1: "time"}})
    proto = onnx.load(path)
    graph, trees = proto.graph, Forest(len(HEADS))
    ensembles = {name: Ensemble.load(work, name) for name in SETS}
    for name, ensemble in ensembles.items():
        for forest, weight in ensemble.forests:
            trees.add(forest, HEADS.index(name), weight)
    share = np.array([[ensembles[name].network if name in ensembles else 1.0 for name in HEADS]], dtype=np.float32)
    graph.initializer.append(numpy_helper.from_array(share, "weight_of_the_network"))
    graph.node.extend([
        trees.node("summary", "forest"),
        helper.make_node("Mul", ["network", "weight_of_the_network"], ["own"]),
        helper.make_node("Add", ["own", "forest"], ["logits"]),
    ])  # fmt: skip
    outputs = [o for o in graph.output if o.name in ("embedding", "distance")]
    del graph.output[:]
    graph.output.extend([helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, [1, len(HEADS)]), *outputs])
    proto.opset_import.append(opset())
    onnx.checker.check_model(proto)
    onnx.save(proto, path)
    print(f"{path.name}: {len(trees.roots)} trees, {path.stat().st_size / 1e6:.1f} MB, opset {OPSET}")
