"""Moments: what the engine knows at finer scales than the hour, read from its own `moments.parquet`.

    python -m bedwatch_training.moments --data DIR --records DIR --work DIR --bedwatch BIN

Runs `bedwatch features export --embed` over simulated wards, the sensor glucose
series, the labelled EEG segments, the stays of the MIMIC-III demo and those of 2012, and writes
WORK/moments.npz. The embeddings are those of the encoder bundle in force, so
this step comes after `quantize`.
"""

import argparse
import json
import subprocess
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from .bundle import write_json
from .splits import split_of

TRACKS = {"minutes": (60, 13), "eeg": (60, 16), "cardiac": (30, 13), "glucose": (36, 1)}  # rows, columns
MAX_EVENTS = 64
LABELS = ("deterioration", "seizure", "hypoglycaemia", "death", "failing")

# Name, how often, beds of the simulator. Where deterioration is to be foretold nothing is planned: a bed whose
# failure always came just after its waveforms began would teach that waveforms foretell it.
WARDS = {
    "sim-seizure": ("30m", "ward:beds=160,seed=11,history=1h,live=20m,first=seizure"),
    "sim-artefact": ("30m", "ward:beds=80,seed=12,history=1h,live=20m,first=artefact_ridden"),
    "sim-plain": ("30m", "ward:beds=400,seed=13,history=10h,live=10m,rate=0.1"),
    "sim-glucose": ("10m", "ward:beds=300,seed=14,history=6h,live=30m,first=hypoglycaemia,waveforms=false"),
    "sim-long": ("30m", "ward:beds=1500,seed=18,history=30h,live=1s,rate=0.05,waveforms=false"),
}
REAL = {"cgm": ("10m", "cgm"), "iiic": ("1s", "eeg/iiic")}
LATER = {"mimic3": ("1h", "mimic3-demo")}  # its codes are those of the others: what they do not know, the network does not


@dataclass
class Moments:
    """N moments in the order of sets, sources and times. Tracks are [N, rows, columns], NaN where nothing was measured."""

    minutes: np.ndarray
    eeg: np.ndarray
    cardiac: np.ndarray
    glucose: np.ndarray
    codes: np.ndarray  # [N, MAX_EVENTS], place in `names` from 1, 0 where there is none; newest last
    numbers: np.ndarray  # [N, MAX_EVENTS, 3]: value, whether there is one, hours since
    embedding: np.ndarray  # [N, D]
    labels: np.ndarray  # [N, LABELS], -1 where there is none
    set_of: np.ndarray
    source: np.ndarray
    seconds: np.ndarray  # time of the moment
    names: np.ndarray  # the codes

    def save(self, path: Path):
        np.savez_compressed(path, **{f.name: getattr(self, f.name) for f in fields(self)})

    @classmethod
    def load(cls, path: Path) -> "Moments":
        with np.load(path) as file:
            return cls(**{f.name: file[f.name] for f in fields(cls)})

    def __len__(self):
        return len(self.labels)

    def pick(self, kept: np.ndarray) -> "Moments":
        return Moments(**{f.name: getattr(self, f.name) if f.name == "names" else getattr(self, f.name)[kept] for f in fields(self)})

    def split(self) -> np.ndarray:
        """`make` or `test` for each moment; the stays of one patient (MIMIC's `patient-stay`) fall together."""
        known = {s: split_of(s.split("-")[0] if s[0].isdigit() else s) for s in np.unique(self.source)}
        return np.array([known[s] for s in self.source])


def lists(column, shape) -> np.ndarray:
    """A list column as [N, *shape] of float16, NaN where there is none."""
    out = np.full((len(column), int(np.prod(shape))), np.nan, dtype=np.float16)
    for chunk, start in zip(column.chunks, np.cumsum([0] + [len(c) for c in column.chunks])):
        there = np.asarray(chunk.is_valid())
        if there.any():
            out[start + np.flatnonzero(there)] = chunk.flatten().to_numpy(zero_copy_only=False).reshape(there.sum(), -1)
    return out.reshape(len(column), *shape)


def events(table, names: dict[str, int], grows: bool) -> tuple[np.ndarray, np.ndarray]:
    """The newest events whose code is known, as the engine gives them; with `grows` every code becomes known."""
    n = table.num_rows
    codes, numbers = np.zeros((n, MAX_EVENTS), dtype=np.int16), np.zeros((n, MAX_EVENTS, 3), dtype=np.float32)
    columns = (table[c].to_pylist() for c in ("event_codes", "event_values", "event_hours_ago"))
    for i, (code, value, ago) in enumerate(zip(*columns)):
        if grows:
            for c in code:
                names.setdefault(c, len(names) + 1)
        known = [e for e in zip(code, value, ago) if e[0] in names]
        for place, (c, v, h) in enumerate(known, MAX_EVENTS - len(known)):
            codes[i, place] = names[c]
            numbers[i, place] = (0.0 if v is None else v, v is not None, h)
    return codes, numbers


def read(folder: Path, name: str, names: dict[str, int], grows: bool) -> Moments:
    """One set's moments.parquet."""
    table = pq.read_table(folder / "moments.parquet")
    tracks = {t: lists(table[t], shape) for t, shape in TRACKS.items()}
    codes, numbers = events(table, names, grows)
    embedding = np.stack(table["embedding"].to_numpy(zero_copy_only=False)).astype(np.float32)
    label = lambda c: np.array([-1 if x is None else int(x) for x in table[c].to_pylist()], dtype=np.int8)  # noqa: E731
    n = table.num_rows
    return Moments(
        **tracks, codes=codes, numbers=numbers, embedding=embedding, labels=np.stack([label(c) for c in LABELS], axis=1),
        set_of=np.full(n, name), source=np.array(table["source"].to_pylist()),
        seconds=table["at"].cast("int64").to_numpy() / 1e6, names=np.array([]),
    )  # fmt: skip


def layout(folder: Path) -> list[dict]:
    """Rows and columns of the tracks as the engine states them; this package's must be the same."""
    stated = json.loads(pq.read_schema(folder / "moments.parquet").metadata[b"tracks"])
    assert {t["name"]: (t["rows"], len(t["columns"])) for t in stated} == TRACKS
    return stated


def join(parts: list[Moments], names: dict[str, int]) -> Moments:
    stacked = {f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Moments) if f.name != "names"}
    return Moments(**stacked, names=np.array(sorted(names, key=names.get)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="holds cgm/ and eeg/")
    parser.add_argument("--records", type=Path, required=True, help="the unpacked records of 2012: set-a/ and set-b/")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--bedwatch", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    wanted = {n: (every, [path]) for n, (every, path) in WARDS.items()}
    wanted |= {n: (every, [args.data / path]) for n, (every, path) in REAL.items()}
    wanted["cinc2012"] = ("6h", [args.records / "set-a", args.records / "set-b"])
    wanted |= {n: (every, [args.data / path]) for n, (every, path) in LATER.items()}
    names: dict[str, int] = {}
    parts = []
    for name, (every, paths) in wanted.items():
        out = args.work / "moments" / name
        if not (out / "moments.parquet").exists():
            out.mkdir(parents=True, exist_ok=True)
            command = [args.bedwatch, "features", "export", *paths, "--out", out, "--moments-every", every, "--embed", "--threads", args.threads]
            subprocess.run([str(c) for c in command], check=True)
        parts.append(read(out, name, names, grows=name not in LATER))
        print(f"{name}: {len(parts[-1])} moments", flush=True)
    write_json(args.work / "tracks.json", layout(args.work / "moments" / "iiic"))
    join(parts, names).save(args.work / "moments.npz")


if __name__ == "__main__":
    main()
