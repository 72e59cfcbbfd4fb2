"""Exemplars and text search: simulated stretches with words, in a space that texts share.

    python -m bedwatch_training.exemplars --work DIR --bedwatch BIN --out ../models/fusion-v1

Simulated patients whose illness is known are described in words: what they have
(the simulator's truth), what runs (drugs) and what stands out (vital signs, labs,
sensor glucose, EEG). A map of the joint view and a vector for each word are
learned together, so that a description's words point where its picture points
(contrastive, Radford et al. 2021, with a bag of words for the text). The bundle
gets 200 stretches of beds not learned from, the words and their vectors; the map
itself stays here. Zero-shot: phrases that were never a description, put together
from known words, are judged by whether the stretches found deserve them.
"""

import argparse
import json
import subprocess
import tomllib
from pathlib import Path

import numpy as np
import onnxruntime
import pyarrow.parquet as pq
import torch

from . import SEED
from .bundle import write_json, write_manifest
from .fusion import batch
from .moments import Moments, read
from .splits import split_of

SIZE, KEPT, STEPS, TEMPERATURE = 48, 200, 1500, 0.07
SCENARIOS = ("sepsis", "respiratory_failure", "haemorrhagic_shock", "seizure", "hypoglycaemia", "artefact_ridden", "stable")
WARD = "ward:beds=30,seed={seed},history=14h,live=20m,rate=0.03,first={scenario}"
DRUGS = {
    "norepinephrine": "noradrenaline", "epinephrine": "adrenaline", "vasopressin": "vasopressin", "insulin": "insulin", "sedative": "sedation",
    "dobutamine": "dobutamine", "phenylephrine": "phenylephrine", "dopamine": "dopamine",
}  # fmt: skip
SYNONYMS = {"noradrenaline": "norepinephrine", "adrenaline": "epinephrine", "haemorrhagic": "bleeding", "tachycardia": "fast", "hypotension": "hypotensive", "fever": "febrile", "seizure": "ictal"}
# signal of the minutes, bound, above or below, words
VITALS = (
    ("heart_rate", 110, 1, "tachycardia"), ("heart_rate", 55, -1, "bradycardia"), ("resp_rate", 25, 1, "tachypnoea"), ("spo2", 91, -1, "low oxygen saturation"),
    ("temperature", 38.3, 1, "fever"), ("abp_mean", 65, -1, "hypotension"), ("nibp_mean", 65, -1, "hypotension"), ("abp_systolic", 160, 1, "hypertension"),
)  # fmt: skip
LABS = (("lactate", 2.0, 1, "raised lactate"), ("lactate", 4.0, 1, "high lactate"), ("wbc", 12.0, 1, "high white count"), ("hemoglobin", 8.0, -1, "anaemia"), ("creatinine", 1.8, 1, "kidney injury"), ("arterial_ph", 7.3, -1, "acidosis"))  # fmt: skip
PROBES = (  # phrase, what a stretch found must have of its description
    ("septic shock on noradrenaline", ("septic shock", "noradrenaline")), ("bleeding patient in shock", ("haemorrhagic shock",)), ("seizure under sedation", ("seizure", "sedation")),
    ("hypotension with raised lactate", ("hypotension", "raised lactate")), ("respiratory failure with tachypnoea", ("respiratory failure",)), ("low sensor glucose on insulin", ("low sensor glucose",)),
    ("fever and tachycardia in sepsis", ("fever",)), ("stable patient", ("stable",)), ("ictal eeg", ("seizure",)), ("febrile on norepinephrine", ("noradrenaline",)),
)  # fmt: skip


def latest(m: Moments, name: str) -> np.ndarray:
    """The newest value of a code [N], NaN where there is none."""
    out = np.full(len(m), np.nan)
    if name in (names := m.names.tolist()):
        code = names.index(name) + 1
        for place in range(m.codes.shape[1]):
            here = (m.codes[:, place] == code) & (m.numbers[:, place, 1] > 0)
            out[here] = m.numbers[here, place, 0]
    return out


def running(m: Moments, drug: str) -> np.ndarray:
    """Whether the newest word of a drug says that it runs [N]."""
    names, out = m.names.tolist(), np.zeros(len(m), dtype=bool)
    for place in range(m.codes.shape[1]):
        for action, state in (("rate_set", True), ("stopped", False)):
            if (name := f"{drug}.{action}") in names:
                out[m.codes[:, place] == names.index(name) + 1] = state
    return out


