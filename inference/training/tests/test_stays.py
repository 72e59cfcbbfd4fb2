"""What a stay becomes before it is learned from, and the challenge's utility."""

import json
import os
import tempfile
import unittest
from pathlib import Path

import numpy as np

from bedwatch_training import contract, utility
from bedwatch_training.stays import Stays, serving_windows, training_windows

SCORING = Path(os.environ.get("BEDWATCH_SHARED", "../../../shared/data")) / "sepsis-cinc2019" / "scoring"


class Utility(unittest.TestCase):
    @unittest.skipUnless(SCORING.exists(), "shared data absent")
    def test_worked_cases_of_the_official_functions(self):
        for case in json.loads((SCORING / "worked-cases.json").read_text())["cases"]:
            one, zero = utility.per_hour(np.array(case["labels"]))
            self.assertAlmostEqual(zero.sum(), case["utility_all_zero"], places=9)
            self.assertAlmostEqual(one.sum(), case["utility_all_one"], places=9)
            np.testing.assert_allclose(one - zero, case["gain_of_single_positive_at_hour"], atol=1e-9)

    @unittest.skipUnless(SCORING.exists(), "shared data absent")
    def test_official_score_of_shipped_predictions(self):
        from bedwatch_training.export import unpack

        paths = sorted((SCORING / "predictions").glob("*.psv"))
        wanted = {p.stem for p in paths}
        with tempfile.TemporaryDirectory() as folder:
            _, b = unpack(SCORING.parents[1], Path(folder), ("cinc2019",), wanted.__contains__)
            labels = [[int(line.rsplit("|", 1)[1]) for line in (b / p.name).read_text().split()[1:]] for p in paths]
        alarm = np.concatenate([[int(line.split("|")[1]) for line in p.read_text().split()[1:]] for p in paths]).astype(bool)
        got = utility.normalised(alarm, *utility.table(np.concatenate(labels), np.array([len(x) for x in labels])))
        expected = json.loads((SCORING / "expected.json").read_text())["expected"]["normalized_utility"]
        self.assertAlmostEqual(got, expected, places=6)

    def test_best_threshold_is_the_best_of_all(self):
        rng = np.random.default_rng(3)
        rows = np.array([30, 20, 25])
        labels = np.zeros(75, int)
        labels[18:30] = 1
        score = np.round(rng.random(75), 1)
        tables = utility.table(labels, rows)
        threshold, best = utility.best_threshold(score, *tables)
        every = [utility.normalised(score >= t, *tables) for t in np.unique(score)]
        self.assertAlmostEqual(best, max(every))
        self.assertAlmostEqual(utility.normalised(score >= threshold, *tables), best)


class Tokens(unittest.TestCase):
    def test_carried_masked_and_aged_within_a_stay(self):
        s = contract.S
        values = np.full((5, s), np.nan, dtype=np.float32)
        values[0, 0], values[2, 0], values[3, 0] = 10.0, 1e6, 20.0
        starts = np.array([0, 0, 0, 3, 3])
        nan = np.full(5, np.nan)
        person = contract.Person(nan, nan, np.array([1, 2, 3, 1, 2.0]), np.array([nan[0], 0, -3, 10, 10]), np.array([-1, 0, 1, 2, 3]))
        t = contract.tokens(values, starts, person, np.full(s, 8.0), np.full(s, 2.0))
        np.testing.assert_allclose(t[:, 0], [1, 1, contract.CLIP, 5, 5])
        np.testing.assert_allclose(t[:, s], [1, 0, 1, 1, 0])
        np.testing.assert_allclose(t[:, 2 * s], [0, 1 / 48, 0, 0, 1 / 48], rtol=1e-6)
        np.testing.assert_allclose(t[:, 1], 0)
        np.testing.assert_allclose(t[:, 2 * s + 1], 1)
        np.testing.assert_allclose(t[0, 3 * s :], [0.6, 0.5, np.log(2) / 6, 0, 0, 0, 0, 0, 0], rtol=1e-6)
        np.testing.assert_allclose(t[:, 3 * s + 3], np.log1p([0, 0, 0, 10, 10]) / 8, rtol=1e-6)
        np.testing.assert_allclose(t[:, 3 * s + 4], [0, 1, 1, 1, 1])
        np.testing.assert_allclose(t[1:, 3 * s + 5 :], np.eye(4))

    def test_every_hour_is_served_once_and_counted_once(self):
        rows = np.array([1, 47, 48, 49, 130])
        n = rows.sum()
        blank = np.zeros(n)
        stays = Stays(np.zeros((n, contract.S)), rows, rows, rows, rows, *[blank] * 7, rows)
        for stride in (1, 12):
            served = np.zeros(n, int)
            for start, length, keep in serving_windows(stays, stride):
                served[start + keep : start + length] += 1
            self.assertTrue((served == 1).all() if stride == 1 else (served >= 1).all())
        counted = np.zeros(n, int)
        for start, length, first in training_windows(stays, np.random.default_rng(1)):
            counted[start + first : start + length] += 1
        self.assertTrue((counted >= 1).all() and (counted <= 2).all())


if __name__ == "__main__":
    unittest.main()
