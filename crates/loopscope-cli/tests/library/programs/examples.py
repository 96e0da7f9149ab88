"""Runs the examples that stand in the documentation of the package."""

import doctest
import importlib
import pkgutil
import sys

import loopscope

tried = 0
for module in pkgutil.iter_modules(loopscope.__path__, "loopscope."):
    if module.name.rpartition(".")[2] in ("_native", "_monitor"):
        continue
    failed, count = doctest.testmod(importlib.import_module(module.name))
    tried += count
    if failed:
        sys.exit("examples of %s" % module.name)
failed, count = doctest.testmod(loopscope)
if failed or not tried or not count:
    sys.exit("examples")
loopscope.uninstall()
