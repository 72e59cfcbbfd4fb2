"""What the encoder's embedding shows, as six classes of picture, and the evidences it comes with.

`read` takes the lines of `bedwatch evidence export`: what the engine would ask
the narrator, with the embedding beside it. The classes are k-means clusters
of the standardised embeddings; a class ranks the organ systems by how much
more often their facts are out of range in it than elsewhere. A class chooses
the plan and the emphasis of a text and claims nothing, so that an embedding
that is wrong, or of another encoder, can make a text no less true.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import SEED
from .narrator_grammar import PLANS, Evidence, Fact, State
from .narrator_words import CHANGES, GROUP, GROUPS, KINDS, MISSING, SLOTS, SUBJECTS


def _fact(f: dict) -> Fact:
    trend = f.get("trend") or {"direction": "unknown"}
    new = trend["direction"] in ("rising", "falling") and seconds(trend["over"]) <= 3600
    return Fact(f["subject"], f["band"], trend["direction"], new)


def seconds(duration: str) -> float:
    """Seconds of an ISO 8601 duration as the engine writes it (`PT14400.1S`)."""
    if not (duration.startswith("PT") and duration.endswith("S")):
        raise ValueError(duration)
    return float(duration[2:-1])


def coded(line: dict) -> Evidence | None:
    """A line's evidence as the prompt sees it; None where the narrator has no words for it."""
    e = line["evidence"]
    facts = tuple(_fact(f) for f in e["facts"] if f["subject"] in SUBJECTS)[:SLOTS]
    if line["kind"] not in KINDS or not facts:
        return None
    missing = tuple(m["subject"] for m in e["missing"] if m["subject"] in SUBJECTS)[:MISSING]
    account = e.get("account") or {}
    changes = (account.get("clears") or {}).get("changes", [])[:CHANGES]
    clears = tuple((c["signal"], c["bound"]) for c in changes if c["signal"] in SUBJECTS)
    certainty = ("unfamiliar",) * bool(account.get("unfamiliar")) + ("unsure",) * (account.get("certainty") == "unsure")
    return Evidence(line["kind"], line["priority"], facts, missing, clears, certainty)


def read(paths: list[Path]) -> tuple[list[Evidence], np.ndarray]:
    """Evidences that have an embedding, and the embeddings [N, D]."""
    evidences, vectors = [], []
    for path in paths:
        with path.open() as lines:
            for text in lines:
                line = json.loads(text)
                e = coded(line) if line["embedding"] else None
                if e is not None:
                    evidences.append(e)
                    vectors.append(np.array(line["embedding"], dtype=np.float32))
    if not evidences:
        raise SystemExit("no line has facts and an embedding")
    return evidences, np.stack(vectors)


@dataclass
class States:
    """Classes over embeddings: mean and sd [D], centres [K, D] of standardised embeddings, organ systems of each class."""

    mean: np.ndarray
    sd: np.ndarray
    centres: np.ndarray
    groups: list[tuple[str, ...]]

    def classes(self, vectors: np.ndarray) -> np.ndarray:
        """The class of each embedding [N, D]."""
        x = (vectors - self.mean) / self.sd
        return ((x[:, None] - self.centres[None]) ** 2).sum(-1).argmin(-1)

    def of(self, vectors: np.ndarray) -> list[State]:
        return [State(int(k), self.groups[k]) for k in self.classes(vectors)]


def _centres(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """k-means++ and forty rounds of Lloyd's."""
    centres = [x[rng.integers(len(x))]]
    for _ in range(PLANS - 1):
        far = np.min([((x - c) ** 2).sum(-1) for c in centres], axis=0)
        centres.append(x[rng.choice(len(x), p=far / far.sum())])
    centres = np.stack(centres)
    for _ in range(40):
        near = ((x[:, None] - centres[None]) ** 2).sum(-1).argmin(-1)
        centres = np.stack([x[near == k].mean(0) if (near == k).any() else centres[k] for k in range(PLANS)])
    return centres


def fit(evidences: list[Evidence], vectors: np.ndarray) -> States:
    """Classes of the training embeddings, the largest first."""
    rng = np.random.default_rng(SEED)
    mean, sd = vectors.mean(0), np.maximum(vectors.std(0), 1e-3)
    x = (vectors - mean) / sd
    centres = _centres(x[rng.permutation(len(x))[:20000]], rng)
    states = States(mean, sd, centres, [])
    near = states.classes(vectors)
    order = np.argsort(-np.bincount(near, minlength=PLANS), kind="stable")
    states.centres, near = centres[order], np.argsort(order)[near]
    out_of_range = np.array([[sum(GROUP[f.signal] == g and f.band not in ("normal", "unknown") for f in e.facts) for g in GROUPS] for e in evidences])
    everywhere = out_of_range.mean(0) + 0.01
    for k in range(PLANS):
        here = (out_of_range[near == k].mean(0) if (near == k).any() else everywhere) + 0.01
        states.groups.append(tuple(GROUPS[i] for i in np.argsort(-np.log(here / everywhere), kind="stable")))
    return states
