//! Advice from what the kernel says alone, where neither a frame nor a call is known.

use super::{Entry, Evidence, Language, PYTHON};
use crate::syscalls::Wait;

/// The entry for what the thread waits for.
pub(super) fn find(evidence: &Evidence) -> Option<&'static Entry> {
    let is_contention = evidence.is_contended && CONTENTION.fits(evidence);
    let mut entries = is_contention
        .then_some(&CONTENTION)
        .into_iter()
        .chain(ENTRIES);
    entries.find(|entry| entry.fits(evidence))
}

/// The kernel shows one kind of sleep for every lock; this is the interpreter's own.
const CONTENTION: Entry = Entry {
    name: "a wait for the interpreter's lock",
    waits: &[Wait::Lock],
    steps: &[
        "stop the bleeding: let fewer threads of this process compute at a time",
        "fix: move what the other threads compute to a `concurrent.futures.ProcessPoolExecutor`; this \
         line only waited for its turn of the interpreter",
    ],
    ..PYTHON
};

const NATIVE: Entry = Entry {
    language: Language::Native,
    ..PYTHON
};
const NODE: Entry = Entry {
    language: Language::Node,
    ..PYTHON
};

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "a wait for a timer",
        waits: &[Wait::Timer],
        replacement: Some("await asyncio.sleep(...)"),
        steps: &[
            "stop the bleeding: run the call in a thread, `await asyncio.to_thread({call}, ...)`",
            "fix: the thread sleeps; find the sleep below this line and write `await asyncio.sleep(...)`",
        ],
        rule: Some("ASYNC251"),
        ..PYTHON
    },
    Entry {
        name: "a wait for the network",
        waits: &[Wait::Network],
        replacement: Some("await asyncio.to_thread({call}, ...)"),
        steps: &[
            "stop the bleeding: run the call in a thread, `await asyncio.to_thread({call}, ...)`",
            "fix: the thread waits for a socket or pipe; use the asynchronous client of that service",
        ],
        ..PYTHON
    },
    Entry {
        name: "a wait for a file",
        waits: &[Wait::File],
        replacement: Some("await asyncio.to_thread({call}, ...)"),
        steps: &[
            "stop the bleeding: run the call in a thread, `await asyncio.to_thread({call}, ...)`",
            "fix: the thread waits for a disk or a remote file system; keep files out of request handlers",
        ],
        ..PYTHON
    },
    Entry {
        name: "a wait for a child process",
        waits: &[Wait::Child],
        replacement: Some("await process.wait()  # of asyncio.create_subprocess_exec(...)"),
        steps: &[
            "stop the bleeding: run the call in a thread, `await asyncio.to_thread({call}, ...)`",
            "fix: start the child with `await asyncio.create_subprocess_exec(...)` and await its end",
        ],
        rule: Some("ASYNC222"),
        ..PYTHON
    },
    Entry {
        name: "a wait for a lock",
        waits: &[Wait::Lock],
        replacement: Some("async with lock:  # lock = asyncio.Lock()"),
        steps: &[
            "stop the bleeding: hold the lock for less long where other threads take it",
            "fix: between tasks of one loop use `asyncio.Lock`; across threads take the lock in a thread, \
             `await asyncio.to_thread(lock.acquire)`",
        ],
        ..PYTHON
    },
    Entry {
        name: "computing",
        waits: &[Wait::Computing],
        replacement: Some("await loop.run_in_executor(process_pool, {call}, ...)"),
        steps: &[
            "stop the bleeding: let other tasks in, `await asyncio.sleep(0)` every few hundred turns of the \
             inner loop",
            "fix: move the work to a `concurrent.futures.ProcessPoolExecutor`; a thread does not help, pure \
             Python keeps the interpreter's lock",
        ],
        ..PYTHON
    },
    Entry {
        name: "a blocking call",
        replacement: Some("await asyncio.to_thread({call}, ...)"),
        steps: &[
            "stop the bleeding: run the call in a thread, `await asyncio.to_thread({call}, ...)`",
        ],
        ..PYTHON
    },
    Entry {
        name: "computing",
        waits: &[Wait::Computing],
        steps: &[
            "stop the bleeding: split the work and let the loop in between, `setImmediate(next)`",
            "fix: move it to a `worker_threads` pool",
        ],
        ..NODE
    },
    Entry {
        name: "a blocking call",
        steps: &["fix: use the form of the call that takes a callback or returns a promise"],
        ..NODE
    },
    Entry {
        name: "computing",
        waits: &[Wait::Computing],
        steps: &[
            "stop the bleeding: `tokio::task::block_in_place(|| ...)` on a multi-thread runtime",
            "fix: move the work to `tokio::task::spawn_blocking` or to a thread pool such as rayon",
        ],
        ..NATIVE
    },
    Entry {
        name: "a wait for a lock",
        waits: &[Wait::Lock],
        steps: &[
            "stop the bleeding: whoever holds the lock holds it too long; drop the guard before slow work",
            "fix: where it must be held over an `.await`, use `tokio::sync::Mutex`",
        ],
        ..NATIVE
    },
    Entry {
        name: "a blocking call",
        steps: &[
            "fix: move the call to `tokio::task::spawn_blocking`, or use its asynchronous form",
        ],
        ..NATIVE
    },
];
