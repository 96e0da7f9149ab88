"""A program that watches itself: `installed.py record|monitor PROGRAM ARGUMENTS`."""

import runpy
import sys

import loopscope

how, program = sys.argv[1:3]
loopscope.install(service="bench", monitor=how == "monitor", strict=True)
sys.argv = sys.argv[2:]
runpy.run_path(program, run_name="__main__")