def describe(m: Moments, truth: list[str], columns: dict[str, list[str]]) -> list[list[str]]:
    """The parts of each moment's description."""
    parts = [[t] for t in truth]
    add = lambda which, words: [parts[i].append(words) for i in np.flatnonzero(which) if words not in parts[i]]  # noqa: E731
    with np.errstate(all="ignore"):
        mean = np.nanmean(m.minutes[:, -10:].astype(np.float32), axis=1)
        for signal, bound, side, words in VITALS:
            x = mean[:, columns["minutes"].index(signal)]
            add(side * (x - bound) > 0, words)
        for signal, bound, side, words in LABS:
            add(side * (latest(m, signal) - bound) > 0, words)
        glucose = m.glucose[:, -2:, 0].astype(np.float32)
        add(np.nanmin(glucose, axis=1) < 70, "low sensor glucose")
        add(np.nanmax(glucose, axis=1) > 200, "high sensor glucose")
        add(np.nan_to_num(m.eeg[:, -1, columns["eeg"].index("burst_suppression_percent")].astype(np.float32)) > 30, "burst suppression")
    add(np.isfinite(m.eeg).any(axis=(1, 2)), "eeg")
    for drug, words in DRUGS.items():
        add(running(m, drug), f"on {words}")
    return parts


def joint(bundle: Path, m: Moments) -> np.ndarray:
    """The joint view of each moment by the shipped graph [N, D]."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    opened = onnxruntime.InferenceSession(str(bundle / "fusion.onnx"), options, providers=["CPUExecutionProvider"])
    out = []
    for i in range(len(m)):
        inputs = {k: v.numpy() for k, v in batch(m, np.array([i])).items()}
        out.append(opened.run(["embedding"], inputs)[0][0])
    return np.stack(out)


def tokens(parts: list[str]) -> list[str]:
    words = [w for part in parts for w in part.split()]
    return sorted(set(words) | {SYNONYMS[w] for w in words if w in SYNONYMS})


class Space(torch.nn.Module):
    """Pictures and words in one space."""

    def __init__(self, size: int, words: int):
        super().__init__()
        self.picture = torch.nn.Sequential(torch.nn.LayerNorm(size), torch.nn.Linear(size, 128), torch.nn.GELU(), torch.nn.Dropout(0.1), torch.nn.Linear(128, SIZE))
        self.words = torch.nn.Parameter(torch.randn(words, SIZE) * 0.1)

    def pictures(self, x):
        return torch.nn.functional.normalize(self.picture(x), dim=-1)

    def texts(self, bags):
        return torch.nn.functional.normalize(bags @ self.words, dim=-1)


def learn(x: np.ndarray, bags: np.ndarray) -> Space:
    """Contrastive; pairs with the same bag count as one another's matches."""
    torch.manual_seed(SEED)
    rng, space = np.random.default_rng(SEED), Space(x.shape[1], bags.shape[1])
    adam = torch.optim.AdamW(space.parameters(), lr=2e-3, weight_decay=0.01)
    x, bags = torch.from_numpy(x), torch.from_numpy(bags)
    for step in range(STEPS):
        at = rng.integers(0, len(x), 256)
        bag = bags[at] * (torch.rand(256, bags.shape[1]) > 0.5)  # any part of a description
        bag = torch.where(bag.sum(1, keepdim=True) > 0, bag, bags[at])
        said = space.texts(bag) @ space.pictures(x[at]).T / TEMPERATURE
        fits = ((bag @ bags[at].T) >= bag.sum(1, keepdim=True)).float()  # whatever has all these words
        wanted = fits / fits.sum(1, keepdim=True)
        loss = torch.nn.functional.cross_entropy(said, wanted) + torch.nn.functional.cross_entropy(said.T, fits.T / fits.T.sum(1, keepdim=True).clamp(min=1))
        adam.zero_grad()
        loss.backward()
        adam.step()
        if step % 300 == 0:
            print(f"step {step}: {loss.item():.3f}", flush=True)
    return space.eval()


def gather(work: Path, bedwatch: Path, names: dict, threads: int):
    """Moments of wards of their own, with the simulator's words."""
    for k, scenario in enumerate(SCENARIOS):
        out = work / "exemplars" / scenario
        if not (out / "moments.parquet").exists():
            out.mkdir(parents=True, exist_ok=True)
            path = WARD.format(seed=51 + k, scenario=scenario)
            subprocess.run([str(c) for c in (bedwatch, "features", "export", path, "--out", out, "--moments-every", "2h", "--embed", "--threads", threads)], check=True)
        m = read(out, scenario, names)
        words = pq.read_table(out / "moments.parquet", columns=["words"])["words"].to_pylist()
        kept = thinned(m)
        yield m.pick(kept), [words[i] for i in kept]


