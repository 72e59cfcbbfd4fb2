"""The fusion's trees: LightGBM over a summary of a moment, beside the network in the same graph.

The network reads every row; trees read of each column its last value, mean,
extremes and trend, of each coded event the latest value and its age, and the
encoder's embedding. They know other things, so a head is both, weighed by
logistic regression on stays that neither learned from. A number that is
missing is MISSING; all are multiples of 1/64, as `forest` wants them. The
same module makes the training rows and stands in the graph.
"""

from pathlib import Path

import lightgbm
import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from sklearn.linear_model import LogisticRegression
from torch import nn

from . import SEED
from .forest import Forest, opset
from .fusion import HEADS, batch
from .moments import MAX_EVENTS, TRACKS, Moments

MISSING = -4096.0
PARTS = 64.0  # numbers are multiples of one 64th
LATELY = 6  # rows in which a column's last value is looked for
ROUNDS = 200
SETTINGS = {
    "objective": "binary", "learning_rate": 0.05, "num_leaves": 15, "max_bin": 63, "feature_fraction": 0.3, "min_data_in_leaf": 50,
    "force_col_wise": True, "num_threads": 1, "verbose": -1, "seed": SEED, "deterministic": True,
}  # fmt: skip


class Summary(nn.Module):
    """The network's inputs -> [B, wide]."""

    def __init__(self, codes: int):
        super().__init__()
        self.register_buffer("code", torch.arange(1, codes + 1))
        self.register_buffer("place", torch.arange(1, MAX_EVENTS + 1))

    @staticmethod
    def track(x):
        """[B, R, 2C] -> [B, 5C]: last value, mean, least, greatest, change from the first half's mean to the second's."""
        rows, columns = x.shape[1], x.shape[2] // 2
        value, there = x[..., :columns], x[..., columns:]
        last = torch.full_like(value[:, 0], MISSING)
        for row in range(rows - LATELY, rows):
            last = torch.where(there[:, row] > 0, value[:, row], last)

        def mean(of):
            count = there[:, of].sum(1)
            return (value[:, of] * there[:, of]).sum(1) / count.clamp(min=1), count > 0

        whole, some = mean(slice(0, rows))
        before, had = mean(slice(0, rows // 2))
        after, has = mean(slice(rows // 2, rows))
        gone = lambda x, known: torch.where(known, x, torch.full_like(x, MISSING))  # noqa: E731
        far = torch.full_like(value, 1e6)
        least = torch.where(there > 0, value, far).amin(1)
        greatest = torch.where(there > 0, value, -far).amax(1)
        return torch.cat([last, gone(whole, some), gone(least, some), gone(greatest, some), gone(after - before, had & has)], dim=-1)

    def events(self, codes, numbers):
        """Of each code the latest value and the hours since [B, 2 codes]."""
        newest = ((codes[:, :, None] == self.code) * self.place[:, None]).amax(1)  # [B, codes], 0 where there is none
        at = (newest - 1).clamp(min=0)
        value, has, ago = (numbers[..., i].gather(1, at) for i in range(3))
        gone = torch.full_like(value, MISSING)
        return torch.cat([torch.where((newest > 0) & (has > 0), value, gone), torch.where(newest > 0, ago, gone)], dim=-1)

    def forward(self, hour, minutes, eeg, cardiac, glucose, event_codes, events):
        parts = [hour, *(self.track(t) for t in (minutes, eeg, cardiac, glucose)), self.events(event_codes, events)]
        return torch.round(torch.cat(parts, dim=-1).clamp(MISSING, -2 * MISSING) * PARTS) / PARTS


@torch.no_grad()
def summaries(m: Moments) -> np.ndarray:
    """Rows [N, wide] of moments."""
    made = Summary(len(m.names)).eval()
    parts = [made(**batch(m, np.arange(s, min(s + 1024, len(m))))).numpy() for s in range(0, len(m), 1024)]
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)


def learn(x, label, weight=None) -> lightgbm.Booster:
    known = label >= 0
    data = lightgbm.Dataset(x[known], label[known], weight=None if weight is None else weight[known])
    return lightgbm.train(SETTINGS, data, ROUNDS)


def score(model: lightgbm.Booster, x) -> np.ndarray:
    return model.predict(x, raw_score=True).astype(np.float32)


def weights(network, trees, label, weight=None) -> tuple[float, float]:
    """What the network's logit and the trees' score weigh in a head; none below zero."""
    x = np.stack([network, trees], axis=1).astype(np.float64)
    fit = LogisticRegression(C=1e3).fit(x, label, sample_weight=weight)
    of = fit.coef_[0]
    if (of < 0).any():
        alone = LogisticRegression(C=1e3).fit(x[:, [int(of.argmax())]], label, sample_weight=weight).coef_[0, 0]
        of = np.where(np.arange(2) == of.argmax(), alone, 0.0)
    return float(of[0]), float(of[1])


def append(path: Path, folder: Path, shipped, of: dict[str, tuple[float, float]]):
    """Adds the forests to a graph with outputs `summary` and `network` [1, heads]: their weighted sum is `logits`."""
    proto = onnx.load(path)
    graph, forest = proto.graph, Forest(len(shipped))
    for target, name in enumerate(shipped):
        if of[name][1] > 0:
            forest.add(folder / f"{name}.txt", target, of[name][1])
    share = np.array([[of[name][0] for name in shipped]], dtype=np.float32)
    graph.initializer.append(numpy_helper.from_array(share, "weight_of_the_network"))
    graph.node.extend([
        forest.node("summary", "forest"),
        helper.make_node("Mul", ["network", "weight_of_the_network"], ["own"]),
        helper.make_node("Add", ["own", "forest"], ["logits"]),
    ])  # fmt: skip
    kept = [o for o in graph.output if o.name not in ("summary", "network")]
    del graph.output[:]
    graph.output.extend([helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, [1, len(shipped)]), *kept])
    proto.opset_import.append(opset())
    onnx.checker.check_model(proto)
    onnx.save(proto, path)


assert HEADS and set(TRACKS) == {"minutes", "eeg", "cardiac", "glucose"}
