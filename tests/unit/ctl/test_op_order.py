#!/usr/bin/python3
"""cheops op order: the worked examples of tests/golden/order.json, and what is refused.

    test_op_order.py CHEOPS TOP
"""
import json
import os
import random
import subprocess
import sys
import tempfile
import unittest

CHEOPS, TOP = sys.argv[1], sys.argv[2]
SET = {"before": "set", "after": "set", "result": "take-one"}
ONE = {"id": "A1", "site": "A", "n": 1, "clock": 1, "saw": {}, "type": "set"}


def order(matrix, operations, *options):
    """Runs the command; gives its exit status, standard output and standard error."""
    with tempfile.TemporaryDirectory() as folder:
        names = []
        for name, value in (("matrix", matrix), ("ops", operations)):
            names.append(os.path.join(folder, name))
            with open(names[-1], "w") as f:
                f.write(value if isinstance(value, str) else json.dumps(value))
        run = subprocess.run([CHEOPS, "op", "order", "--matrix", names[0], "--ops", names[1], *options],
                             capture_output=True, text=True, timeout=60)
        return run.returncode, run.stdout, run.stderr.replace(folder + "/", "")


class Order(unittest.TestCase):
    def test_worked_examples_in_every_order_of_input(self):
        with open(os.path.join(TOP, "tests", "golden", "order.json")) as f:
            groups = json.load(f)
        self.assertGreaterEqual(sum(len(g["cases"]) for g in groups), 32)
        for group in groups:
            for number, case in enumerate(group["cases"]):
                operations = list(case["operations"])
                for _ in range(3):
                    status, out, err = order(group["matrix"], operations, "--json")
                    self.assertEqual((status, err), (0, ""))
                    self.assertEqual(json.loads(out), {"list": case["list"], "superseded": case["superseded"]},
                                     f"{group['name']} {number}")
                    random.Random(number).shuffle(operations)

    def test_a_person_sees_two_lines(self):
        two = [ONE, {**ONE, "id": "A2", "n": 2, "clock": 2}]
        self.assertEqual(order([SET], two), (0, "list: A2\nsuperseded: A1\n", ""))

    def test_what_is_refused(self):
        rows = [
            ("{", [ONE], "matrix:1:1: string or '}' expected near end of file"),
            ({}, [ONE], "matrix: not a JSON array"),
            ([{**SET, "result": "take-two"}], [ONE], "the matrix: 'take-two' is no result; it is one of take-one, "
             "keep-order, reverse-order, any-order, after-wins"),
            ([SET, SET], [ONE], "the matrix lists 'set' before 'set' twice"),
            ([{"before": "a", "after": "b", "result": "keep-order"}, {"before": "b", "after": "a",
             "result": "keep-order"}], [ONE], "keep-order and reverse-order go in a circle: 'a' before 'b', and "
             "the other way round over others"),
            ([SET], [{"id": "A1"}], "an operation has no type"),
            ([SET], [{**ONE, "n": "1"}], "an operation: Expected integer, got string"),
            ([SET], [{**ONE, "n": 0}], "operation 'A1': n is at least 1, clock and life at least 0, saw an object"),
            ([SET], [ONE, ONE], "operation 'A1' has the site and number of another one"),
            ([SET], [{**ONE, "saw": {"B": 1}}], "operation 'A1' saw a site that has no operation"),
            ([SET], [{**ONE, "n": 2}], "operation 'A1': operation 1 of 'A' comes first"),
            ([SET], [ONE, {**ONE, "id": "B1", "site": "B", "saw": {"A": 1}}], "operation 'B1': the clock of operation "
             "1 of 'B' is not above that of what it saw of 'A'"),
        ]
        for matrix, operations, message in rows:
            with self.subTest(message):
                status, out, err = order(matrix, operations)
                self.assertEqual((status, out, err.splitlines()[0]), (1, "", "cheops: " + message))

    def test_a_wrong_command_line(self):
        for arguments in ([], ["order"], ["order", "--matrix", "m"], ["sort", "--matrix", "m", "--ops", "o"]):
            run = subprocess.run([CHEOPS, "op", *arguments], capture_output=True, text=True, timeout=20)
            self.assertEqual(run.returncode, 2, arguments)
            self.assertNotEqual(run.stderr, "")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
