"""The line tables of many functions, with the line of each instruction as the interpreter has it.

One function a line: format, first line, table in hex, then offset:line pairs; "-" for no line.
"""
import dis
import importlib
import sys
import types

MODULES = "argparse asyncio.base_events asyncio.tasks dataclasses decimal enum inspect json.decoder"
MODULES += " re subprocess tarfile threading typing unittest.mock zipfile"


def codes(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes(constant)


def spans(code):
    if hasattr(code, "co_lines"):
        return [(start, line) for start, _, line in code.co_lines()]
    return list(dis.findlinestarts(code))


def lines(code):
    starts = spans(code)
    at = -1
    for offset in range(0, len(code.co_code), 2):
        while at + 1 < len(starts) and starts[at + 1][0] <= offset:
            at += 1
        yield offset, starts[at][1] if at >= 0 else code.co_firstlineno


for name in MODULES.split():
    module = importlib.import_module(name)
    with open(module.__file__, encoding="utf-8") as source:
        compiled = compile(source.read(), module.__file__, "exec")
    for code in codes(compiled):
        table = code.co_linetable if sys.version_info >= (3, 10) else code.co_lnotab
        pairs = " ".join(f"{at}:{'-' if line is None else line}" for at, line in lines(code))
        print(code.co_firstlineno, table.hex() or "-", pairs)
