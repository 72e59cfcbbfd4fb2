"""The fusion: pretraining without labels, fine-tuning, calibration, ablations, bundle.

    python -m bedwatch_training.fuse --work DIR --encoder ../models/encoder-hourly-v2 --out ../models/fusion-v1

Reads WORK/moments.npz. Three quarters of the stays for making models are learned
from, the rest calibrates; stays kept aside are judged on once, at the end, beside
LightGBM on the same moments. Pretraining: hidden stretches of each track are
filled in from what is around them and from the other modalities, and the next
event is foretold. Writes WORK/fusion.pt, WORK/fusion.json and the bundle.
"""

import argparse
import json
import time
import tomllib
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from . import SEED
from .bundle import OPSET, export, write_json, write_manifest
from .calibrate import head, platt, sigmoid
from .fusion import AUXILIARY, EMBEDDING, HEADS, MODALITIES, NEEDS, SHIPPED, Fusion, batch
from .moments import LABELS, MAX_EVENTS, TRACKS, Moments
from .splits import fold_of

NAME, VERSION = "fusion-v1", "1.0.0"
BATCH, PRETRAINED_EPOCHS, EPOCHS, RATE = 256, 2, 5, 2e-3
HIDDEN_STRETCH, DROPPED = 0.25, 0.15
SPECIFICITY = {"deterioration": (0.97, 0.995), "seizure": (0.99, 0.998), "hypoglycaemia": (0.97, 0.99)}  # operating, high
REAL_SPECIFICITY = 0.95  # deterioration: of real moments, whatever becomes of them
GLUCOSE_FOLDS = 4
OUTPUTS = ["logits", "embedding", "gates"]


def columns(m: Moments) -> list[int]:
    """Where the heads' labels stand in `Moments.labels`."""
    return [LABELS.index(h) for h in (*HEADS, *AUXILIARY)]


def wanted(m: Moments) -> np.ndarray:
    """Labels [N, heads], -1 where there is none or what the head needs is not there."""
    labels = m.labels[:, columns(m)].astype(np.int8)
    for i, name in enumerate(HEADS):
        for need in NEEDS[name]:
            labels[~np.isfinite(getattr(m, need)).any(axis=(1, 2)), i] = -1
    return labels


def drop(inputs: dict, gone: dict) -> dict:
    """Inputs without the modalities of `gone` ({modality: [B] bool})."""
    out = dict(inputs)
    for m, b in gone.items():
        kept = (~b).float()
        if m == "events":
            out["event_codes"] = inputs["event_codes"] * (~b)[:, None]
            out["events"] = inputs["events"] * kept[:, None, None]
        else:
            out[m] = inputs[m] * kept[:, None, None]
    return out


def hidden(track: torch.Tensor, generator) -> tuple[torch.Tensor, torch.Tensor]:
    """A quarter of the rows gone, in stretches: (the rest, mask [B, R, 1] of what was hidden)."""
    rows = track.shape[1]
    length = max(2, int(rows * HIDDEN_STRETCH))
    start = torch.randint(0, rows - length + 1, (track.shape[0], 1), generator=generator)
    place = torch.arange(rows)
    gone = ((place >= start) & (place < start + length))[..., None]
    return track * ~gone, gone


def reconstruction(net: Fusion, inputs: dict, generator) -> torch.Tensor:
    """Hidden rows from their surroundings and the other modalities; the next event's code from those before."""
    tracks, masks = {}, {}
    for t in TRACKS:
        tracks[t], masks[t] = hidden(inputs[t], generator)
    codes = inputs["event_codes"].clone()
    codes[:, -1] = 0  # the newest is to be foretold
    values, next_code = net.reconstruct(inputs["hour"], tracks, codes, inputs["events"] * (codes > 0)[..., None])
    total = 0.0
    for t in TRACKS:
        truth, seen = net.tracks[t].scaled(inputs[t])
        weight = seen * masks[t]
        total = total + ((values[t] - truth) ** 2 * weight).sum() / weight.sum().clamp(min=1)
    there = inputs["event_codes"][:, -1] > 0
    if there.any():
        said = next_code[there][:, -2]
        total = total + 0.1 * torch.nn.functional.cross_entropy(said, inputs["event_codes"][there, -1])
    return total


