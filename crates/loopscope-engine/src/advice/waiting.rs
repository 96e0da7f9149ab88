//! Waits for time, locks, threads and people.

use super::{Entry, PYTHON};
use crate::syscalls::Wait;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "time.sleep",
        calls: &["time.sleep"],
        replacement: Some("await asyncio.sleep(...)"),
        steps: &[
            "fix: `await asyncio.sleep(...)` in a coroutine; the loop serves others meanwhile",
            "where the caller is not a coroutine, run it in a thread: `await asyncio.to_thread(caller, ...)`",
        ],
        rule: Some("ASYNC251"),
        ..PYTHON
    },
    Entry {
        name: "sleep",
        calls: &["sleep"],
        waits: &[Wait::Timer],
        replacement: Some("await asyncio.sleep(...)"),
        steps: &[
            "fix: `await asyncio.sleep(...)` in a coroutine; the loop serves others meanwhile",
            "where the caller is not a coroutine, run it in a thread: `await asyncio.to_thread(caller, ...)`",
        ],
        rule: Some("ASYNC251"),
        ..PYTHON
    },
    Entry {
        name: "input",
        calls: &["input", "getpass.getpass"],
        frames: &[("getpass.py", &[])],
        replacement: Some("await asyncio.to_thread({call}, ...)"),
        steps: &[
            "fix: `await asyncio.to_thread({call}, ...)`; a person types slower than a loop turns",
        ],
        rule: Some("ASYNC250"),
        ..PYTHON
    },
    Entry {
        name: "thread.start",
        frames: &[("threading.py", &["start"])],
        steps: &[
            "stop the bleeding: let fewer threads of this process compute at a time; `start` returns once the \
             new thread has had its turn of the interpreter",
            "fix: keep the threads that there are, as an executor does, and move what they compute to a \
             `concurrent.futures.ProcessPoolExecutor`",
        ],
        ..PYTHON
    },
    Entry {
        name: "thread.join",
        calls: &[".join"],
        frames: &[("threading.py", &["join"])],
        waits: &[Wait::Lock],
        replacement: Some("await asyncio.to_thread({call})"),
        steps: &[
            "stop the bleeding: `await asyncio.to_thread({call})`",
            "fix: start the work with `asyncio.to_thread` and await that, then there is nothing to join",
        ],
        ..PYTHON
    },
    Entry {
        name: "queue.get",
        calls: &[".get", ".put"],
        frames: &[("queue.py", &["get", "put", "join"])],
        waits: &[Wait::Lock],
        replacement: Some("await queue.get()  # queue = asyncio.Queue()"),
        steps: &[
            "stop the bleeding: `{call}` with `block=False`, and try again later",
            "fix: between tasks of one loop use `asyncio.Queue`; from a thread hand items over with \
             `loop.call_soon_threadsafe(queue.put_nowait, item)`",
        ],
        ..PYTHON
    },
    Entry {
        name: "event.wait",
        calls: &[".wait"],
        frames: &[("threading.py", &["wait", "wait_for"])],
        waits: &[Wait::Lock],
        replacement: Some("await event.wait()  # event = asyncio.Event()"),
        steps: &[
            "stop the bleeding: `await asyncio.to_thread({call})`",
            "fix: use `asyncio.Event` or `asyncio.Condition`; set it from a thread with \
             `loop.call_soon_threadsafe(event.set)`",
        ],
        ..PYTHON
    },
    Entry {
        name: "lock.acquire",
        calls: &[".acquire"],
        frames: &[("threading.py", &["acquire", "__enter__"])],
        waits: &[Wait::Lock],
        replacement: Some("async with lock:  # lock = asyncio.Lock()"),
        steps: &[
            "stop the bleeding: hold the lock for less long where other threads take it",
            "fix: between tasks of one loop use `asyncio.Lock`; across threads take it in a thread, \
             `await asyncio.to_thread(lock.acquire)`",
        ],
        ..PYTHON
    },
    Entry {
        name: "future.result",
        calls: &[
            ".result",
            "concurrent.futures.wait",
            "concurrent.futures.as_completed",
        ],
        frames: &[(
            "concurrent/futures/_base.py",
            &[
                "result",
                "exception",
                "wait",
                "as_completed",
                "result_iterator",
            ],
        )],
        replacement: Some("await asyncio.wrap_future(future)"),
        steps: &[
            "fix: `await asyncio.wrap_future(future)`, or `await loop.run_in_executor(executor, ...)` from \
             the start",
            "a future of `asyncio.run_coroutine_threadsafe` for this very loop never ends while the loop \
             waits for it: await the coroutine itself",
        ],
        ..PYTHON
    },
    Entry {
        name: "executor.shutdown",
        frames: &[
            ("concurrent/futures/_base.py", &["__exit__"]),
            ("concurrent/futures/thread.py", &["shutdown"]),
            ("concurrent/futures/process.py", &["shutdown"]),
        ],
        replacement: Some("await asyncio.to_thread(executor.shutdown)"),
        steps: &[
            "stop the bleeding: `await asyncio.to_thread(executor.shutdown)`",
            "fix: keep one executor for the life of the service; leaving a `with` block waits for all its \
             work",
        ],
        ..PYTHON
    },
    Entry {
        name: "multiprocessing",
        frames: &[
            ("multiprocessing/pool.py", &[]),
            ("multiprocessing/process.py", &["join"]),
            ("multiprocessing/connection.py", &[]),
            ("multiprocessing/popen_fork.py", &[]),
            ("multiprocessing/managers.py", &[]),
        ],
        replacement: Some("await loop.run_in_executor(process_pool, function, ...)"),
        steps: &[
            "stop the bleeding: run the call in a thread, `await asyncio.to_thread({call}, ...)`",
            "fix: `concurrent.futures.ProcessPoolExecutor` with `loop.run_in_executor` gives awaitable \
             results",
        ],
        ..PYTHON
    },
    Entry {
        name: "select.select",
        calls: &["select.select", "selectors.DefaultSelector"],
        frames: &[("selectors.py", &["select"])],
        replacement: Some("loop.add_reader(fd, callback)"),
        steps: &["fix: let the loop wait for it, `loop.add_reader(fd, callback)`"],
        ..PYTHON
    },
    Entry {
        name: "signal.sigwait",
        calls: &[
            "signal.pause",
            "signal.sigwait",
            "signal.sigwaitinfo",
            "signal.sigtimedwait",
        ],
        replacement: Some("loop.add_signal_handler(signum, event.set)"),
        steps: &[
            "fix: `loop.add_signal_handler(signum, event.set)` and `await event.wait()` on an \
             `asyncio.Event`",
        ],
        ..PYTHON
    },
];
