"""Stores an ONNX file's weight matrices as int8 with one scale per column (or embedding row).

The graph holds Cast and Mul nodes that ONNX Runtime folds back to fp32 when it
loads the file: a quarter of the size, fp32 arithmetic at run time, and the
same result on every CPU (dynamic int8 arithmetic differs between instruction
sets and between batch shapes).
"""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper

SMALLEST = 2048  # elements; smaller tensors stay fp32


def pack_int8(path: Path):
    """Rewrites the file at `path` in place."""
    model = onnx.load(path)
    graph = model.graph
    by_row = {n.input[0] for n in graph.node if n.op_type == "Gather"}
    by_row |= {n.input[1] for n in graph.node if n.op_type == "Gemm" and any(a.name == "transB" and a.i for a in n.attribute)}
    kept, unpack = [], []
    for tensor in graph.initializer:
        weight = numpy_helper.to_array(tensor)
        if weight.dtype != np.float32 or weight.ndim != 2 or weight.size < SMALLEST:
            kept.append(tensor)
            continue
        axis = 1 if tensor.name in by_row else 0
        scale = np.maximum(np.abs(weight).max(axis=axis, keepdims=True) / 127.0, 1e-12).astype(np.float32)
        name = tensor.name
        kept.append(numpy_helper.from_array(np.round(weight / scale).astype(np.int8), name + "_int8"))
        kept.append(numpy_helper.from_array(scale, name + "_scale"))
        unpack.append(helper.make_node("Cast", [name + "_int8"], [name + "_cast"], to=onnx.TensorProto.FLOAT))
        unpack.append(helper.make_node("Mul", [name + "_cast", name + "_scale"], [name]))
    nodes = unpack + list(graph.node)
    del graph.initializer[:]
    graph.initializer.extend(kept)
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, path)


@torch.no_grad()
def round_weights(module: torch.nn.Module):
    """Rounds the matrices of linear layers to what `pack_int8` will store, so that the network that is checked is the one that is shipped."""
    for layer in module.modules():
        if isinstance(layer, torch.nn.Linear) and layer.weight.numel() >= SMALLEST:
            scale = (layer.weight.abs().amax(dim=1, keepdim=True) / 127.0).clamp(min=1e-12)
            layer.weight.copy_(torch.round(layer.weight / scale) * scale)