def supervised(net: Fusion, inputs: dict, labels: torch.Tensor, generator, without=()) -> torch.Tensor:
    """Each head's mean cross-entropy over the moments that have its label, with modalities failing at random."""
    gone = {m: torch.rand(len(labels), generator=generator) < (1.0 if m in without else DROPPED) for m in MODALITIES}
    logits = net(**drop(inputs, gone))[0]
    total = 0.0
    for i, name in enumerate((*HEADS, *AUXILIARY)):
        known = labels[:, i] >= 0
        for need in NEEDS.get(name, ()):
            known &= ~gone[need]
        if known.any():
            total = total + torch.nn.functional.binary_cross_entropy_with_logits(logits[known, i], labels[known, i].float())
    return total


def epochs(net, m: Moments, n: int, rate: float, loss, words: str, limit=None):
    """AdamW, one cycle, seeded; `loss(inputs, rows, generator)`."""
    rng, generator = np.random.default_rng(SEED), torch.Generator().manual_seed(SEED)
    size = len(m) if limit is None else min(limit, len(m))
    steps = n * -(-size // BATCH)
    adam = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, rate, total_steps=steps, pct_start=0.15)
    for epoch in range(n):
        net.train()
        began, losses, order = time.time(), [], rng.permutation(len(m))[:size]
        for start in range(0, size, BATCH):
            rows = np.sort(order[start : start + BATCH])
            value = loss(batch(m, rows), rows, generator)
            adam.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            adam.step()
            schedule.step()
            losses.append(value.item())
        print(f"{words} {epoch}: loss {np.mean(losses):.4f} {time.time() - began:.0f} s", flush=True)


@torch.no_grad()
def predict(net, m: Moments, without=()) -> np.ndarray:
    """Logits [N, heads]."""
    net.eval()
    out = []
    for start in range(0, len(m), 512):
        rows = np.arange(start, min(start + 512, len(m)))
        gone = {w: torch.ones(len(rows), dtype=torch.bool) for w in without}
        out.append(net(**drop(batch(m, rows), gone))[0].numpy())
    return np.concatenate(out)


def train(m: Moments, args, without=(), scratch=False, attention=True) -> Fusion:
    torch.manual_seed(SEED)
    net = Fusion(len(m.names), attention)
    net.fit_scale(m)
    if not scratch:
        epochs(net, m, args.pretrained_epochs, RATE, lambda x, _, g: reconstruction(net, x, g), "pretraining", args.limit)
    labels = wanted(m)
    some = (labels >= 0).any(axis=1)
    known, labels = m.pick(some), torch.from_numpy(labels[some])
    epochs(net, known, args.epochs, RATE, lambda x, rows, g: supervised(net, x, labels[rows], g, without), "fine-tuning", args.limit)
    return net


def figures(logits, m: Moments) -> dict:
    """AUROC and average precision of each head, by set and over all simulated and all real ones."""
    labels, out = wanted(m), {}
    groups = {"simulator": np.char.startswith(m.set_of, "sim-")} | {s: m.set_of == s for s in np.unique(m.set_of) if not s.startswith("sim-")}
    for i, name in enumerate((*HEADS, *AUXILIARY)):
        for group, here in groups.items():
            here = here & (labels[:, i] >= 0)
            truth = labels[here, i]
            if 0 < truth.sum() < len(truth):
                out.setdefault(name, {})[group] = {
                    "moments": int(len(truth)), "positive": int(truth.sum()), "sources": int(len(np.unique(m.source[here]))),
                    "sources_positive": int(len(np.unique(m.source[here][truth == 1]))),
                    "auroc": round(float(roc_auc_score(truth, logits[here, i])), 4), "auprc": round(float(average_precision_score(truth, logits[here, i])), 4),
                }  # fmt: skip
    return out


