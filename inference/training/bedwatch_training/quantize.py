"""Step 7: writes the encoder bundle: ONNX with int8 weights, manifest, parity vectors.

    python -m bedwatch_training.quantize --work DIR --out ../models/encoder-hourly-v2

Matrices are stored as int8 with a scale per column and unpacked to fp32 when
the file is loaded (see `pack`); the largest change of a probability that this
makes on 2,000 windows is printed and stands in the card.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from . import SEED, contract
from .bundle import OPSET, write_json, write_manifest
from .calibrate import networks, sigmoid
from .contract import F, MAX_HOURS, S, VARIABLES, Person
from .encoder import HEADS
from .forest import ML_OPSET
from .pack import pack_int8, round_weights
from .serving import write
from .stays import Stays, serving_windows

OUTPUTS = ["logits", "embedding", "distance"]
NAME, VERSION = "encoder-hourly-v2", "2.1.0"


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def runner(path: Path):
    opened = session(path)
    return lambda x: opened.run(OUTPUTS, {"tokens": np.ascontiguousarray(x)})


def sequences(run) -> list[dict]:
    """Three made-up token sequences (no patient data) and what the graph says of them."""
    rng, out = np.random.default_rng(SEED), []
    pack = lambda a: [round(float(v), 6) for v in a.ravel()]  # noqa: E731
    for length in (1, 12, MAX_HOURS):
        x = np.zeros((length, F), dtype=np.float32)
        x[:, :S] = np.round(rng.normal(0, 1, (length, S)), 3)
        x[:, S : 2 * S] = rng.random((length, S)) < 0.4
        x[:, 2 * S : 3 * S] = np.round(rng.integers(0, 49, (length, S)) / 48, 6)
        x[:, 3 * S : 3 * S + 5] = [0.64, 1.0, 0.5, 0.3, 1.0]
        x[:, 3 * S + 5] = 1.0
        logits, embedding, distance = run(x[None])
        rows = [[round(float(v), 6) for v in row] for row in x]
        out.append({"tokens": rows, "logits": pack(logits), "embedding": pack(embedding), "distance": round(float(distance[0, 0]), 6)})
    return out


def stays(mean, sd) -> list[dict]:
    """Made-up stays as raw hourly values with their tokens, so that the Rust token builder can be tested too."""
    values = np.full((4, S), np.nan, dtype=np.float32)
    at = {v.name: j for j, v in enumerate(VARIABLES)}
    values[0, at["heart_rate"]], values[2, at["heart_rate"]], values[1, at["lactate"]], values[3, at["map"]] = 88.0, 131.0, 4.5, 52.0
    hours = [{VARIABLES[j].name: float(values[h, j]) for j in np.flatnonzero(np.isfinite(values[h]))} for h in range(4)]
    out = []
    for age, sex, before, unit in ((71.0, "female", 30.5, "surgical"), (None, None, None, None), (44.0, "male", -2.0, "cardiac_surgery")):
        full = lambda x: np.full(4, np.nan if x is None else x)  # noqa: E731
        code = full({"male": 1.0, "female": 0.0, None: None}[sex])
        kind = np.full(4, contract.UNITS.index(unit) if unit else -1)
        person = Person(full(age), code, np.arange(1, 5, dtype=np.float32), full(before), kind)
        built = contract.tokens(values, np.zeros(4, dtype=int), person, mean, sd)
        rows = [[round(float(v), 6) for v in row] for row in built]
        out.append({"age_years": age, "sex": sex, "before_icu_hours": before, "unit": unit, "hours": hours, "tokens": rows})
    return out


def head_entry(index: int, name: str, head: dict) -> dict:
    rounded = {k: round(head[k], 6) for k in ("platt_a", "platt_b", "operating_point", "high_priority_point")}
    rows = [{k: v if isinstance(v, str) else round(v, 6) for k, v in row.items()} for row in head["conformal"]]
    return {"name": name, "index": index} | rounded | {"conformal": rows}


def manifest(mean, sd, calibration: dict, width: int, sets) -> dict:
    """Every number the Rust side needs."""
    names = {"cinc2019": "PhysioNet/CinC Challenge 2019 sets A and B (CC BY 4.0)", "cinc2012": "PhysioNet/CinC Challenge 2012 sets a and b (ODC-By 1.0)", "ward": "the bedwatch ward simulator (synthetic)"}
    return {
        "format": "bedwatch-bundle-1", "kind": "encoder", "name": NAME, "version": VERSION, "licence": "Apache-2.0",
        "max_hours": MAX_HOURS, "embedding_size": width, "training_data": "; ".join(names[s] for s in sets) + "; stays for making models only",
        "onnx": {"file": "encoder.onnx", "opset": OPSET, "ml_opset": ML_OPSET, "inputs": ["tokens"], "outputs": OUTPUTS},
        "input": {
            "contract": "hourly-v2", "hour_seconds": 3600, "feature_count": F, "clip": contract.CLIP, "age_cap_hours": contract.AGE_CAP_HOURS,
            "never_observed_value": 0.0, "never_observed_age": 1.0, "layout": contract.LAYOUT,
            "age_years_divisor": 100.0, "age_years_unknown": contract.UNKNOWN_AGE, "sex_male": 1.0, "sex_female": 0.0, "sex_unknown": contract.UNKNOWN_SEX,
            "since_admission_divisor": contract.ADMISSION_SCALE, "since_admission_first_hour": 1, "before_icu_divisor": contract.BEFORE_ICU_SCALE,
            "variables": [
                {"name": v.name, "sources": list(v.sources), "transform": v.transform, "mean": float(m), "sd": float(s)}
                for v, m, s in zip(VARIABLES, mean, sd)
            ],
        },
        "ood": {"threshold": round(calibration["ood"]["threshold"], 6), "quantile": calibration["ood"]["quantile"]},
        "heads": [head_entry(i, n, calibration["heads"][n]) for i, n in enumerate(HEADS)],
    }  # fmt: skip


def difference(one, other, work: Path, mean, sd, heads) -> float:
    """The largest difference of a probability between two graphs on 2,000 windows of stays for making models."""
    part = Stays.load(work / "cinc2019.npz").of("make")
    part = part.pick(np.arange(len(part.rows)) < 300)
    tokens, windows = part.tokens(mean, sd), serving_windows(part)
    worst = 0.0
    for start, length, _ in windows[np.random.default_rng(SEED).permutation(len(windows))[:2000]]:
        x = tokens[None, start : start + length]
        for i, name in enumerate(HEADS):
            a, b = heads[name]["platt_a"], heads[name]["platt_b"]
            p, q = (sigmoid(a * float(run(x)[0][0, i]) + b) for run in (one, other))
            worst = max(worst, abs(p - q))
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    norm = torch.load(args.work / "pretrained.pt", weights_only=False)
    mean, sd = norm["mean"], norm["sd"]
    calibration = json.loads((args.work / "calibration.json").read_text())
    path = args.out / "encoder.onnx"
    network = networks(args.work)[0]
    write(args.work / "encoder.fp32.onnx", network, calibration, args.work)
    round_weights(network)
    write(path, network, calibration, args.work)
    pack_int8(path)
    run = runner(path)
    write_json(args.out / "parity.json", {"tolerance": 1e-4, "sequences": sequences(run), "contract": stays(mean, sd)})
    write_manifest(args.out, manifest(mean, sd, calibration, len(calibration["ood"]["centre"]), norm["sets"]), ["encoder.onnx", "parity.json"])
    worst = difference(runner(args.work / "encoder.fp32.onnx"), run, args.work, mean, sd, calibration["heads"])
    write_json(args.work / "quantize.json", {"bytes": path.stat().st_size, "largest_probability_difference": worst})
    print(f"int8: {path.stat().st_size / 1e6:.1f} MB, largest difference of a probability {worst:.5f}")


if __name__ == "__main__":
    main()
