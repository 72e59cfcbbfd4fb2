"""Step 3: writes the encoder bundle: ONNX, calibration, operating points, parity vectors.

    python -m bedwatch_training.export_encoder --work DIR --out inference/models/encoder-hourly-v1

Calibration and operating points are fitted on the calibrate split alone.
"""

import argparse
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from sklearn.linear_model import LogisticRegression

from . import SEED, contract, utility
from .bundle import OPSET, export, write_json, write_manifest
from .contract import F, MAX_HOURS, S, VARIABLES
from .encoder import HEADS, Encoder
from .stays import Stays
from .train_encoder import load, predict

SPECIFICITY_HIGH = 0.99  # of hours, for the high-priority point
FALSE_ALARM_COST = 4.0  # deterioration: an hour's false positive rate counts four times its sensitivity
REAL_SPECIFICITY = 0.95  # deterioration: of real hours without the label


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def platt(logit, label) -> tuple[float, float]:
    """(a, b) of p = sigmoid(a * logit + b), by maximum likelihood."""
    fit = LogisticRegression(C=1e6).fit(logit[:, None].astype(np.float64), label)
    return round(float(fit.coef_[0, 0]), 6), round(float(fit.intercept_[0]), 6)


def above_specificity(p, label, specificity) -> float:
    return float(np.quantile(p[label == 0], specificity))


def sepsis_head(logit, stays: Stays) -> dict:
    """Alarm where the challenge's utility on the calibrate split is highest."""
    a, b = platt(logit, stays.sepsis)
    p = sigmoid(a * logit.astype(np.float64) + b)
    point, best = utility.best_threshold(p, *utility.table(stays.sepsis, stays.rows))
    print(f"sepsis: calibrate utility {best:.4f} at p >= {point:.4f}")
    high = max(above_specificity(p, stays.sepsis, SPECIFICITY_HIGH), point)
    return {"platt_a": a, "platt_b": b, "operating_point": round(point, 6), "high_priority_point": round(high, 6)}


def deterioration_head(logit, label, real_logit=None, real_label=None) -> dict:
    """Alarm where sensitivity - 4 x false positive rate is highest, yet in at most 5 % of real patients' negative hours.

    The second condition needs `real_*` (CinC 2012): calibrated on the simulator
    alone, the head would alarm too often at a real bedside.
    """
    a, b = platt(logit, label)
    p = sigmoid(a * logit.astype(np.float64) + b)
    grid = np.unique(np.quantile(p, np.linspace(0.5, 0.999, 500)))
    gain = [(p[label == 1] >= t).mean() - FALSE_ALARM_COST * (p[label == 0] >= t).mean() for t in grid]
    point = float(grid[int(np.argmax(gain))])
    if real_logit is not None:
        real = sigmoid(a * real_logit.astype(np.float64) + b)
        point = max(point, above_specificity(real, real_label, REAL_SPECIFICITY))
    high = max(above_specificity(p, label, 0.998), point)
    print(f"deterioration: sensitivity {(p[label == 1] >= point).mean():.3f}, false positive rate {(p[label == 0] >= point).mean():.4f}")
    return {"platt_a": a, "platt_b": b, "operating_point": round(point, 6), "high_priority_point": round(high, 6)}


def parity(run) -> list[dict]:
    """Three made-up token sequences (no patient data) and what the graph says of them."""
    rng, out = np.random.default_rng(SEED), []
    for length in (1, 12, MAX_HOURS):
        x = np.zeros((length, F), dtype=np.float32)
        x[:, :S] = np.round(rng.normal(0, 1, (length, S)), 3)
        x[:, S : 2 * S] = rng.random((length, S)) < 0.4
        x[:, 2 * S : 3 * S] = np.round(rng.random((length, S)), 3)
        x[:, 3 * S :] = [0.64, 1.0, 0.2]
        logits, embedding = run(x[None])
        out.append({
            "tokens": [[round(float(v), 3) for v in row] for row in x],
            "logits": [[round(float(v), 6) for v in row] for row in logits[0]],
            "embedding_last": [round(float(v), 6) for v in embedding[0, -1]],
        })  # fmt: skip
    return out


