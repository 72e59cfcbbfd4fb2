"""A stay computed at once equals each of its windows computed alone, and the ONNX forest equals LightGBM."""

import tempfile
import unittest
from pathlib import Path

import lightgbm
import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper

from bedwatch_training import contract
from bedwatch_training.contract import F, MAX_HOURS, S, Person
from bedwatch_training.forest import Forest, opset
from bedwatch_training.summary import Summary


def stay(hours, rng):
    values = np.where(rng.random((hours, S)) < 0.3, rng.normal(60, 30, (hours, S)), np.nan).astype(np.float32)
    person = Person(np.full(hours, 63.0), np.full(hours, 1.0), np.arange(1, hours + 1, dtype=np.float32), np.full(hours, 12.0), np.zeros(hours, dtype=int))
    return contract.tokens(values, np.zeros(hours, dtype=int), person, np.full(S, 50.0), np.full(S, 20.0))


class SummaryTest(unittest.TestCase):
    def test_windows_say_what_the_whole_stay_says(self):
        tokens, module = stay(130, np.random.default_rng(1)), Summary().eval()
        self.assertEqual(tokens.shape, (130, F))
        whole = module(torch.from_numpy(tokens[None]))[0].numpy()
        self.assertEqual(whole.shape[1], len(module.names))
        for end in (1, 2, 7, 47, 48, 49, 50, 96, 130):
            window = tokens[None, max(0, end - MAX_HOURS) : end]
            last = module(torch.from_numpy(window))[0, -1].numpy()
            different = np.flatnonzero(last != whole[end - 1])
            self.assertEqual([module.names[i] for i in different], [], f"hour {end}")

    def test_the_forest_is_lightgbm(self):
        rng = np.random.default_rng(2)
        x = np.round(rng.normal(0, 2, (3000, 12)) * 64).astype(np.float32) / 64
        y = (x[:, 0] * x[:, 1] + rng.normal(0, 1, 3000) > 0).astype(float)
        model = lightgbm.train({"objective": "binary", "num_leaves": 15, "verbose": -1, "seed": 1}, lightgbm.Dataset(x, y), 40)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "m.txt"
            model.save_model(path)
            forest = Forest(2)
            forest.add(path, 1, 0.5)
        info = lambda name, width: helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", width])  # noqa: E731
        graph = helper.make_graph([forest.node("x", "y")], "g", [info("x", 12)], [info("y", 2)])
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18), opset()], ir_version=9)
        session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
        said = session.run(None, {"x": x})[0]
        np.testing.assert_allclose(said[:, 1], 0.5 * model.predict(x, raw_score=True), atol=1e-5)
        np.testing.assert_array_equal(said[:, 0], 0)


if __name__ == "__main__":
    unittest.main()