def flat(m: Moments) -> np.ndarray:
    """What LightGBM is given: of each column the last value, mean, extremes and trend, the latest value and age of each code, the embedding."""
    parts = [m.embedding]
    with np.errstate(all="ignore"):
        for t in TRACKS:
            x = getattr(m, t).astype(np.float32)
            half = x.shape[1] // 2
            last = x[:, -1].copy()
            for back in range(2, 7):
                last = np.where(np.isfinite(last), last, x[:, -back])
            parts += [last, np.nanmean(x, axis=1), np.nanmin(x, axis=1), np.nanmax(x, axis=1), np.nanmean(x[:, half:], axis=1) - np.nanmean(x[:, :half], axis=1)]
    n, codes = len(m), len(m.names) + 1
    latest, age = np.full((n, codes), np.nan, np.float32), np.full((n, codes), np.nan, np.float32)
    rows = np.arange(n)
    for place in range(MAX_EVENTS):
        code = m.codes[:, place]
        latest[rows, code] = np.where(m.numbers[:, place, 1] > 0, m.numbers[:, place, 0], np.nan)
        age[rows, code] = m.numbers[:, place, 2]
    return np.concatenate([*parts, latest[:, 1:], age[:, 1:]], axis=1).astype(np.float32)


def baseline(made: Moments, judged: Moments) -> np.ndarray:
    """LightGBM's scores [N, heads] of the judged moments."""
    import warnings

    import lightgbm

    warnings.simplefilter("ignore")
    x, y, labels = flat(made), flat(judged), wanted(made)
    out = np.zeros((len(judged), labels.shape[1]))
    settings = {"objective": "binary", "learning_rate": 0.05, "num_leaves": 15, "max_bin": 63, "feature_fraction": 0.3, "min_data_in_leaf": 50, "force_col_wise": True, "num_threads": 1, "verbose": -1, "seed": SEED}  # fmt: skip
    for i in range(labels.shape[1]):
        known = labels[:, i] >= 0
        out[:, i] = lightgbm.train(settings, lightgbm.Dataset(x[known], labels[known, i]), 200).predict(y, raw_score=True)
    return out


def forecast(m: Moments) -> np.ndarray:
    """The rule beside: sensor glucose in 30 minutes, on the line through the last reading and the one 20 minutes before [N], negative; -1000 where there is none."""
    x = m.glucose[:, :, 0].astype(np.float32)
    last = np.where(np.isfinite(x[:, -1]), x[:, -1], x[:, -2])
    before = np.where(np.isfinite(x[:, -5]), x[:, -5], x[:, -6])
    return np.nan_to_num(-(last + 1.5 * (last - before)), nan=-1000.0)


def crossfit_glucose(m: Moments, args) -> tuple[np.ndarray, np.ndarray, dict]:
    """Real sensor glucose, each series judged by a network that learned from the others: (logits, labels, figures).

    The series kept aside are few; these figures rest on all stays for making models.
    """
    real, i = m.set_of == "cgm", HEADS.index("hypoglycaemia")
    place = {s: k % GLUCOSE_FOLDS for k, s in enumerate(sorted(np.unique(m.source[real])))}
    fold = np.array([place.get(s, -1) for s in m.source])
    glucose = np.isin(m.set_of, ("cgm", "sim-glucose"))
    logits = np.zeros(len(m), np.float32)
    for k in range(GLUCOSE_FOLDS):
        net = train(m.pick(glucose & (fold != k)), args, scratch=True)
        logits[fold == k] = predict(net, m.pick(fold == k))[:, i]
    part = m.pick(real)
    label, logit = wanted(part)[:, i], logits[real]
    known = label >= 0
    label, logit, rule = label[known], logit[known], forecast(part)[known]
    areas = {n: [round(float(f(label, x)), 4) for f in (roc_auc_score, average_precision_score)] for n, x in (("fusion", logit), ("line", rule))}
    return logit, label, {"moments": int(known.sum()), "positive": int(label.sum()), "series": len(place), "auroc_auprc": areas}


