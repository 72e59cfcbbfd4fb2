"""Writes the tiny encoder bundle the Rust tests load: contract "hourly-v2", seeded weights, no training.

    python -m bedwatch_training.tiny_bundle --out ../tests-data/encoder-tiny-v2

Its trees make low pressure, high lactate and fast breathing raise both risks, so that
counterfactuals exist; everything else is random. It has every part a bundle can have:
tree operators, conformal rows, out-of-distribution threshold, neighbours, text search.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from . import SEED
from .bundle import write_json, write_manifest

OPSET = 18
CLIP, CAP, MAX_HOURS = 5.0, 48, 48
HIDDEN, D = 24, 16
#             name, sources, transform, mean, sd (after the transform)
VARIABLES = (
    ("heart_rate", ("heart_rate", "pulse_rate"), "identity", 85.0, 17.0),
    ("spo2", ("spo2",), "identity", 97.0, 3.0),
    ("temperature", ("temperature",), "identity", 37.0, 0.8),
    ("map", ("abp_mean", "nibp_mean"), "identity", 82.0, 16.0),
    ("resp_rate", ("resp_rate",), "identity", 18.0, 5.0),
    ("lactate", ("lactate",), "log1p", 1.1, 0.46),
    ("creatinine", ("creatinine",), "log1p", 0.8, 0.43),
    ("glucose", ("glucose",), "log1p", 4.87, 0.31),
)
S = len(VARIABLES)
F = 3 * S + 9
UNITS = ("medical", "surgical", "coronary", "cardiac_surgery")
LAYOUT = ["values", "masks", "ages", "age_years", "sex", "since_admission", "before_icu", "before_icu_known"]
LAYOUT += [f"unit_{u}" for u in UNITS]
HEADS = ("sepsis", "deterioration")
WORDS = (
    "septic", "shock", "noradrenaline", "stable", "after", "surgery", "respiratory", "failure", "ventilated", "bleeding",
)  # fmt: skip
EXEMPLARS = (
    "septic shock on noradrenaline", "stable after surgery", "respiratory failure ventilated", "bleeding shock", "septic respiratory failure",
)  # fmt: skip


def tokens(hours, age_years, sex, before_icu_hours, unit):
    """[T, F] of one stay: `hours` is a list of {name: value}; unknown is None. As the Rust side builds them."""
    out, last = np.zeros((len(hours), F), np.float32), {}
    for t, row in enumerate(hours):
        for j, (name, _, transform, mean, sd) in enumerate(VARIABLES):
            if name in row:
                x = np.float32(row[name])
                x = np.log1p(np.maximum(x, 0)) if transform == "log1p" else x
                last[j] = (np.clip((x - np.float32(mean)) / np.float32(sd), -CLIP, CLIP), t)
            out[t, j] = last[j][0] if j in last else 0.0
            out[t, S + j] = name in row
            out[t, 2 * S + j] = min(t - last[j][1], CAP) / CAP if j in last else 1.0
        out[t, 3 * S] = 0.6 if age_years is None else age_years / 100
        out[t, 3 * S + 1] = {"male": 1.0, "female": 0.0, None: 0.5}[sex]
        out[t, 3 * S + 2] = np.log1p(t + 1) / 6.0
        if before_icu_hours is not None:
            out[t, 3 * S + 3] = np.log1p(max(0.0, before_icu_hours)) / 6.0
            out[t, 3 * S + 4] = 1.0
        for k, name in enumerate(UNITS):
            out[t, 3 * S + 5 + k] = unit == name
    return out


def trees():
    """One stump for each of three variables: (feature, threshold, value at or below, value above), the same for both heads."""
    at = {name: j for j, (name, *_) in enumerate(VARIABLES)}
    return [(at["map"], -1.0, 1.6, -0.8), (at["lactate"], 0.5, -0.8, 1.6), (at["resp_rate"], 1.0, -0.5, 0.7)]


def tree_node():
    """The stumps as one TreeEnsembleRegressor of ai.onnx.ml."""
    node = {k: [] for k in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids")}
    target = {k: [] for k in ("treeids", "nodeids", "ids", "weights")}
    for t, (feature, threshold, below, above) in enumerate(trees()):
        for n, (mode, true, false) in enumerate((("BRANCH_LEQ", 1, 2), ("LEAF", 0, 0), ("LEAF", 0, 0))):
            split = mode != "LEAF"
            row = (t, n, feature if split else 0, threshold if split else 0.0, mode, true, false)
            for key, value in zip(node, row):
                node[key].append(value)
        for n, weight in ((1, below), (2, above)):
            for head in range(len(HEADS)):
                for key, value in zip(target, (t, n, head, weight * (1.0 if head == 0 else 0.8))):
                    target[key].append(value)
    attributes = {f"nodes_{k}": v for k, v in node.items()} | {f"target_{k}": v for k, v in target.items()}
    return helper.make_node(
        "TreeEnsembleRegressor", ["last"], ["forest"], domain="ai.onnx.ml", n_targets=len(HEADS), aggregate_function="SUM", post_transform="NONE", **attributes
    )  # fmt: skip


def graph(rng):
    """tokens [1, T, F] -> logits [1, H], embedding [1, D], distance [1, 1]."""
    def weight(name, *shape):
        x = rng.normal(0, 1 / np.sqrt(shape[0]), shape)
        return numpy_helper.from_array(np.round(x, 4).astype(np.float32), name)

    constants = [
        weight("w1", F, HIDDEN), weight("w2", 2 * HIDDEN, D), weight("w3", D, len(HEADS)), weight("centre", 1, D),
        numpy_helper.from_array(np.array(-1, np.int64), "end"), numpy_helper.from_array(np.array([1], np.int64), "axis"),
    ]  # fmt: skip
    n = helper.make_node
    nodes = [
        n("MatMul", ["tokens", "w1"], ["a"]), n("Tanh", ["a"], ["h"]),
        n("ReduceMean", ["h", "axis"], ["mean"], keepdims=0), n("Gather", ["h", "end"], ["now"], axis=1),
        n("Concat", ["mean", "now"], ["both"], axis=1), n("MatMul", ["both", "w2"], ["c"]), n("Tanh", ["c"], ["embedding"]),
        n("Gather", ["tokens", "end"], ["last"], axis=1), tree_node(),
        n("MatMul", ["embedding", "w3"], ["linear"]), n("Add", ["linear", "forest"], ["logits"]),
        n("Sub", ["embedding", "centre"], ["off"]), n("Mul", ["off", "off"], ["square"]),
        n("ReduceSum", ["square", "axis"], ["sum"], keepdims=1), n("Sqrt", ["sum"], ["distance"]),
    ]  # fmt: skip
    info = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)  # noqa: E731
    outputs = [info("logits", [1, len(HEADS)]), info("embedding", [1, D]), info("distance", [1, 1])]
    body = helper.make_graph(nodes, "tiny", [info("tokens", [1, "time", F])], outputs, constants)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", 3)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def parity(run) -> dict:
    """Made-up sequences with the graph's answers, and made-up stays with their tokens (no patient data)."""
    rng, sequences = np.random.default_rng(SEED + 1), []
    for length in (1, 12, MAX_HOURS):
        x = np.round(rng.normal(0, 1, (length, F)), 3).astype(np.float32)
        logits, embedding, distance = run(x[None])
        pack = lambda a: [round(float(v), 6) for v in a.ravel()]  # noqa: E731
        sequences.append({
            "tokens": [[round(float(v), 3) for v in row] for row in x],
            "logits": pack(logits), "embedding": pack(embedding), "distance": round(float(distance[0, 0]), 6),
        })  # fmt: skip
    hours = [{"heart_rate": 88.0}, {"lactate": 4.5, "map": 61.0}, {"heart_rate": 131.0}, {"map": 52.0, "creatinine": 2.0}]
    stays = []
    for age, sex, before, unit in ((71.0, "female", 30.5, "surgical"), (None, None, None, None), (44.0, "male", -2.0, "cardiac_surgery")):
        built = tokens(hours, age, sex, before, unit)
        stays.append({
            "age_years": age, "sex": sex, "before_icu_hours": before, "unit": unit, "hours": hours,
            "tokens": [[round(float(v), 6) for v in row] for row in built],
        })  # fmt: skip
    return {"tolerance": 1e-4, "sequences": sequences, "contract": stays}


