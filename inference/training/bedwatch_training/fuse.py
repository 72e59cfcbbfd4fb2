"""The fusion: pretraining without labels, fine-tuning, trees beside the network, calibration, ablations, bundle.

    python -m bedwatch_training.fuse --work DIR --encoder ../models/encoder-hourly-v2 --out ../models/fusion-v1

Reads WORK/moments.npz. Three quarters of the stays for making models are
learned from, the rest calibrates; stays kept aside are judged on once, at the
end. Pretraining: hidden stretches of each track are filled in from what is
around them and from the other modalities, and the next event is foretold.
Trees over a summary of the same moments (`moment_trees`) stand beside the
network, and a head is both, weighed on the held stays. They also learn from
the few stays of the MIMIC-III demo, and that a failure is under way; the
network learned to foretell alone. Writes WORK/fusion.pt, WORK/moment-trees/,
WORK/fusion.json and the bundle.
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
from .calibrate import conformal, head, platt, sigmoid
from .forest import ML_OPSET
from .fusion import AUXILIARY, EMBEDDING, HEADS, MODALITIES, NEEDS, SHIPPED, Fusion, batch
from .moment_trees import Summary, append, learn, score, summaries, weights
from .moments import LABELS, LATER, MAX_EVENTS, TRACKS, Moments
from .splits import fold_of

NAME, VERSION = "fusion-v1", "1.1.0"
BATCH, PRETRAINED_EPOCHS, EPOCHS, RATE = 256, 2, 5, 2e-3
HIDDEN_STRETCH, DROPPED = 0.25, 0.15
SPECIFICITY = {"deterioration": (0.97, 0.995), "seizure": (0.99, 0.998), "hypoglycaemia": (0.97, 0.99)}  # operating, high
REAL_SPECIFICITY = 0.95  # deterioration: of real moments, whatever becomes of them
MISSED = 0.05  # seizures at most, at either point
FOLDS = 4  # of the real series of glucose and of MIMIC's patients, for their cross-fitted figures
OUTPUTS = ["logits", "embedding", "gates"]


def columns(m: Moments) -> list[int]:
    """Where the heads' labels stand in `Moments.labels`."""
    return [LABELS.index(h) for h in (*HEADS, *AUXILIARY)]


def wanted(m: Moments, now=False) -> np.ndarray:
    """Labels [N, heads], -1 where there is none or what the head needs is not there; `now`: a failure under way is deterioration."""
    labels = m.labels[:, columns(m)].astype(np.int8)
    if now:
        labels[m.labels[:, LABELS.index("failing")] == 1, HEADS.index("deterioration")] = 1
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
    out = {}
    groups = {"simulator": np.char.startswith(m.set_of, "sim-")} | {s: m.set_of == s for s in np.unique(m.set_of) if not s.startswith("sim-")}
    columns = [(name, wanted(m)[:, i], i) for i, name in enumerate((*HEADS, *AUXILIARY)) if i < logits.shape[1]]
    for name, labels, i in [*columns, ("deterioration or failing", wanted(m, now=True)[:, 0], 0)]:
        for group, here in groups.items():
            here = here & (labels >= 0)
            truth = labels[here]
            if 0 < truth.sum() < len(truth):
                out.setdefault(name, {})[group] = {
                    "moments": int(len(truth)), "positive": int(truth.sum()), "sources": int(len(np.unique(m.source[here]))),
                    "sources_positive": int(len(np.unique(m.source[here][truth == 1]))),
                    "auroc": round(float(roc_auc_score(truth, logits[here, i])), 4), "auprc": round(float(average_precision_score(truth, logits[here, i])), 4),
                }  # fmt: skip
    return out


def balanced(m: Moments, labels) -> np.ndarray:
    """Weights [N] with which the simulator's labelled moments and those of real stays weigh the same in sum."""
    real = ~np.char.startswith(m.set_of, "sim-")
    weight = np.ones(len(m))
    for part in (real, ~real):
        if (known := part & (labels >= 0)).any():
            weight[part] = (labels >= 0).sum() / 2 / known.sum()
    return weight if (real & (labels >= 0)).any() and (~real & (labels >= 0)).any() else np.ones(len(m))


def forests(m: Moments, x, only=HEADS) -> dict:
    """A LightGBM for each head."""
    labels = wanted(m, now=True)
    return {name: learn(x, labels[:, i], balanced(m, labels[:, i])) for i, name in enumerate(HEADS) if name in only}


def scores(models: dict, x) -> np.ndarray:
    """Their scores [N, heads], 0 for heads without one."""
    return np.stack([score(models[name], x) if name in models else np.zeros(len(x), np.float32) for name in HEADS], axis=1)


