"""What the programs share."""

import logging
import sys
import time


def until(what, look, seconds=20.0):
    """Waits until this is true, and returns it. Ends the program where it never is."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            sys.exit("never came: %s" % what)
        time.sleep(0.01)


def same(what, expected, found):
    """Ends the program where the two differ."""
    if expected != found:
        sys.exit("%s: expected %r, found %r" % (what, expected, found))


def check(what, holds, *shown):
    """Ends the program where this does not hold."""
    if not holds:
        sys.exit("does not hold: %s %r" % (what, shown))


class Kept(logging.Handler):
    """Keeps what is logged."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def kept_of(logger):
    """What is logged there from now on."""
    kept = Kept()
    logging.getLogger(logger).addHandler(kept)
    return kept


def ways(functions):
    """Runs the one of these functions that the command line names."""
    by_name = {function.__name__: function for function in functions}
    by_name[sys.argv[1]]()
