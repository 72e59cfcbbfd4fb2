"""Writing a bundle folder: ONNX, manifest with hashes, parity vectors."""

import hashlib
import json
from pathlib import Path

import onnx
import torch

OPSET = 18


def export(model: torch.nn.Module, path: Path, inputs, input_names, output_names, dynamic):
    """Exports `model` as one ONNX file at OPSET, weights inside, and checks it."""
    torch.onnx.export(
        model, tuple(inputs), str(path), input_names=input_names, output_names=output_names,
        dynamic_axes=dynamic, opset_version=OPSET, dynamo=False, do_constant_folding=True,
    )  # fmt: skip
    proto = onnx.load(path)
    onnx.checker.check_model(proto)
    assert [o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")] == [OPSET]
    del proto.metadata_props[:]
    proto.doc_string = ""
    for node in proto.graph.node:
        node.doc_string = ""
    onnx.save(proto, path)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_json(path: Path, value):
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def toml_value(x) -> str:
    """A TOML value; strings by JSON's escapes, which TOML shares for what we write."""
    if isinstance(x, bool):
        return str(x).lower()
    if isinstance(x, str):
        return json.dumps(x, ensure_ascii=False)
    if isinstance(x, int):
        return str(x)
    if isinstance(x, float):
        return repr(x)
    if isinstance(x, (list, tuple)):
        return "[" + ", ".join(toml_value(v) for v in x) + "]"
    raise TypeError(type(x))


def toml(table: dict, prefix: str = "") -> str:
    """Plain values first, then [tables], then [[arrays of tables]], in the order given; `prefix` is the table's own name."""
    lines, later = [], []
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            later.append(f"\n[{name}]\n" + toml(value, name + "."))
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            later += [f"\n[[{name}]]\n" + toml(v, name + ".") for v in value]
        else:
            lines.append(f"{key} = {toml_value(value)}\n")
    return "".join(lines + later)


def write_manifest(folder: Path, table: dict, files: list[str]):
    """manifest.toml with the hash of every file of the bundle but itself."""
    entries = [{"path": f, "sha256": sha256(folder / f)} for f in files]
    (folder / "manifest.toml").write_text(toml(table | {"files": entries}))
