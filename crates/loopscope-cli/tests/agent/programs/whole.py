"""Tells everything that a program can see of how it was started."""
import os
import sys

print("arguments", sys.argv)
print("path", sys.path)
print("flags", sys.flags)
OURS = ("LD_PRELOAD", "LOOPSCOPE_", "_=")
for name in sorted(os.environ):
    if not name.startswith(OURS):
        print(name, os.environ[name])
print("customized", "sitecustomize" in sys.modules, getattr(sys.modules.get("sitecustomize"), "__file__", None))
try:
    import sitecustomize  # noqa: F401
except ImportError as error:
    print("no sitecustomize", error.name)
print(sorted(name for name in sys.modules if "loopscope" in name))

import asyncio  # noqa: E402


async def main():
    print(asyncio.current_task().get_name())
    print((await asyncio.create_task(asyncio.sleep(0, "slept"))))
    print(asyncio.create_task(asyncio.sleep(0)).get_name(), len(asyncio.all_tasks()))


asyncio.run(main())
print(asyncio.__spec__.loader.__dict__.keys(), type(asyncio.__loader__).__name__)