def weighed(of: dict, network, trees) -> np.ndarray:
    """The heads' logits [N, heads] of both."""
    return np.stack([of[name][0] * network[:, i] + of[name][1] * trees[:, i] for i, name in enumerate(HEADS)], axis=1)


def forecast(m: Moments) -> np.ndarray:
    """The rule beside: sensor glucose in 30 minutes, on the line through the last reading and the one 20 minutes before [N], negative; -1000 where there is none."""
    x = m.glucose[:, :, 0].astype(np.float32)
    last = np.where(np.isfinite(x[:, -1]), x[:, -1], x[:, -2])
    before = np.where(np.isfinite(x[:, -5]), x[:, -5], x[:, -6])
    return np.nan_to_num(-(last + 1.5 * (last - before)), nan=-1000.0)


def folds(m: Moments, of: str) -> np.ndarray:
    """For each moment of a set the fold of its patient, -1 elsewhere."""
    name = np.array([s.split("-")[0] if of in LATER else s for s in m.source])
    place = {s: k % FOLDS for k, s in enumerate(sorted(np.unique(name[m.set_of == of])))}
    return np.array([place[n] if s == of else -1 for n, s in zip(name, m.set_of)])


def crossfit_glucose(m: Moments, x, args) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict]:
    """Real sensor glucose, each series judged by a network and trees that learned from the others: (the network's logits, the trees' scores, labels, figures).

    The series kept aside are few; these figures rest on all stays for making models.
    """
    real, i, fold = m.set_of == "cgm", HEADS.index("hypoglycaemia"), folds(m, "cgm")
    glucose = np.isin(m.set_of, ("cgm", "sim-glucose"))
    network, trees = np.zeros(len(m), np.float32), np.zeros(len(m), np.float32)
    for k in range(FOLDS):
        kept, out = glucose & (fold != k), fold == k
        network[out] = predict(train(m.pick(kept), args, scratch=True), m.pick(out))[:, i]
        trees[out] = score(forests(m.pick(kept), x[kept], ("hypoglycaemia",))["hypoglycaemia"], x[out])
    part = m.pick(real)
    label = wanted(part)[:, i]
    known = label >= 0
    network, trees, label, rule = network[real][known], trees[real][known], label[known], forecast(part)[known]
    own, other = weights(network, trees, label)
    said = {"fusion": own * network + other * trees, "network": network, "LightGBM": trees, "line": rule}
    areas = {n: [round(float(f(label, x)), 4) for f in (roc_auc_score, average_precision_score)] for n, x in said.items()}
    return network, trees, label, {"moments": int(known.sum()), "positive": int(label.sum()), "series": len(np.unique(m.source[real])), "weights": [own, other], "auroc_auprc": areas}


def crossfit_mimic(m: Moments, x, learned, network, of) -> dict:
    """Deterioration at the MIMIC-III demo, each patient judged by trees that learned from the simulator and the others: of all its patients, with `of` weights."""
    fold, name = folds(m, "mimic3"), "deterioration"
    real, trees = m.set_of == "mimic3", np.zeros(len(m), np.float32)
    for k in range(FOLDS):
        kept = (learned & ~real) | (real & (fold != k))
        trees[fold == k] = score(forests(m.pick(kept), x[kept], (name,))[name], x[fold == k])
    part, trees = m.pick(real), trees[real]
    both, out = of[name][0] * network[real, 0] + of[name][1] * trees, {"stays": len(np.unique(part.source))}
    for words, now in (("foretold", False), ("foretold or under way", True)):
        label = wanted(part, now)[:, 0]
        known = label >= 0
        area = lambda s: [round(float(f(label[known], s[known])), 4) for f in (roc_auc_score, average_precision_score)]  # noqa: B023, E731
        out[words] = {"moments": int(known.sum()), "positive": int(label[known].sum()), "auroc_auprc": {"fusion": area(both), "network": area(network[real, 0]), "LightGBM": area(trees)}}
    return out


