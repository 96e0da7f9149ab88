"""Creates tasks at more places than a recording has room for, and tracks more calls than that."""
import asyncio

import loopscope

PLACES = 3000


async def work():
    await asyncio.sleep(0)


async def main():
    source = "\n".join(f"def at_{number}(): return create(work())" for number in range(PLACES))
    names = {"create": asyncio.create_task, "work": work}
    exec(compile(source, "places.py", "exec"), names)
    for number in range(PLACES):
        await names[f"at_{number}"]()
        with loopscope.track_call("many", f"call {number}"):
            pass


asyncio.run(main())
print("done")
