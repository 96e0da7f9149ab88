"""Tells all tasks, loops and threads of this process as JSON: what can be seen of them from inside, and
what a program knows because it made them so. Started with `serve` from a thread that has no loop.
"""
import asyncio
import itertools
import json
import sys
import threading
import time

import inside

FUTURES = (asyncio.Future, asyncio.futures._PyFuture)

known = {}
kept = []
# Of each loop the thread that it ran on last.
loops = {}
# Loops that run a callback that belongs to no task.
callbacks = []
# Tasks that wait for each other.
circles = []


def know(task, tasks=None, primitive=None, on=None, **rest):
    """Declares what cannot be seen: the tasks that `task` waits for through whatever stands between, and
    the primitive that it waits in, with the object where there is one. The rest: what the primitive says
    of itself as `detail`, whether the task `is_cancelling` or `waits_on_closed_loop`, a `group` of tasks that it will wait for, and
    whether it is a matter of opinion, `is_open`, who waits for it."""
    known[task] = dict(tasks=tasks, primitive=primitive, on=on, **rest)
    return task


def make(coroutine, name, factory=asyncio.create_task, **facts):
    """Starts a task of which something is declared, and keeps it."""
    return know(factory(coroutine, name=name), **facts)


def know_loop(event_loop):
    """Declares a loop of this thread, so that it and its tasks are told."""
    loops[event_loop] = threading.get_ident()
    return event_loop


def know_callback(event_loop):
    """Declares that a loop runs a callback that belongs to no task."""
    callbacks.append(event_loop)


def serve(times=None):
    """Says `ready` once all stands still, then tells once for each line of the standard input, or for so many
    of them."""
    # Names are not asked for yet, since the interpreter makes some of them only then.
    settled(lambda task: None)
    print("ready", flush=True)
    for _ in itertools.islice(iter(sys.stdin.readline, ""), times):
        print(settled(lambda task: task.get_name()), flush=True)


def settled(name_of):
    """What is true twice in a row while the threads of all loops wait."""
    before = None
    while True:
        stand = threads_have_frames() and all(
            inside.stands(native_ids()[loops[one]]) for one in loops if one.is_running()
        )
        text = json.dumps(told_process(name_of))
        if stand and text == before:
            return text
        before = text if stand else None
        # Lets the others have the interpreter's lock.
        time.sleep(0)


def told_process(name_of):
    return {
        "tasks": tasks(name_of),
        "loops": told_loops(),
        "threads": threads(),
        "deadlocks": [[id(task) for task in circle] for circle in circles],
    }


def registered():
    """The tasks that asyncio itself lists."""
    listed = {task for event_loop in loops for task in asyncio.all_tasks(event_loop)}
    # From 3.14 on `all_tasks` leaves those out that are written in Python, and these sets have only them.
    for name in ("_all_tasks", "_scheduled_tasks", "_eager_tasks"):
        listed.update(getattr(asyncio.tasks, name, ()))
    return listed


def tasks(name_of):
    listed = registered()
    everything = sorted(listed | set(known), key=id)
    waited_by, ends = waiters(everything), deadlines()
    return [
        {
            "name": name_of(task),
            "is_listed": task in listed,
            "awaited_by": None if known.get(task, {}).get("is_open") else waited_by[task],
            **told(task, ends),
        }
        for task in everything
    ]


def waiters(everything):
    waited_by = {task: [] for task in everything}
    for waiter, facts in known.items():
        for task in facts.get("group", facts["tasks"]) or ():
            if not waiter.done() and not task.done():
                waited_by[task].append(id(waiter))
    return waited_by


def told(task, ends):
    facts = known.get(task, {})
    state = state_of(task)
    return {
        "address": id(task),
        "type_name": inside.type_name(task),
        "event_loop": id(task.get_loop()),
        "is_declared": task in known,
        "state": state,
        "is_cancelling": facts.get("is_cancelling", False),
        "chain": chain_of(task, state["kind"]),
        "waits_for": waits_for(task, state["kind"], facts.get("tasks")),
        "primitive": primitive(facts),
        "waits_on_closed_loop": facts.get("waits_on_closed_loop", False),
        "deadlines": ends_of_wait(task, ends),
    }


