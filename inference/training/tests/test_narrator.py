"""The grammar says what the evidence backs, the checker catches what it does not, the bundle says the same words as here."""

import json
import random
import tomllib
import unittest
from dataclasses import replace
from pathlib import Path

import numpy as np

from bedwatch_training.narrator_check import count, faults, shape
from bedwatch_training.narrator_corpus import corpus_words, held_out
from bedwatch_training.narrator_evidence import evidence, shuffled_state
from bedwatch_training.narrator_grammar import Evidence, Fact, State, emphasised, say
from bedwatch_training.narrator_measure import Decoder
from bedwatch_training.narrator_model import Config, Narrator, Vocabulary
from bedwatch_training.narrator_state import coded, fit, seconds
from bedwatch_training.narrator_words import FORBIDDEN, GROUPS, MAX_NEW_TOKENS, MAX_WORDS, SUBJECTS, TREND_WORDS, lexicon

NAME = "narrator-v2"
FOLDER = Path(__file__).parents[2] / "models" / NAME


def draws(seed: int, count: int):
    rng = random.Random(seed)
    return [evidence(rng, shuffled_state(rng) if rng.random() < 0.7 else None) for _ in range(count)]


class Grammar(unittest.TestCase):
    def test_no_phrase_ends_another(self):
        phrases = list(SUBJECTS.values())
        self.assertEqual(len(set(phrases)), len(phrases))
        for a in phrases:
            self.assertFalse([b for b in phrases if a != b and b.endswith(" " + a)], a)

    def test_words_hold_no_advice_and_digits_only_in_names(self):
        words, names = set(corpus_words()), {w for p in SUBJECTS.values() for w in p.split()}
        self.assertLessEqual(words & set(FORBIDDEN), names)  # "insulin infusion"
        self.assertFalse([w for w in words - names if w[0] != "{" and any(c.isdigit() for c in w)])

    def test_what_the_grammar_says_is_faithful_short_and_known(self):
        words = set(corpus_words())
        for e in draws(11, 3000):
            text = say(e)
            self.assertEqual(faults(e, text), [], " ".join(text))
            self.assertLessEqual(set(text), words)
            self.assertLessEqual(count(text), MAX_WORDS - 4)
            self.assertLess(len(text), MAX_NEW_TOKENS - 1)

    def test_it_has_many_shapes(self):
        self.assertGreater(len({shape(say(e)) for e in draws(12, 2000)}), 500)

    def test_the_checker_catches(self):
        facts = (Fact("abp_mean", "low", "falling", True), Fact("lactate", "critical_high", "rising"), Fact("heart_rate", "high", "stable"))
        e = Evidence("shock", "high", facts, ("wbc",), (("abp_mean", "at_least"),), ("unsure",))
        good = (
            "urgent concern for shock : mean arterial pressure {f0} ( low and falling over the last hour ) , lactate {f1} ( very high and rising ) "
            "and heart rate {f2} ( high and steady ) . the model is unsure here . would clear with mean arterial pressure at or above {c0} . "
            "missing : white cell count ."
        ).split()
        self.assertEqual(faults(e, good), [])
        swaps = (
            ("falling", "rising"), ("low", "high"), ("high", "low"), ("{f0}", "{f1}"), ("arterial", "cuff"), ("lactate", "creatinine"),
            ("white", "red"), ("concern", "low"), ("shock", "sepsis"), ("concern", "give"), ("urgent", "7"), ("falling", "now"), ("steady", "rising"),
            ("unsure", "unfamiliar"), ("above", "below"), ("{c0}", "{f0}"), ("{c0}", "{c1}"), ("{f2}", "{c0}"), ("would", "now"), ("missing", "now"),
        )  # fmt: skip
        for old, new in swaps:
            self.assertIn(old, good)
            for at in [i for i, w in enumerate(good) if w == old and not (old == "high" and good[i - 1] == "very")][:1]:
                self.assertNotEqual(faults(e, good[:at] + [new] + good[at + 1 :]), [], f"{old} -> {new}")
        self.assertNotEqual(faults(replace(e, certainty=()), good), [])
        self.assertNotEqual(faults(replace(e, facts=(replace(facts[0], new=False), *facts[1:])), good), [])
        self.assertNotEqual(faults(e, good[:-1]), [])
        self.assertNotEqual(faults(e, good + ["now"] * 40 + ["."]), [])

    def test_flipping_a_trend_flips_the_words(self):
        for e in draws(5, 400):
            f = e.facts[0]
            flip = {"rising": "falling", "falling": "rising"}.get(f.trend)
            if flip:
                turned = replace(e, facts=(replace(f, trend=flip), *e.facts[1:]))
                self.assertTrue(set(say(turned)) & set(TREND_WORDS[flip]))
                self.assertNotEqual(faults(e, say(turned)), [])

    def test_the_state_chooses_the_plan_and_the_further_fact(self):
        facts = tuple(Fact(s, "high", "rising") for s in ("heart_rate", "lactate", "temperature", "creatinine", "resp_rate"))
        e = Evidence("shock", "medium", facts)
        texts = {" ".join(say(replace(e, state=State(p, GROUPS)))) for p in range(6)}
        self.assertEqual(len(texts), 6)
        self.assertEqual(emphasised(replace(e, state=State(0, ("breathing",)))), 4)
        self.assertEqual(emphasised(replace(e, state=State(0, ("metabolic",)))), 3)
        self.assertEqual(emphasised(e), 3)
        self.assertEqual(held_out(e), held_out(replace(e, state=State(0, GROUPS))))


