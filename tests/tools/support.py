"""What the tests of tools/ share: a project of a few files, and running a tool on it."""
import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOLS = os.path.join(TOP, "tools")
sys.path.insert(0, TOOLS)
sys.dont_write_bytecode = True


def load(tool):
    """A tool of the folder tools/, as a module."""
    loader = importlib.machinery.SourceFileLoader(tool, os.path.join(TOOLS, tool))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(tool, loader))
    loader.exec_module(module)
    return module


class ToolTest(unittest.TestCase):
    """A test with a folder of its own, in which it writes files."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.top = folder.name

    def write(self, path, text, mode=0o644):
        where = os.path.join(self.top, path)
        os.makedirs(os.path.dirname(where), exist_ok=True)
        with open(where, "w", encoding="utf-8") as out:
            out.write(text)
        os.chmod(where, mode)
        return where

    def run_tool(self, tool, *arguments, **options):
        """Runs tools/TOOL; gives its exit status and all that it printed."""
        done = subprocess.run([os.path.join(TOOLS, tool), *arguments], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False, **options)
        return done.returncode, done.stdout

    def refuses(self, tool, words, *arguments):
        """The tool fails on this folder and prints a line with all of these words."""
        status, printed = self.run_tool(tool, "--top", self.top, *arguments)
        self.assertEqual(status, 1, printed)
        self.assertTrue(any(all(w in line for w in words) for line in printed.splitlines()), printed)

    def accepts(self, tool, *arguments):
        self.assertEqual(self.run_tool(tool, "--top", self.top, *arguments), (0, ""))