def write_vectors(path: Path, vectors):
    """A matrix as little-endian f32, row after row."""
    path.write_bytes(np.asarray(vectors, "<f4").tobytes())


def search_files(out: Path, rng):
    """Words are random directions; a phrase is their sum; an exemplar is its phrase with a little noise."""
    words = np.round(rng.normal(0, 1, (len(WORDS), D)), 4)
    unit = lambda v: v / np.linalg.norm(v)  # noqa: E731
    known = lambda text: [words[WORDS.index(w)] for w in text.split() if w in WORDS]  # noqa: E731
    phrases = np.array([unit(np.sum(known(text), axis=0)) for text in EXEMPLARS])
    noisy = np.array([unit(p + rng.normal(0, 0.05, D)) for p in phrases])
    write_vectors(out / "neighbours.bin", np.round(noisy, 6))
    write_json(out / "neighbours.json", [{"id": f"sim-{i}", "words": text} for i, text in enumerate(EXEMPLARS)])
    write_vectors(out / "phrases.bin", np.round(phrases, 6))
    write_json(out / "phrases.json", list(EXEMPLARS))
    write_vectors(out / "words.bin", words)
    write_json(out / "words.json", list(WORDS))


def manifest() -> dict:
    conformal = [
        {"site": site, "coverage": 0.9, "negative_at_most": p0, "positive_at_least": p1}
        for site, p0, p1 in (("any", 0.55, 0.3), ("A", 0.4, 0.5), ("B", 0.7, 0.2))
    ]
    head = {"platt_a": 1.0, "platt_b": -0.5, "operating_point": 0.5, "high_priority_point": 0.8}
    return {
        "format": "bedwatch-bundle-1", "kind": "encoder", "name": "encoder-tiny-v2", "version": "0.0.0", "licence": "Apache-2.0",
        "max_hours": MAX_HOURS, "embedding_size": D, "training_data": "none: seeded random weights, for tests",
        "onnx": {"file": "encoder.onnx", "opset": OPSET, "ml_opset": 3, "inputs": ["tokens"], "outputs": ["logits", "embedding", "distance"]},
        "input": {
            "contract": "hourly-v2", "hour_seconds": 3600, "feature_count": F, "clip": CLIP, "age_cap_hours": CAP,
            "never_observed_value": 0.0, "never_observed_age": 1.0, "layout": LAYOUT,
            "age_years_divisor": 100.0, "age_years_unknown": 0.6, "sex_male": 1.0, "sex_female": 0.0, "sex_unknown": 0.5,
            "since_admission_divisor": 6.0, "since_admission_first_hour": 1, "before_icu_divisor": 6.0,
            "variables": [
                {"name": n, "sources": list(s), "transform": t, "mean": m, "sd": sd} for n, s, t, m, sd in VARIABLES
            ],
        },
        "ood": {"threshold": 4.5, "quantile": 0.99},
        "heads": [{"name": n, "index": i} | head | {"conformal": conformal} for i, n in enumerate(HEADS)],
        "neighbours": {"vectors": "neighbours.bin", "list": "neighbours.json"},
        "search": {
            "size": D, "phrases": "phrases.json", "phrase_vectors": "phrases.bin", "words": "words.json", "word_vectors": "words.bin",
        },
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    onnx.save(graph(np.random.default_rng(SEED)), out / "encoder.onnx")
    session = onnxruntime.InferenceSession(str(out / "encoder.onnx"), providers=["CPUExecutionProvider"])
    write_json(out / "parity.json", parity(lambda x: session.run(["logits", "embedding", "distance"], {"tokens": x})))
    search_files(out, np.random.default_rng(SEED + 2))
    names = sorted(p.name for p in out.iterdir() if p.suffix in (".onnx", ".json", ".bin"))
    write_manifest(out, manifest(), names)
    print(json.dumps({"files": names, "bytes": sum((out / n).stat().st_size for n in names)}))


if __name__ == "__main__":
    main()