def calibrated(net, m: Moments, glucose) -> dict:
    """Platt lines and operating points: on held stays, and for hypoglycaemia on `glucose`, (logits, labels) of real series."""
    logits, labels, heads = predict(net, m), wanted(m), {}
    for i, name in enumerate(HEADS):
        known = labels[:, i] >= 0
        label, logit = (labels[known, i], logits[known, i]) if name != "hypoglycaemia" else (glucose[1], glucose[0])
        a, b = platt(logit, label)
        p = sigmoid(a * logit + b)
        point, high = (float(np.quantile(p[label == 0], s)) for s in SPECIFICITY[name])
        if name == "deterioration":
            real = sigmoid(a * logits[m.set_of == "cinc2012", i] + b)
            point = max(point, float(np.quantile(real, REAL_SPECIFICITY)))
        heads[name] = head(a, b, point, high, [])
        print(f"{name}: sensitivity {(p[label == 1] >= point).mean():.3f} at p >= {point:.4f} ({SPECIFICITY[name][0]:.3f} of the others silent)", flush=True)
    return heads


class Served(torch.nn.Module):
    """Without what only learns."""

    def __init__(self, net: Fusion):
        super().__init__()
        self.net = net
        self.shipped = [HEADS.index(n) for n in SHIPPED]

    def forward(self, hour, minutes, eeg, cardiac, glucose, event_codes, events):
        logits, fused, gates = self.net(hour, minutes, eeg, cardiac, glucose, event_codes, events)
        return logits[:, self.shipped], fused, gates


def parity(path: Path, codes: int) -> list[dict]:
    """Made-up moments (no patient data) and what the graph says of them."""
    opened = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    rng, out = np.random.default_rng(SEED), []
    for there in ((), ("glucose",), tuple(MODALITIES)):
        case = {"hour": np.round(rng.normal(0, 1, EMBEDDING), 3), "tracks": {}, "event_codes": [], "event_values": [], "event_hours_ago": []}
        inputs = {"hour": case["hour"][None].astype(np.float32), "event_codes": np.zeros((1, MAX_EVENTS), np.int64), "events": np.zeros((1, MAX_EVENTS, 3), np.float32)}
        for t, (rows, cols) in TRACKS.items():
            x = np.full((1, rows, cols), np.nan)
            if t in there:
                x = np.where(rng.random(x.shape) < 0.7, np.round(rng.normal(80, 20, x.shape), 2), np.nan)
                case["tracks"][t] = [None if not np.isfinite(v) else float(v) for v in x.ravel()]
            mask = np.isfinite(x)
            inputs[t] = np.concatenate([np.where(mask, x, 0), mask], axis=-1).astype(np.float32)
        if "events" in there:
            for place, code in enumerate(rng.integers(1, codes + 1, 5)):
                value, ago = round(float(rng.normal(5, 2)), 2), round(5.0 - place, 2)
                case["event_codes"].append(int(code)), case["event_values"].append(value), case["event_hours_ago"].append(ago)
                inputs["event_codes"][0, MAX_EVENTS - 5 + place] = code
                inputs["events"][0, MAX_EVENTS - 5 + place] = (value, 1, ago)
        logits, fused, gates = opened.run(OUTPUTS, inputs)
        case |= {"hour": case["hour"].tolist(), "logits": logits[0].tolist(), "embedding": fused[0].tolist(), "gates": gates[0].tolist()}
        out.append(case)
    return out


