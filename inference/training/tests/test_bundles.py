"""The committed bundles keep their promises: hashes, parity vectors, size, opset."""

import json
import tempfile
import tomllib
import unittest
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from bedwatch_training import contract
from bedwatch_training.bundle import sha256, toml
from bedwatch_training.quantize import OUTPUTS, session, stays
from bedwatch_training.pack import pack_int8

ENCODER = "encoder-hourly-v2"
MODELS = Path(__file__).parents[2] / "models"


def manifest_of(name):
    return tomllib.loads((MODELS / name / "manifest.toml").read_text())


class Bundles(unittest.TestCase):
    def test_hashes_and_opset(self):
        for name in (ENCODER, "narrator-v2"):
            manifest = manifest_of(name)
            for file in manifest["files"]:
                self.assertEqual(sha256(MODELS / name / file["path"]), file["sha256"], file["path"])
            graph = onnx.load(MODELS / name / manifest["onnx"]["file"])
            self.assertEqual({o.domain: o.version for o in graph.opset_import}.get(""), manifest["onnx"]["opset"])
            self.assertEqual([i.name for i in graph.graph.input], manifest["onnx"]["inputs"])
            self.assertEqual([o.name for o in graph.graph.output], manifest["onnx"]["outputs"])

    def test_encoder_parity_and_contract(self):
        folder, manifest = MODELS / ENCODER, manifest_of(ENCODER)
        parity, graph = json.loads((folder / "parity.json").read_text()), session(folder / "encoder.onnx")
        for case in parity["sequences"]:
            said = graph.run(OUTPUTS, {"tokens": np.array([case["tokens"]], dtype=np.float32)})
            for name, found in zip(OUTPUTS, said):
                np.testing.assert_allclose(found.ravel(), case[name], atol=parity["tolerance"])
        variables = manifest["input"]["variables"]
        self.assertEqual([v["name"] for v in variables], [v.name for v in contract.VARIABLES])
        mean, sd = (np.array([v[k] for v in variables]) for k in ("mean", "sd"))
        for told, built in zip(parity["contract"], stays(mean, sd)):
            self.assertEqual(told, built)

    def test_encoder_reads_no_more_than_its_window(self):
        graph, rng = session(MODELS / ENCODER / "encoder.onnx"), np.random.default_rng(2)
        x = rng.normal(size=(1, contract.MAX_HOURS, contract.F)).astype(np.float32)
        one, two = (graph.run(OUTPUTS, {"tokens": t})[0] for t in (x, x.copy()))
        np.testing.assert_array_equal(one, two)


class Tools(unittest.TestCase):
    def test_packing_keeps_the_product_within_half_a_step(self):
        rng = np.random.default_rng(1)
        weight = rng.normal(size=(64, 48)).astype(np.float32)
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["y"])], "g",
            [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [None, 64])],
            [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [None, 48])],
            [numpy_helper.from_array(weight, "w")],
        )  # fmt: skip
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "m.onnx"
            onnx.save(model, path)
            before = path.stat().st_size
            pack_int8(path)
            self.assertLess(path.stat().st_size, before / 2)
            unpacked = session(path).run(None, {"x": np.eye(64, dtype=np.float32)})[0]
        step = np.abs(weight).max(0) / 127
        self.assertTrue((np.abs(unpacked - weight) <= step / 2 + 1e-6).all())

    def test_toml_reads_back(self):
        table = {"a": 1, "b": "x \"y\" é", "t": {"c": [1.5, 2.0], "vs": [{"n": "p", "ok": True}, {"n": "q", "ok": False}]}, "h": [{"i": 0}]}
        self.assertEqual(tomllib.loads(toml(table)), table)


if __name__ == "__main__":
    unittest.main()
