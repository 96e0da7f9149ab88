//! Rust: calls that block a worker of tokio, and what to await instead.

use super::{Entry, Language, PYTHON};
use crate::syscalls::Wait;

const RUST: Entry = Entry {
    language: Language::Native,
    ..PYTHON
};

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "std::thread::sleep",
        functions: &[
            "std::thread::functions::sleep",
            "std::thread::functions::sleep_ms",
            "std::thread::functions::sleep_until",
            "std::thread::sleep",
            "std::thread::sleep_ms",
            "clock_nanosleep",
            "nanosleep",
        ],
        replacement: Some("tokio::time::sleep(...).await"),
        steps: &["fix: `tokio::time::sleep(...).await`; the worker polls other tasks meanwhile"],
        ..RUST
    },
    Entry {
        name: "join",
        functions: &[
            "std::thread::JoinHandle::join",
            "std::thread::join_handle::JoinHandle::join",
            "std::thread::join_handle::join",
            "std::thread::JoinInner::join",
            "std::thread::lifecycle::JoinInner::join",
        ],
        waits: &[Wait::Lock],
        replacement: Some("tokio::task::spawn_blocking(...).await"),
        steps: &[
            "fix: start the work with `tokio::task::spawn_blocking` and await that, then there is no thread to join",
        ],
        ..RUST
    },
    Entry {
        name: "block_on",
        functions: &[
            "futures_executor::local_pool::",
            "pollster::block_on",
            "tokio::runtime::handle::Handle::block_on",
            "tokio::runtime::runtime::Runtime::block_on",
        ],
        replacement: Some("future.await"),
        steps: &[
            "fix: `.await` the future; where the caller is no async function, make it one, or move it to \
             `tokio::task::spawn_blocking`",
        ],
        ..RUST
    },
    Entry {
        name: "recv",
        functions: &[
            "std::sync::mpsc::Receiver::recv",
            "std::sync::mpsc::Receiver::recv_timeout",
            "std::sync::mpsc::recv",
            "std::sync::mpmc::",
            "crossbeam_channel::",
        ],
        waits: &[Wait::Lock],
        replacement: Some("rx.recv().await  // tokio::sync::mpsc"),
        steps: &[
            "fix: a channel of `tokio::sync`; its receiver is awaited, and its sender has `blocking_send` for threads",
        ],
        ..RUST
    },
    Entry {
        name: "a blocking lock",
        functions: &[
            "std::sync::Mutex::lock",
            "std::sync::mutex::Mutex::lock",
            "std::sync::poison::mutex::Mutex::lock",
            "std::sync::poison::mutex::lock",
            "std::sync::poison::rwlock::",
            "std::sync::rwlock::RwLock::read",
            "std::sync::rwlock::RwLock::write",
            "std::sync::poison::condvar::",
            "std::sys::sync::mutex::",
            "std::sys::sync::rwlock::",
            "parking_lot::raw_mutex::RawMutex::lock_slow",
            "parking_lot::raw_rwlock::",
            "parking_lot::condvar::",
            "lock_api::mutex::Mutex::lock",
            "lock_api::mutex::lock",
        ],
        waits: &[Wait::Lock],
        replacement: Some("lock.lock().await  // tokio::sync::Mutex"),
        steps: &[
            "stop the bleeding: whoever holds the lock holds it too long; drop the guard before slow work and \
             before each `.await`",
            "fix: where it must be held over an `.await`, use `tokio::sync::Mutex`; else keep what it guards short",
        ],
        rule: Some("clippy::await_holding_lock"),
        ..RUST
    },
    Entry {
        name: "a child process",
        functions: &["std::process::", "std::sys::process::"],
        replacement: Some("tokio::process::Command::new(...).output().await"),
        steps: &["fix: `tokio::process::Command`, whose `output`, `status` and `wait` are awaited"],
        ..RUST
    },
    Entry {
        name: "standard input",
        functions: &["std::io::stdio::"],
        replacement: Some("tokio::io::stdin()"),
        steps: &[
            "fix: read standard input on a thread of its own, and send what comes through a channel",
        ],
        ..RUST
    },
    Entry {
        name: "a look-up of a host's name",
        functions: &[
            "std::net::socket_addr::",
            "std::sys::net::connection::socket::LookupHost",
        ],
        replacement: Some("tokio::net::lookup_host(...).await"),
        steps: &[
            "fix: `tokio::net::lookup_host(...).await`, or give `tokio::net::TcpStream::connect` the name",
        ],
        ..RUST
    },
    Entry {
        name: "a blocking HTTP client",
        functions: &[
            "reqwest::blocking::",
            "ureq::",
            "minreq::",
            "attohttpc::",
            "isahc::",
        ],
        replacement: Some("reqwest::Client::get(...).send().await"),
        steps: &[
            "stop the bleeding: `tokio::task::spawn_blocking(move || ...).await`",
            "fix: the asynchronous client, `reqwest::Client`, made once and shared",
        ],
        ..RUST
    },
    Entry {
        name: "a blocking database client",
        functions: &[
            "postgres::",
            "mysql::",
            "redis::connection::",
            "rusqlite::",
            "diesel::",
        ],
        replacement: Some("tokio::task::spawn_blocking(move || ...).await"),
        steps: &[
            "stop the bleeding: `tokio::task::spawn_blocking(move || ...).await`",
            "fix: an asynchronous client: sqlx, tokio-postgres, diesel-async, the asynchronous side of redis; for \
             SQLite a thread of its own, as tokio-rusqlite has",
        ],
        ..RUST
    },
    Entry {
        name: "a password hash",
        functions: &["argon2::", "bcrypt::", "scrypt::", "pbkdf2::"],
        replacement: Some("tokio::task::spawn_blocking(move || ...).await"),
        steps: &[
            "fix: `tokio::task::spawn_blocking(move || ...).await`; a good hash takes long by design",
        ],
        ..RUST
    },
    Entry {
        name: "a file",
        functions: &[
            "std::fs::",
            "std::sys::fs::",
            "std::os::unix::fs::",
            "memmap2::",
        ],
        replacement: Some("tokio::fs::read(...).await"),
        steps: &[
            "stop the bleeding: `tokio::task::spawn_blocking(move || ...).await`",
            "fix: the same function in `tokio::fs`; many small operations belong together into one `spawn_blocking`",
        ],
        ..RUST
    },
    Entry {
        name: "a blocking socket",
        functions: &[
            "std::net::",
            "std::sys::net::",
            "std::os::unix::net::",
            "socket2::",
            "__accept4",
            "__connect",
            "__recv",
            "__send",
            "accept4",
            "connect",
            "recv",
            "send",
        ],
        replacement: Some("stream.read(...).await  // tokio::net::TcpStream"),
        steps: &[
            "stop the bleeding: `tokio::task::spawn_blocking(move || ...).await`",
            "fix: the same type in `tokio::net`",
        ],
        ..RUST
    },
];