class Lines(unittest.TestCase):
    def test_a_line_of_the_engine_becomes_codes(self):
        trend = {"direction": "falling", "per_hour": -3.0, "over": "PT3600S"}
        facts = [{"subject": "abp_mean", "band": "low", "trend": trend}, {"subject": "unheard", "band": "low", "trend": None}]
        account = {"certainty": "unsure", "unfamiliar": True, "clears": {"changes": [{"signal": "abp_mean", "bound": "at_least", "value": 65.0}]}}
        line = {"kind": "shock", "priority": "high", "evidence": {"facts": facts, "missing": [{"subject": "lactate"}], "account": account}}
        want = Evidence("shock", "high", (Fact("abp_mean", "low", "falling", True),), ("lactate",), (("abp_mean", "at_least"),), ("unfamiliar", "unsure"))
        self.assertEqual(coded(line), want)
        trend["over"] = "PT3600.1S"
        self.assertFalse(coded(line).facts[0].new)
        self.assertIsNone(coded({**line, "kind": "stale_feed"}))
        self.assertEqual(seconds("PT14400.1S"), 14400.1)
        self.assertRaises(ValueError, seconds, "PT4H")

    def test_classes_find_clusters_and_rank_what_is_out_of_range(self):
        rng = np.random.default_rng(1)
        centres = rng.normal(size=(6, 8)) * 10
        own = rng.integers(0, 6, 600)
        vectors = (centres[own] + rng.normal(size=(600, 8))).astype(np.float32)
        sick = lambda k: "spo2" if k == 0 else "lactate"  # noqa: E731
        evidences = [Evidence("sepsis", "low", (Fact(sick(k), "low", "unknown"),)) for k in own]
        states = fit(evidences, vectors)
        found = states.classes(vectors)
        self.assertEqual(len({(a, b) for a, b in zip(own, found)}), 6)
        self.assertEqual(states.of(vectors[own == 0][:1])[0].groups[0], "breathing")


class Model(unittest.TestCase):
    def test_a_cache_and_a_batch_change_nothing_and_the_soft_prompt_does(self):
        import torch

        torch.manual_seed(3)
        vocabulary = Vocabulary()
        model = Narrator(Config(2, 2, 16, vocab_size=len(vocabulary.words), soft_size=8, state_id=vocabulary.state)).eval()
        prompts = [vocabulary.encode(replace(e, state=State(0, GROUPS)).prompt()) for e in draws(2, 40)]
        prompts = [p for p in prompts if len(p) == len(prompts[0])]
        soft = torch.randn(len(prompts), 8)
        together = model.greedy(prompts, soft, vocabulary.eos, 12)
        alone = [model.greedy([p], soft[i : i + 1], vocabulary.eos, 12)[0] for i, p in enumerate(prompts)]
        self.assertEqual(together, alone)
        ids = torch.tensor([prompts[0] + together[0]])
        with torch.no_grad():
            whole = model.head(model.hidden(ids, soft[:1]))[0, len(prompts[0]) - 1 : -1].argmax(-1).tolist()
            other = model.head(model.hidden(ids, -soft[:1]))
            self.assertGreater((other - model.head(model.hidden(ids, soft[:1]))).abs().max().item(), 1e-4)
        self.assertEqual(whole, together[0])


@unittest.skipUnless(FOLDER.exists(), "no bundle yet")
class Bundle(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        m = tomllib.loads((FOLDER / "manifest.toml").read_text())
        cls.manifest, cls.vocabulary = m, Vocabulary()
        config = Config(m["n_layer"], m["n_head"], m["head_dim"], m["n_positions"], m["vocab_size"], m["soft_prompt"]["size"], m["soft_prompt"]["state_id"])
        cls.decoder = Decoder(FOLDER / "decoder.onnx", config, m["eos_id"])

    def test_parity(self):
        for case in json.loads((FOLDER / "parity.json").read_text())["cases"]:
            self.assertEqual(self.vocabulary.encode(case["prompt"].split()), case["prompt_ids"])
            soft = np.array([case["soft_prompt"]], dtype=np.float32)
            self.assertEqual(self.decoder.greedy([case["prompt_ids"]], soft)[0] + [self.manifest["eos_id"]], case["output_ids"])
        self.assertEqual(json.loads((FOLDER / "lexicon.json").read_text()), lexicon())

    def test_it_tells_an_evidence_faithfully(self):
        facts = (Fact("sepsis_risk", "unknown", "unknown"), Fact("abp_mean", "low", "falling"), Fact("heart_rate", "high", "rising"))
        e = Evidence("sepsis", "high", facts, ("lactate",))
        soft = np.zeros((1, self.manifest["soft_prompt"]["size"]), np.float32)
        words = self.vocabulary.decode(self.decoder.greedy([self.vocabulary.encode(e.prompt())], soft)[0])
        self.assertEqual(faults(e, words), [], " ".join(words))


if __name__ == "__main__":
    unittest.main()