def calibrated(logits, m: Moments, glucose) -> dict:
    """Platt lines, operating points and conformal rows: on held stays, and for hypoglycaemia on `glucose`, (logits, labels) of real series."""
    labels, heads = wanted(m, now=True), {}
    for i, name in enumerate(HEADS):
        known = labels[:, i] >= 0
        label, logit, weight = labels[known, i], logits[known, i], balanced(m, labels[:, i])[known]
        if name == "hypoglycaemia":
            logit, label, weight = *glucose, None
        a, b = platt(logit, label, weight)
        p = sigmoid(a * logit + b)
        point, high = (float(np.quantile(p[label == 0], s)) for s in SPECIFICITY[name])
        if name == "deterioration":
            real = sigmoid(a * logits[m.set_of == "cinc2012", i] + b)
            point = max(point, float(np.quantile(real, REAL_SPECIFICITY)))
            high = max(high, point)
        if name == "seizure":  # simulated ones stand so far apart that a share of the others says nothing
            point, high = (max(x, float(np.quantile(p[label == 1], MISSED))) for x in (point, high))
        heads[name] = head(a, b, point, high, [] if name == "seizure" else conformal(p, label))
        print(f"{name}: sensitivity {(p[label == 1] >= point).mean():.3f} at p >= {point:.4f} ({SPECIFICITY[name][0]:.3f} of the others silent)", flush=True)
    return heads


class Served(torch.nn.Module):
    """Without what only learns; the summary for the trees and the network's logits apart."""

    def __init__(self, net: Fusion, codes: int):
        super().__init__()
        self.net, self.summary = net, Summary(codes)
        self.shipped = [HEADS.index(n) for n in SHIPPED]

    def forward(self, hour, minutes, eeg, cardiac, glucose, event_codes, events):
        logits, fused, gates = self.net(hour, minutes, eeg, cardiac, glucose, event_codes, events)
        summary = self.summary(hour, minutes, eeg, cardiac, glucose, event_codes, events)
        return summary, logits[:, self.shipped], fused, gates


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


def write(net: Fusion, heads: dict, of: dict, names, work: Path, encoder: Path, out: Path):
    """The bundle: ONNX, manifest, parity vectors."""
    tracks = json.loads((work / "tracks.json").read_text())
    out.mkdir(parents=True, exist_ok=True)
    net.eval()
    zero = {"hour": torch.zeros(1, EMBEDDING), **{t: torch.zeros(1, r, 2 * c) for t, (r, c) in TRACKS.items()}, "event_codes": torch.zeros(1, MAX_EVENTS, dtype=torch.int64), "events": torch.zeros(1, MAX_EVENTS, 3)}  # fmt: skip
    zero["event_codes"][0, -1] = 1
    export(Served(net, len(names)), out / "fusion.onnx", tuple(zero.values()), list(zero), ["summary", "network", *OUTPUTS[1:]], {})
    append(out / "fusion.onnx", work / "moment-trees", SHIPPED, of)
    beside = tomllib.loads((encoder / "manifest.toml").read_text())
    entry = lambda i, n: {"name": n, "index": i, "needs": list(NEEDS[n])} | {k: round(v, 6) for k, v in heads[n].items() if k != "conformal"} | {"conformal": [{k: v if isinstance(v, str) else round(v, 6) for k, v in row.items()} for row in heads[n]["conformal"]]}  # noqa: E731
    table = {
        "format": "bedwatch-bundle-1", "kind": "fusion", "name": NAME, "version": VERSION, "licence": "Apache-2.0",
        "contract": "moment-v1", "encoder": beside["name"], "encoder_version": beside["version"], "embedding_size": EMBEDDING,
        "training_data": "the bedwatch ward simulator (synthetic); PhysioNet/CinC Challenge 2012 sets a and b (ODC-By 1.0); sensor glucose of Hall et al. 2018 (CC BY 4.0) by iglu; stays for making models only",
        "codes": [str(n) for n in names], "onnx": {"file": "fusion.onnx", "opset": OPSET, "ml_opset": ML_OPSET, "inputs": list(zero), "outputs": OUTPUTS},
        "tracks": tracks, "heads": [entry(i, n) for i, n in enumerate(SHIPPED)],
    }  # fmt: skip
    write_json(out / "parity.json", {"tolerance": 1e-4, "moments": parity(out / "fusion.onnx", len(names))})
    write_manifest(out, table, ["fusion.onnx", "parity.json"])
    print(f"fusion.onnx: {(out / 'fusion.onnx').stat().st_size / 1e6:.2f} MB")


def without(net, models: dict, m: Moments, gone: str) -> tuple[np.ndarray, np.ndarray]:
    """What network and trees say while a modality is not there."""
    blind = m.pick(np.ones(len(m), dtype=bool))
    if gone == "events":
        blind.codes, blind.numbers = np.zeros_like(m.codes), np.zeros_like(m.numbers)
    else:
        setattr(blind, gone, np.full_like(getattr(m, gone), np.nan))
    return predict(net, m, (gone,)), scores(models, summaries(blind))


