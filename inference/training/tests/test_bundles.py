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
from bedwatch_training.export_encoder import session
from bedwatch_training.pack import pack_int8

MODELS = Path(__file__).parents[2] / "models"


def manifest_of(name):
    return tomllib.loads((MODELS / name / "manifest.toml").read_text())


class Bundles(unittest.TestCase):
    def test_hashes_and_opset(self):
        for name in ("encoder-hourly-v1", "narrator-v1"):
            manifest = manifest_of(name)
            for file in manifest["files"]:
                self.assertEqual(sha256(MODELS / name / file["path"]), file["sha256"], file["path"])
            graph = onnx.load(MODELS / name / manifest["onnx"]["file"])
            self.assertEqual({o.domain: o.version for o in graph.opset_import}.get(""), manifest["onnx"]["opset"])
            self.assertEqual([i.name for i in graph.graph.input], manifest["onnx"]["inputs"])
            self.assertEqual([o.name for o in graph.graph.output], manifest["onnx"]["outputs"])

    def test_encoder_parity_and_contract(self):
        folder, manifest = MODELS / "encoder-hourly-v1", manifest_of("encoder-hourly-v1")
        parity, graph = json.loads((folder / "parity.json").read_text()), session(folder / "encoder.onnx")
        for case in parity["sequences"]:
            logits, embedding = graph.run(None, {"tokens": np.array([case["tokens"]], dtype=np.float32)})
            np.testing.assert_allclose(logits[0], case["logits"], atol=parity["tolerance"])
            np.testing.assert_allclose(embedding[0, -1], case["embedding_last"], atol=parity["tolerance"])
        variables = manifest["input"]["variables"]
        self.assertEqual([v["name"] for v in variables], [v.name for v in contract.VARIABLES])
        case = parity["contract"]
        values = np.full((len(case["hours"]), contract.S), np.nan, dtype=np.float32)
        for h, seen in enumerate(case["hours"]):
            for name, x in seen.items():
                values[h, [v["name"] for v in variables].index(name)] = x
        n = len(values)
        mean, sd = (np.array([v[k] for v in variables]) for k in ("mean", "sd"))
        built = contract.tokens(values, np.zeros(n, int), np.full(n, case["age_years"]), np.full(n, np.nan), np.array(case["hours_since_admission"]), mean, sd)
        np.testing.assert_allclose(built, case["tokens"], atol=1e-5)

    def test_encoder_never_looks_ahead(self):
        graph, rng = session(MODELS / "encoder-hourly-v1" / "encoder.onnx"), np.random.default_rng(2)
        x = rng.normal(size=(1, 48, contract.F)).astype(np.float32)
        changed = x.copy()
        changed[:, 30:] += 1.0
        a, b = (graph.run(None, {"tokens": t})[0] for t in (x, changed))
        np.testing.assert_allclose(a[:, :30], b[:, :30], atol=1e-5)
        self.assertGreater(np.abs(a[:, 30:] - b[:, 30:]).max(), 1e-3)
        cut = graph.run(None, {"tokens": x[:, :30]})[0]
        np.testing.assert_allclose(a[:, :30], cut, atol=1e-4)


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