def write(net: Fusion, heads: dict, names, tracks: list[dict], encoder: Path, out: Path):
    """The bundle: ONNX, manifest, parity vectors."""
    out.mkdir(parents=True, exist_ok=True)
    net.eval()
    zero = {"hour": torch.zeros(1, EMBEDDING), **{t: torch.zeros(1, r, 2 * c) for t, (r, c) in TRACKS.items()}, "event_codes": torch.zeros(1, MAX_EVENTS, dtype=torch.int64), "events": torch.zeros(1, MAX_EVENTS, 3)}  # fmt: skip
    zero["event_codes"][0, -1] = 1
    export(Served(net), out / "fusion.onnx", tuple(zero.values()), list(zero), OUTPUTS, {})
    beside = tomllib.loads((encoder / "manifest.toml").read_text())
    entry = lambda i, n: {"name": n, "index": i, "needs": list(NEEDS[n])} | {k: round(v, 6) for k, v in heads[n].items() if k != "conformal"}  # noqa: E731
    table = {
        "format": "bedwatch-bundle-1", "kind": "fusion", "name": NAME, "version": VERSION, "licence": "Apache-2.0",
        "contract": "moment-v1", "encoder": beside["name"], "encoder_version": beside["version"], "embedding_size": EMBEDDING,
        "training_data": "the bedwatch ward simulator (synthetic); PhysioNet/CinC Challenge 2012 sets a and b (ODC-By 1.0); sensor glucose of Hall et al. 2018 (CC BY 4.0) by iglu; stays for making models only",
        "codes": [str(n) for n in names], "onnx": {"file": "fusion.onnx", "opset": OPSET, "inputs": list(zero), "outputs": OUTPUTS},
        "tracks": tracks, "heads": [entry(i, n) for i, n in enumerate(SHIPPED)],
    }  # fmt: skip
    write_json(out / "parity.json", {"tolerance": 1e-4, "moments": parity(out / "fusion.onnx", len(names))})
    write_manifest(out, table, ["fusion.onnx", "parity.json"])
    print(f"fusion.onnx: {(out / 'fusion.onnx').stat().st_size / 1e6:.2f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--pretrained-epochs", type=int, default=PRETRAINED_EPOCHS)
    parser.add_argument("--limit", type=int, help="moments an epoch, at most")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write-only", action="store_true", help="the bundle again, from WORK/fusion.pt and WORK/fusion.json")
    parser.add_argument("--ablations", action="store_true", help="also without pretraining, cross-attention and each modality; slow")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    tracks = json.loads((args.work / "tracks.json").read_text())
    if args.write_only:
        saved, report = torch.load(args.work / "fusion.pt", weights_only=False), json.loads((args.work / "fusion.json").read_text())
        net = Fusion(len(saved["names"]))
        net.load_state_dict(saved["state"])
        write(net, report["heads"], saved["names"], tracks, args.encoder, args.out)
        return
    every = Moments.load(args.work / "moments.npz")
    split = every.split()
    fold = {s: fold_of(s) for s in np.unique(every.source)}
    held = np.array([fold[s] == 0 for s in every.source])
    learned, held, aside = (every.pick(k) for k in ((split == "make") & ~held & (every.set_of != "iiic"), (split == "make") & held & (every.set_of != "iiic"), (split == "test") | (every.set_of == "iiic")))  # fmt: skip
    print(f"{len(learned)} moments to learn from, {len(held)} to calibrate on, {len(aside)} kept aside", flush=True)
    report = {"moments": {"learned": len(learned), "held": len(held), "aside": len(aside)}}
    net = train(learned, args)
    torch.save({"state": net.state_dict(), "names": every.names}, args.work / "fusion.pt")
    report["held"] = figures(predict(net, held), held)
    print(json.dumps(report["held"]), flush=True)
    logits, label, report["glucose"] = crossfit_glucose(every.pick(split == "make"), args)
    print(json.dumps(report["glucose"]), flush=True)
    heads = calibrated(net, held, (logits, label))
    if args.out:
        write(net, heads, every.names, tracks, args.encoder, args.out)
    report["aside"] = figures(predict(net, aside), aside)
    report["aside_lightgbm"] = figures(baseline(learned, aside), aside)
    report["masked"] = {m: figures(predict(net, aside, (m,)), aside) for m in MODALITIES}
    report["heads"] = heads
    if args.ablations:
        report["ablations"] = {
            "without pretraining": figures(predict(train(learned, args, scratch=True), held), held),
            "without cross-attention": figures(predict(train(learned, args, attention=False), held), held),
        } | {f"never given {m}": figures(predict(train(learned, args, without=(m,)), held, (m,)), held) for m in MODALITIES}
    write_json(args.work / "fusion.json", report)
    print(json.dumps({k: report[k] for k in ("aside", "aside_lightgbm")}, indent=1))


if __name__ == "__main__":
    main()
