"""Python imports this at its start when this folder is on PYTHONPATH: the option is enabled for all programs."""
import importlib.machinery
import importlib.util
import os
import sys

import cheops_scope

cheops_scope.enable()


def run_the_one_behind():
    """The user's own usercustomize, which this one stands before."""
    here = os.path.dirname(os.path.abspath(__file__))
    behind = [folder for folder in sys.path if os.path.abspath(folder) != here]
    spec = importlib.machinery.PathFinder.find_spec("usercustomize", behind)
    if spec and spec.loader:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


run_the_one_behind()
