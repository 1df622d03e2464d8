#!/usr/bin/python3
"""cheops(1) names the commands and options that --help prints, and no others.

    test_manual.py CHEOPS TOP
"""
import os
import re
import subprocess
import sys
import unittest

CHEOPS, TOP = sys.argv[1], sys.argv[2]


def helped(words):
    return subprocess.run([CHEOPS] + words + ["--help"], capture_output=True, text=True, timeout=60, check=True).stdout


def printed(words=()):
    """{command: its options with the names of their values}, as --help prints them."""
    text = helped(list(words))
    if " COMMAND " in text.splitlines()[0]:
        found = {}
        for name in re.findall(r"^  ([a-z]+) +\S", text, re.M):
            found.update(printed((*words, name)))
        return found
    command = re.match(r"usage: cheops ((?:[a-z]+ ?)+)", text)[1].strip()
    return {command: sorted(re.findall(r"^  --([a-z-]+)(?: ([A-Z]+))? +\S", text, re.M))}


def described(page):
    """The same, as the page has it."""
    commands = re.search(r"^# COMMANDS\n(.*?)^# ", page, re.M | re.S)[1]
    parts = re.split(r"^## cheops (.+)\n", commands, flags=re.M)
    return {command: sorted(re.findall(r"^\*--([a-z-]+)\*(?: _([A-Z]+)_)?$", text, re.M))
            for command, text in zip(parts[1::2], parts[2::2])}


class Manual(unittest.TestCase):
    maxDiff = None

    def test_commands_and_options(self):
        with open(os.path.join(TOP, "docs", "man", "cheops.1.scd"), encoding="utf-8") as file:
            page = described(file.read())
        self.assertIn("scope check", page)
        self.assertEqual(page, printed())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