def thinned(m: Moments) -> np.ndarray:
    """At most one moment a source and two minutes."""
    kept, last = [], {}
    for i, (source, second) in enumerate(zip(m.source, m.seconds)):
        if second - last.get(source, -1e18) >= 120:
            kept.append(i)
            last[source] = second
    return np.array(kept)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--bedwatch", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    manifest = tomllib.loads((args.out / "manifest.toml").read_text())
    columns = {t["name"]: t["columns"] for t in manifest["tracks"]}
    names = {n: i + 1 for i, n in enumerate(manifest["codes"])}
    x, parts, ids, made = [], [], [], []
    for m, truth in gather(args.work, args.bedwatch, names, args.threads):
        m.codes[m.codes > len(manifest["codes"])] = 0
        m.names = np.array(manifest["codes"])
        x.append(joint(args.out, m))
        parts += describe(m, truth, columns)
        ids += [f"{s}-{int(t) % 1_000_000:06d}" for s, t in zip(m.source, m.seconds)]
        made += [split_of(s) == "make" for s in m.source]
    x, made = np.concatenate(x).astype(np.float32), np.array(made)
    bagged = [tokens(p) for p in parts]
    words = sorted({w for b in bagged for w in b})
    bags = np.array([[w in b for w in words] for b in map(set, bagged)], dtype=np.float32)
    print(f"{len(x)} moments, {made.sum()} learned from, {len(words)} words", flush=True)
    space = learn(x[made], bags[made])
    with torch.no_grad():
        pictures, vectors = space.pictures(torch.from_numpy(x)).numpy(), space.words.numpy()
    rng, aside = np.random.default_rng(SEED), np.flatnonzero(~made)
    # Every kind of truth has its share of the exemplars.
    kinds, chosen = sorted({p[0] for p in parts}), []
    for kind in kinds:
        of = [i for i in aside if parts[i][0] == kind]
        chosen += rng.permutation(of)[: KEPT // len(kinds)].tolist()
    chosen = np.array(sorted(chosen))
    report = probes(chosen, parts, pictures, vectors, words)
    write(args.out, manifest, chosen, ids, parts, x, pictures, vectors, words)
    write_json(args.work / "exemplars.json", report | {"exemplars": len(chosen), "moments_learned": int(made.sum()), "words": len(words)})
    print(json.dumps(report, indent=1))


def probes(chosen, parts, pictures, vectors, words) -> dict:
    """For each phrase the share of the five nearest stretches that deserve it, beside the share by chance; the means are of phrases that some stretch deserves."""
    at, out = {w: i for i, w in enumerate(words)}, {}
    for phrase, wanted in PROBES:
        known = [at[w] for w in phrase.split() if w in at]
        direction = vectors[known].sum(0)
        order = np.argsort(-(pictures[chosen] @ direction), kind="stable")
        deserves = np.array([all(any(w in p for p in parts[i]) for w in wanted) for i in chosen])
        out[phrase] = {"of_five": float(deserves[order[:5]].mean()), "by_chance": round(float(deserves.mean()), 3)}
    mean = lambda k: round(float(np.mean([v[k] for v in out.values() if v["by_chance"] > 0])), 3)  # noqa: E731
    return {"probes": out, "mean_of_five": mean("of_five"), "mean_by_chance": mean("by_chance")}


def write(out: Path, manifest, chosen, ids, parts, x, pictures, vectors, words):
    """Adds [neighbours] and [search] to the bundle."""
    matrix = lambda name, values: (out / name).write_bytes(np.ascontiguousarray(values, dtype="<f4").tobytes())  # noqa: E731
    write_json(out / "exemplars.json", [{"id": ids[i], "words": ", ".join(parts[i])} for i in chosen])
    matrix("exemplars.f32", x[chosen])
    matrix("exemplar_texts.f32", pictures[chosen])
    matrix("word_vectors.f32", vectors)
    write_json(out / "words.json", words)
    at = {w: i for i, w in enumerate(words)}
    phrases = sorted({p for ps in (parts[i] for i in chosen) for p in ps})
    write_json(out / "phrases.json", phrases)
    matrix("phrase_vectors.f32", np.stack([vectors[[at[w] for w in p.split()]].sum(0) for p in phrases]))
    table = {k: v for k, v in manifest.items() if k not in ("files", "neighbours", "search")}
    table["neighbours"] = {"vectors": "exemplars.f32", "list": "exemplars.json"}
    table["search"] = {"size": SIZE, "vectors": "exemplar_texts.f32", "phrases": "phrases.json", "phrase_vectors": "phrase_vectors.f32", "words": "words.json", "word_vectors": "word_vectors.f32"}
    files = ["fusion.onnx", "parity.json", "exemplars.json", "exemplars.f32", "exemplar_texts.f32", "words.json", "word_vectors.f32", "phrases.json", "phrase_vectors.f32"]
    write_manifest(out, table, files)


if __name__ == "__main__":
    main()
