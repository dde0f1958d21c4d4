#!/usr/bin/env python3
"""planted_counts.py: sees tests/bench/instructions.py find a loss, a gain and a missing count."""

import os
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/bench"))
from instructions import differences  # noqa: E402


class CountsTest(unittest.TestCase):
    def found(self, expected, found):
        return list(differences(expected, found))

    def test_within_the_tolerance(self):
        self.assertEqual([], self.found({"a": 1000}, {"a": 1029}))
        self.assertEqual([], self.found({"a": 1000}, {"a": 971}))

    def test_a_loss_and_a_gain(self):
        self.assertIn("+4.0%", self.found({"a": 1000}, {"a": 1040})[0])
        self.assertIn("-4.0%", self.found({"a": 1000}, {"a": 960})[0])

    def test_a_count_without_its_twin(self):
        self.assertIn("none expected", self.found({}, {"a": 1})[0])
        self.assertIn("no more", self.found({"a": 1}, {})[0])


if __name__ == "__main__":
    unittest.main()
