"""What the bounds of ventricular tachycardia promise."""

import unittest

import numpy as np

from bedwatch_training import ventricular as v

NAN = float("nan")


class Bounds(unittest.TestCase):
    def setUp(self):
        self.truth = np.array([True, True, True, False, False, False])
        self.figures = np.array([[3.0, NAN, 0.8], [2.0, 4.0, 0.6], [5.0, 2.5, 0.5], [1.0, 9.0, 0.9], [9.0, NAN, 0.1], [9.0, 9.0, 0.9]])

    def test_bounds_rest_on_true_alarms_alone(self):
        got = v.bounds(self.figures[self.truth], 0.8)
        np.testing.assert_allclose(got, [1.6, 2.0, 0.4])

    def test_what_is_missing_contradicts_nothing(self):
        at = np.array([1.6, 2.0, 0.4])
        self.assertEqual(v.contradicted(self.figures, at).tolist(), [False, False, False, True, True, False])
        self.assertFalse(v.contradicted(np.array([NAN, NAN, NAN]), at))

    def test_a_record_has_no_part_in_its_own_bounds(self):
        # Without the second the least ECG figure is 3.0, and 2.0 falls below 2.4; without the third the least pulse figure is 4.0.
        said = v.leave_one_out(self.truth, self.figures, 0.8)
        self.assertEqual(said.tolist(), [False, True, True, True, True, False])
        self.assertFalse(v.contradicted(self.figures, v.bounds(self.figures[self.truth], 0.8))[1])

    def test_score_is_the_challenges(self):
        m = v.measure(self.truth, np.array([False, True, False, True, True, False]))
        self.assertEqual((m["suppressed"], m["lost"]), (2, 1))
        self.assertAlmostEqual(m["score"], 4 / (4 + 1 + 5))

    def test_wilson(self):
        for hits, of, low, high in ((81, 263, 0.2553, 0.3662), (0, 20, 0.0, 0.1611)):
            np.testing.assert_allclose(v.wilson(hits, of), (low, high), atol=5e-5)

    def test_constants_are_read_from_the_rule(self):
        text = "pub const BOUNDS: Bounds =\n    Bounds { ecg_interruption_secs: 1.73, pulse_interruption_secs: 1.68, rhythm: 0.31 };"
        self.assertEqual(v.in_rule(text), [1.73, 1.68, 0.31])
        self.assertTrue(np.isnan(v.in_rule("")).all())


if __name__ == "__main__":
    unittest.main()