def coverage(heads: dict, logits, m: Moments) -> dict:
    """Of moments kept aside, the share whose label is in the conformal set: all, without, with."""
    labels, out = wanted(m, now=True), {}
    for i, name in enumerate(HEADS):
        h, known = heads[name], labels[:, i] >= 0
        if not (h["conformal"] and known.any()):
            continue
        p, label, row = sigmoid(h["platt_a"] * logits[known, i] + h["platt_b"]), labels[known, i], h["conformal"][0]
        inside = np.where(label == 1, p >= row["positive_at_least"], p <= row["negative_at_most"])
        real = ~np.char.startswith(m.set_of[known], "sim-")
        share = lambda of: round(float(inside[of].mean()), 4) if of.any() else None  # noqa: B023, E731
        out[name] = {g: [share(s), share(s & (label == 0)), share(s & (label == 1))] for g, s in (("simulator", ~real), ("real", real))}
    return out


def ablations(learned: Moments, held: Moments, args) -> dict:
    """Figures of the network alone, on held stays."""
    found = {
        "without pretraining": figures(predict(train(learned, args, scratch=True), held), held),
        "without cross-attention": figures(predict(train(learned, args, attention=False), held), held),
    }
    return found | {f"never given {m}": figures(predict(train(learned, args, without=(m,)), held, (m,)), held) for m in MODALITIES}


def network(m: Moments, args) -> Fusion:
    """A network that learned from these moments, or the one that is given."""
    if args.network is None:
        return train(m, args)
    net = Fusion(len(m.names))
    net.load_state_dict(torch.load(args.network, weights_only=False)["state"])
    return net


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--pretrained-epochs", type=int, default=PRETRAINED_EPOCHS)
    parser.add_argument("--limit", type=int, help="moments an epoch, at most")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--network", type=Path, help="this network instead of training one")
    parser.add_argument("--ablations", action="store_true", help="also without pretraining, cross-attention and each modality; slow")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    every = Moments.load(args.work / "moments.npz")
    split = every.split()
    fold = {s: fold_of(s.split("-")[0] if s[0].isdigit() else s) for s in np.unique(every.source)}
    parts = {"aside": (split == "test") | (every.set_of == "iiic")}
    parts["held"] = ~parts["aside"] & np.array([fold[s] == 0 for s in every.source])
    parts["learned"] = ~parts["aside"] & ~parts["held"]
    report = {"moments": {k: int(v.sum()) for k, v in parts.items()}}
    print(report, flush=True)
    learned, held, aside = (every.pick(parts[k]) for k in ("learned", "held", "aside"))
    net = network(learned.pick(~np.isin(learned.set_of, list(LATER))), args)
    torch.save({"state": net.state_dict(), "names": every.names}, args.work / "fusion.pt")
    x, said = summaries(every), predict(net, every)
    models = forests(learned, x[parts["learned"]])
    (args.work / "moment-trees").mkdir(exist_ok=True)
    for name, model in models.items():
        model.save_model(args.work / "moment-trees" / f"{name}.txt")
    trees = scores(models, x)
    made = split == "make"
    own, other, label, report["glucose"] = crossfit_glucose(every.pick(made), x[made], args)
    labels = wanted(held, now=True)
    of = {}
    for i, name in enumerate(HEADS):
        known = labels[:, i] >= 0
        of[name] = weights(said[parts["held"]][known, i], trees[parts["held"]][known, i], labels[known, i], balanced(held, labels[:, i])[known])
    of["hypoglycaemia"] = tuple(report["glucose"]["weights"])
    print(of, json.dumps(report["glucose"]), flush=True)
    both = weighed(of, said, trees)
    report["mimic3"] = crossfit_mimic(every, x, parts["learned"], said, of)
    print(json.dumps(report["mimic3"]), flush=True)
    heads = calibrated(both[parts["held"]], held, (of["hypoglycaemia"][0] * own + of["hypoglycaemia"][1] * other, label))
    for name, part in (("held", held), ("aside", aside)):
        report[name] = figures(both[parts[name]], part)
        report[f"{name}_network"] = figures(said[parts[name]], part)
        report[f"{name}_lightgbm"] = figures(trees[parts[name]], part)
    report["masked"] = {m: figures(weighed(of, *without(net, models, aside, m)), aside) for m in MODALITIES}
    report |= {"weights": of, "heads": heads, "coverage": coverage(heads, both[parts["aside"]], aside)}
    if args.out:
        write(net, heads, of, every.names, args.work, args.encoder, args.out)
    if args.ablations:
        report["ablations"] = ablations(learned.pick(~np.isin(learned.set_of, list(LATER))), held, args)
    write_json(args.work / "fusion.json", report)
    print(json.dumps({k: report[k] for k in ("aside", "aside_network", "aside_lightgbm", "coverage")}, indent=1))


if __name__ == "__main__":
    main()