def contract_vector(mean, sd) -> dict:
    """A made-up stay as raw hourly values and its tokens, so that the Rust token builder can be tested too."""
    values = np.full((4, S), np.nan, dtype=np.float32)
    values[0, 0], values[2, 0], values[1, 22], values[3, 4] = 88.0, 131.0, 4.5, 52.0
    iculos = np.arange(1, 5, dtype=np.float32)
    built = contract.tokens(values, np.zeros(4, dtype=int), np.full(4, 71.0), np.full(4, np.nan), iculos, mean, sd)
    hours = [{VARIABLES[j].name: float(values[h, j]) for j in np.flatnonzero(np.isfinite(values[h]))} for h in range(4)]
    return {"age_years": 71.0, "sex": "unknown", "hours_since_admission": [1, 2, 3, 4], "hours": hours, "tokens": [[round(float(v), 6) for v in r] for r in built]}


def manifest(mean, sd, heads, width, deterioration_source) -> dict:
    """Every number the Rust side needs."""
    return {
        "format": "bedwatch-bundle-1",
        "kind": "encoder",
        "name": "encoder-hourly-v1",
        "version": "1.0.0",
        "licence": "Apache-2.0",
        "max_hours": MAX_HOURS,
        "embedding_size": width,
        "training_data": "PhysioNet/CinC Challenge 2019 sets A and B (CC BY 4.0), train split; " + deterioration_source,
        "onnx": {"file": "encoder.onnx", "opset": OPSET, "inputs": ["tokens"], "outputs": ["logits", "embedding"]},
        "input": {
            "contract": "hourly-v1",
            "hour_seconds": 3600,
            "feature_count": F,
            "clip": contract.CLIP,
            "age_cap_hours": contract.AGE_CAP_HOURS,
            "never_observed_value": 0.0,
            "never_observed_age": 1.0,
            "layout": ["values", "masks", "ages", "age_years", "sex", "since_admission"],
            "age_years_divisor": 100.0,
            "age_years_unknown": contract.UNKNOWN_AGE,
            "sex_male": 1.0,
            "sex_female": 0.0,
            "sex_unknown": contract.UNKNOWN_SEX,
            "since_admission_divisor": contract.ADMISSION_SCALE,
            "since_admission_first_hour": 1,
            "variables": [
                {"name": v.name, "sources": list(v.sources), "transform": v.transform, "mean": float(m), "sd": float(s)}
                for v, m, s in zip(VARIABLES, mean, sd)
            ],
        },
        "heads": [{"name": n, "index": i} | heads[n] for i, n in enumerate(HEADS)],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    saved = torch.load(args.work / "encoder.pt", weights_only=False)
    model = Encoder()
    model.load_state_dict(saved["state"])
    model.eval()
    mean, sd = saved["mean"], saved["sd"]
    axes = {0: "batch", 1: "time"}
    names = {"tokens": axes, "logits": axes, "embedding": axes}
    export(model, args.out / "encoder.onnx", (torch.zeros(2, 7, F),), ["tokens"], ["logits", "embedding"], names)
    graph = session(args.out / "encoder.onnx")
    run = lambda x: graph.run(None, {"tokens": x})  # noqa: E731

    sets = {n: s.pick(s.split == "calibrate") for n, s in load(args.work, False).items()}
    logits = {n: predict(None, s.tokens(mean, sd), s, logits_of=lambda x: run(x)[0]) for n, s in sets.items()}
    # The head is calibrated on the simulator's label (decline within hours) where there is one: death in hospital is another event.
    source = "ward" if "ward" in saved["sets"] else "cinc2012"
    words = {
        "ward": "the bedwatch ward simulator's hours (synthetic) and PhysioNet/CinC Challenge 2012 sets a and b (ODC-By 1.0) for the deterioration head",
        "cinc2012": "PhysioNet/CinC Challenge 2012 sets a and b (ODC-By 1.0) for the deterioration head",
    }
    heads = {
        "sepsis": sepsis_head(logits["cinc2019"][:, 0], sets["cinc2019"]),
        "deterioration": deterioration_head(
            logits[source][:, 1], sets[source].deterioration, logits["cinc2012"][:, 1], sets["cinc2012"].deterioration
        ),
    }
    write_json(args.out / "parity.json", {"tolerance": 1e-4, "sequences": parity(run), "contract": contract_vector(mean, sd)})
    write_manifest(args.out, manifest(mean, sd, heads, model.head.in_features, words[source]), ["encoder.onnx", "parity.json"])


if __name__ == "__main__":
    main()
