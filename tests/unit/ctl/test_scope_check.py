#!/usr/bin/python3
"""cheops scope check, as a person and as a program use it.

    test_scope_check.py CHEOPS TOP

TOP/tests/golden/scope-check.txt holds what a person sees; CHEOPS_GOLDEN_WRITE=1 writes it anew. The
worked examples of scope.json beside it go through --json. The man page is held to the truth.
"""
import json
import os
import re
import shlex
import subprocess
import sys
import unittest

CHEOPS, TOP = sys.argv[1], sys.argv[2]
GOLDEN = os.path.join(TOP, "tests", "golden")

SESSIONS = [
    (["Berlin & Paris"], None),
    (["{wait: all, image: Nantes|Paris}"], None),
    (["--json", '{"image": "Nantes & (Paris|Rennes)"}'], None),
    (["{s: A && B}"], None),
    (["--json", "{s: A && B}"], None),
    (["--json", "{A, B}"], None),
    (["--json", '{"a\\u0001é": "A'], None),
    (["{image: Nantes, ville: Pariss}", "--services", "image,identity", "--sites", "Nantes,Paris"], None),
    (["--json", "--services=image, identity", "{imge: Nantes}"], None),
    (["--services", "image", "{image: Nowhere, *: here}"], None),
    (["--sites", "", "{image: Nantes}"], None),
    (["--", "-A"], None),
    (["-"], "{s: A}\n\n  \nA;B\n{s: A && B}\n{s: \"A &\"}\nno line feed here"),
    (["--json", "-"], "{s: A}\n\n{s: A && B}\n"),
    (["--json", "--sites", "A", "-"], "A\r\nB\r\n"),
    (["-"], "A\n{B}\n"),
    (["-"], ""),
    ([], None),
    (["A", "B"], None),
    (["--jason", "A"], None),
    (["--help"], None),
]
COMMANDS = [["scope"], ["scope", "chek", "A"], ["scope", "--help"], ["scop"], ["help"], ["help", "scope"],
            ["help", "nothing"], [], ["--help"]]


def run(args, text=None):
    return subprocess.run([CHEOPS] + args, input=text or "", capture_output=True, text=True, timeout=60)


def record(args, text):
    """One command with its input and all that it answers, as a terminal would show it."""
    done = run(args, text)
    lines = ["$ " + shlex.join(["cheops"] + args)]
    lines += ["< " + line for line in (text or "").splitlines()]
    lines += done.stdout.splitlines()
    lines += ["! " + line.replace(CHEOPS, "cheops") for line in done.stderr.splitlines()]
    return "\n".join(lines + [f"= {done.returncode}", ""]) + "\n"


