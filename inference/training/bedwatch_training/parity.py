"""The training code's own risks on the project's simulated samples, which the engine must repeat within 1e-4.

    python -m bedwatch_training.parity --work DIR --bedwatch BIN --samples ../../replay-data/samples/psv --bundle ../models/encoder-hourly-v2

Exports the samples through the engine (`bedwatch features export`), builds the
tokens here, and runs PyTorch and LightGBM, not the ONNX graph. Writes
stay-risks.json into the bundle and lists it in its manifest; the engine's test
replays the same samples and compares.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from .bundle import write_json, write_manifest
from .calibrate import networks, sigmoid
from .encoder import HEADS
from .ensemble import SETS, Ensemble
from .export import features, read
from .pack import round_weights
from .quantize import manifest
from .serving import Serving
from .stays import serving_windows

FILE = "stay-risks.json"
TOLERANCE = 1e-4


def risks(work: Path, stays, mean, sd, calibration) -> np.ndarray:
    """Probabilities [N, heads] of every hour, each from the engine's window, by the training code alone."""
    network = networks(work)[0]
    round_weights(network)
    model, tokens = Serving(network, calibration["ood"]).eval(), stays.tokens(mean, sd)
    summary, said = None, np.zeros((len(tokens), len(HEADS)))
    for start, length, keep in serving_windows(stays):
        for end in range(start + keep, start + length):
            with torch.no_grad():
                last, logits, _, _ = model(torch.from_numpy(tokens[None, start : end + 1]))
            summary = np.zeros((len(tokens), last.shape[1]), dtype=np.float32) if summary is None else summary
            summary[end], said[end] = last[0].numpy(), logits[0].numpy()
    out = np.zeros_like(said)
    for i, name in enumerate(HEADS):
        head = calibration["heads"][name]
        logit = Ensemble.load(work, name).score(summary, said[:, i]) if name in SETS else said[:, i]
        out[:, i] = sigmoid(head["platt_a"] * logit + head["platt_b"])
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("work", "bedwatch", "samples", "bundle"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    norm = torch.load(args.work / "pretrained.pt", weights_only=False)
    calibration = json.loads((args.work / "calibration.json").read_text())
    stays = read(features(args.bedwatch, [args.samples], args.work / "tables" / "samples", 1))
    p = risks(args.work, stays, norm["mean"], norm["sd"], calibration)
    told = []
    for start, rows, record in zip(stays.starts, stays.rows, stays.record):
        hours = {name: [round(float(x), 7) for x in p[start : start + rows, i]] for i, name in enumerate(HEADS)}
        told.append({"record": str(record), "hours": hours})
    write_json(args.bundle / FILE, {"tolerance": TOLERANCE, "stays": told})
    files = ["encoder.onnx", "parity.json", FILE]
    write_manifest(args.bundle, manifest(norm["mean"], norm["sd"], calibration, len(calibration["ood"]["centre"]), norm["sets"]), files)
    print(f"{len(told)} stays, {len(p)} hours")


if __name__ == "__main__":
    main()