def primitive(facts):
    kind, on = facts.get("primitive"), facts.get("on")
    if kind is None:
        return None
    return {"kind": kind, "address": None if on is None else id(on), "detail": facts.get("detail")}


def state_of(task):
    if not task.done():
        return {"kind": "running" if inside.is_running(task.get_coro()) else "pending"}
    if task.cancelled():
        return {"kind": "cancelled"}
    error = task.exception()
    return {"kind": "done"} if error is None else {"kind": "failed", **inside.exception(error)}


def chain_of(task, state):
    if state == "running":
        of_others = [other.get_coro() for other in registered() if other is not task]
        return inside.running_chain(task.get_coro(), innermost_frame(task.get_loop()), of_others)
    return inside.suspended_chain(task.get_coro()) if state == "pending" else []


def innermost_frame(event_loop):
    return sys._current_frames()[loops[event_loop]]


def waits_for(task, state, awaited):
    if state != "pending":
        return None
    future = task._fut_waiter
    if future is None:
        is_new = inside.is_new(task.get_coro())
        return {"kind": "first_step" if is_new else "next_step"}
    if future.done():
        return {"kind": "next_step"}
    if awaited is not None:
        return {"kind": "tasks", "tasks": sorted(id(one) for one in awaited if not one.done())}
    return {"kind": "future", "address": id(future), "type_name": inside.type_name(future)}


def deadlines():
    """When timers will settle a future or end what a task does, on the loops' clock, by its address."""
    ends = {}
    for event_loop in loops:
        for handle in getattr(event_loop, "_scheduled", ()):
            if not handle.cancelled():
                for ended in ended_by(handle):
                    ends.setdefault(id(ended), []).append(handle.when())
    return ends


def ended_by(handle):
    """The futures that a timer settles, or the task that a time-out or cancel scope belongs to."""
    owner = getattr(handle._callback, "__self__", None)
    tasks = (getattr(owner, name, None) for name in ("_task", "_host_task"))
    return [*(one for one in handle._args if isinstance(one, FUTURES)), *(task for task in tasks if task in known)]


def ends_of_wait(task, ends):
    """A time-out of the task that it waits for may have an end in which that task goes on."""
    future = task._fut_waiter
    if future is None or future.done():
        return []
    is_task = isinstance(future, (asyncio.Task, asyncio.tasks._PyTask))
    return ends.get(id(task), []) + (ends.get(id(future), []) if not is_task else [])


def told_loops():
    return [told_loop(event_loop) for event_loop in loops]


def told_loop(event_loop):
    is_running = event_loop.is_running()
    task = asyncio.current_task(event_loop) if is_running else None
    scheduled = getattr(event_loop, "_scheduled", None)
    ready = getattr(event_loop, "_ready", None)
    return {
        "address": id(event_loop),
        "type_name": inside.type_name(event_loop),
        "tid": native_ids().get(loops[event_loop]) if is_running else None,
        "state": loop_state(event_loop, task),
        "task": id(task) if task else None,
        "ready": None if ready is None else len(ready),
        "timers": None if scheduled is None else len(scheduled),
        "next_timer": min((handle.when() for handle in scheduled or () if not handle.cancelled()), default=None),
    }


def loop_state(event_loop, task):
    if event_loop.is_running():
        return "running" if task or event_loop in callbacks else "idle"
    # Of a compiled loop it is not to be seen from outside whether it was closed.
    is_visible = isinstance(event_loop, asyncio.BaseEventLoop)
    return "closed" if is_visible and event_loop.is_closed() else "not_running"


def native_ids():
    return {thread.ident: thread.native_id for thread in threading.enumerate()}


def threads():
    frames = sys._current_frames()
    running = {ident: id(event_loop) for event_loop, ident in loops.items() if event_loop.is_running()}
    return [
        {
            "tid": thread.native_id,
            "name": thread.name,
            "running_loop": running.get(thread.ident),
            "frames": None if is_telling(thread) else inside.thread_frames(frames.get(thread.ident)),
        }
        for thread in threading.enumerate()
    ]


def threads_have_frames():
    """A thread that is starting is listed before it runs."""
    frames = sys._current_frames()
    return all(thread.ident in frames for thread in threading.enumerate())


def is_telling(thread):
    return thread is threading.current_thread()