class ScopeCheck(unittest.TestCase):
    maxDiff = None

    def examples(self):
        with open(os.path.join(GOLDEN, "scope.json"), encoding="utf-8") as file:
            return json.load(file)

    def check_answer(self, row, line):
        answer = json.loads(line)
        if row["ok"]:
            self.assertEqual(list(answer.items()), [("ok", True), ("canonical", row["canonical"])])
            return
        self.assertEqual(list(answer), ["ok", "code", "offset", "length", "message", "hint"])
        self.assertEqual([answer["ok"], answer["code"], answer["offset"]], [False, row["code"], row["offset"]])
        self.assertLessEqual(answer["offset"] + answer["length"], len(row["text"].encode()))
        self.assertTrue(answer["message"])
        self.assertIsInstance(answer["hint"], str)

    def test_an_example_of_each_outcome(self):
        """One of each outcome; a process for each example would be slow under sanitizers."""
        for row in {row.get("code"): row for row in self.examples()}.values():
            with self.subTest(row["text"]):
                done = run(["scope", "check", "--json", "--", row["text"]])
                self.assertEqual((done.returncode, done.stderr), (0 if row["ok"] else 1, ""))
                self.assertEqual(done.stdout.count("\n"), 1)
                self.check_answer(row, done.stdout)

    def test_examples_at_once(self):
        rows = self.examples()
        done = run(["scope", "check", "--json", "-"], "".join(row["text"] + "\n" for row in rows))
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        lines = done.stdout.splitlines()
        self.assertEqual(len(lines), len(rows))
        for row, line in zip(rows, lines):
            with self.subTest(row["text"]):
                self.check_answer(row, line)

    def test_answers_come_line_by_line(self):
        """A program may wait for an answer before it asks again."""
        with subprocess.Popen([CHEOPS, "scope", "check", "-"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as child:
            for site in ["A", "B"]:
                child.stdin.write(site + "\n")
                child.stdin.flush()
                self.assertEqual(child.stdout.readline(), "{" + site + "}\n")
            child.stdin.close()
            self.assertEqual(child.wait(60), 0)

    def test_bytes_that_are_no_text(self):
        done = subprocess.run([CHEOPS, "scope", "check", "--json", "-"], input=b"{\xff}\n{a\0b}\n",
                              capture_output=True, timeout=60)
        answers = [json.loads(line) for line in done.stdout.decode("utf-8").splitlines()]
        self.assertEqual([(a["code"], a["offset"]) for a in answers], [("scope-syntax", 1), ("scope-syntax", 2)])

    def test_answer_that_cannot_be_written(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([CHEOPS, "scope", "check", "A"], stdout=full, stderr=subprocess.PIPE,
                                  text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot write", done.stderr)

    def test_version(self):
        done = run(["--version"])
        self.assertRegex(done.stdout, r"\Acheops \d+\.\d+\.\d+\n\Z")
        self.assertEqual(done.returncode, 0)

    def test_golden(self):
        got = "".join(record(["scope", "check"] + args, text) for args, text in SESSIONS)
        path = os.path.join(GOLDEN, "scope-check.txt")
        if os.environ.get("CHEOPS_GOLDEN_WRITE"):
            with open(path, "w", encoding="utf-8") as file:
                file.write(got)
        with open(path, encoding="utf-8") as file:
            self.assertEqual(got, file.read())

    def read(self, *path):
        with open(os.path.join(TOP, *path), encoding="utf-8") as file:
            return file.read()

    def test_manual_shows_scopes(self):
        blocks = re.findall(r"^```\n(.*?)^```", self.read("docs", "man", "scope-lang.7.scd"), re.M | re.S)
        shown = [re.split(r" {4}|$", line)[0] for block in blocks if not block.startswith("$")
                 for line in block.splitlines() if line.startswith("{")]
        self.assertGreater(len(shown), 10)
        done = run(["scope", "check", "-"], "\n".join(shown))
        self.assertEqual((done.returncode, done.stdout.count("\n")), (0, len(shown)), done.stdout)

    def test_manual_shows_what_is_wrong(self):
        block = re.search(r"^\$ cheops scope check '([^'\n]*)'\n(.*?)^```",
                          self.read("docs", "man", "scope-lang.7.scd"), re.M | re.S)
        self.assertEqual(run(["scope", "check", block[1]]).stderr, block[2])

    def test_pages_have_every_code(self):
        table = dict(re.findall(r'^ERR\(SCOPE_\w+, "(scope-[a-z-]+)", (\d+)', self.read("src", "base", "err.def"), re.M))
        self.assertGreater(len(table), 8)
        manual = re.findall(r"^\|  (scope-[a-z-]+)\n:  (\d+)$", self.read("docs", "man", "scope-lang.7.scd"), re.M)
        page = re.findall(r"^\| `(scope-[a-z-]+)` \|", self.read("docs", "scope-lang.md"), re.M)
        self.assertEqual(dict(manual), table)
        self.assertEqual(sorted(page), sorted(table))

    def test_other_command_lines(self):
        """The list of commands grows; what counts is where the usage goes and the exit status."""
        for args in COMMANDS:
            with self.subTest(args):
                done = run(args)
                is_asked = "help" in args[:1] + ["x"] or "--help" in args
                is_good = is_asked and args != ["help", "nothing"]
                self.assertEqual(done.returncode, 0 if is_good else 2)
                self.assertIn("cheops", done.stdout if is_good else done.stderr)
                self.assertEqual("" if is_good else done.stdout, done.stderr if is_good else "")
        self.assertIn("did you mean 'scope'?", run(["scop"]).stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
