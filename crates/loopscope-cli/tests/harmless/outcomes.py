"""Runs test modules and writes how each test ended, one JSON object: `outcomes.py FILE NAME...`.

Names are what unittest takes: modules, or tests in them.
"""
import json
import sys
import unittest


class Result(unittest.TestResult):
    def __init__(self, stream=None, descriptions=None, verbosity=None):
        super().__init__(stream, descriptions, verbosity)
        self.outcomes = {}

    def note(self, test, outcome):
        # The worst is kept: a test may fail and its clean-up as well.
        if self.outcomes.get(test.id(), "ok") in ("ok", "skipped"):
            self.outcomes[test.id()] = outcome

    def addSuccess(self, test):
        self.note(test, "ok")

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.note(test, "failed")

    def addError(self, test, error):
        super().addError(test, error)
        self.note(test, "error")

    def addSkip(self, test, reason):
        self.note(test, "skipped")

    def addExpectedFailure(self, test, error):
        self.note(test, "expected failure")

    def addUnexpectedSuccess(self, test):
        self.note(test, "unexpected success")

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error is not None:
            self.note(test, "failed")


def main():
    path, names = sys.argv[1], sys.argv[2:]
    # What tests read of the command line is not ours.
    del sys.argv[1:]
    result = Result()
    unittest.defaultTestLoader.loadTestsFromNames(names).run(result)
    with open(path, "w") as file:
        json.dump(result.outcomes, file)
    for test, text in result.failures + result.errors:
        print(test.id(), text, file=sys.stderr)


if __name__ == "__main__":
    main()
