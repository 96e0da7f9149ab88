"""A second interpreter on the same thread: at rest first, then running."""
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

OTHER = """
def inside():
    print("inside", flush=True)
    input()
inside()
"""


def beside():
    print("ready", flush=True)
    input()  # mark: beside


other = interpreters.create()
beside()
interpreters.run_string(other, OTHER)
