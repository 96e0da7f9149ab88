//! Which frames are the application's own code, and which lie inside the loop.
//!
//! Told from paths and function names alone; no file is opened.

use crate::observation::Frame;

/// Folders whose content belongs to an interpreter, a package manager or a tool chain.
const FOREIGN_FOLDERS: &[&str] = &[
    "/site-packages/",
    "/dist-packages/",
    "/node_modules/",
    // Wherever CARGO_HOME is: images have it in /usr/local/cargo.
    "/registry/src/",
    "/git/checkouts/",
    "/rustc/",
    "/rustlib/",
    "/usr/include/",
    // Not all of /usr/src: the image `rust` has services built in /usr/src/myapp.
    "/usr/src/debug/",
    "/usr/src/linux",
    "/usr/src/python/",
];

/// Files of the Python agent and of the Rust crate that stand between a program and the libraries that it uses.
const OWN_FILES: &[&str] = &[
    "/crates/loopscope/src/",
    "/loopscope/_",
    "/loopscope/aiohttp.py",
    "/loopscope/asgi.py",
];

/// The sample service of `loopscope demo --rust`: a program to blame, also where the command was installed from a folder
/// of Cargo's.
const SAMPLE_FILE: &str = "/src/demo/shop.rs";

/// Names in angle brackets that stand for code which somebody typed.
const TYPED_IN: &[&str] = &["<string>", "<stdin>", "<ipython-input", "<python-input"];

/// What polls a task of tokio, and the future that a runtime was given to run: the program is further in.
const TOKIO_DRIVERS: &[&str] = &[
    "tokio::runtime::task::core::Core::poll",
    "tokio::runtime::task::core::poll",
    "tokio::runtime::task::harness::Harness::poll",
    "tokio::runtime::task::harness::poll",
    "tokio::runtime::task::harness::poll_future",
    "tokio::runtime::task::raw::poll",
    "tokio::runtime::scheduler::current_thread::CoreGuard::block_on",
];

/// Calls that run a loop: the frame whose line makes one is outside of it.
const LOOP_RUNNERS: &[&str] = &["run_forever", "run_until_complete"];

/// Libraries that a name shows in front, where a program has names and no files. What is missing here counts as the
/// application's own, which the name tells a reader anyhow.
const FOREIGN_CRATES: &[&str] = &[
    "addr2line",
    "alloc",
    "anyhow",
    "arc_swap",
    "async_trait",
    "axum",
    "axum_core",
    "backtrace",
    "bytes",
    "core",
    "crossbeam_channel",
    "crossbeam_utils",
    "dashmap",
    "deadpool",
    "diesel",
    "futures",
    "futures_channel",
    "futures_core",
    "futures_executor",
    "futures_util",
    "h2",
    "hashbrown",
    "http",
    "http_body",
    "http_body_util",
    "hyper",
    "hyper_util",
    "indexmap",
    "lock_api",
    "mio",
    "once_cell",
    "openssl",
    "parking_lot",
    "parking_lot_core",
    "postgres",
    "rand",
    "rayon",
    "rayon_core",
    "redis",
    "regex",
    "reqwest",
    "ring",
    "rusqlite",
    "rustix",
    "rustls",
    "serde",
    "serde_json",
    "socket2",
    "sqlx",
    "sqlx_core",
    "std",
    "tokio",
    "tokio_postgres",
    "tokio_rustls",
    "tokio_stream",
    "tokio_util",
    "tonic",
    "tower",
    "tower_http",
    "tower_service",
    "tracing",
    "tracing_core",
    "tracing_subscriber",
    "ureq",
];

/// Whether a frame is the application's own code.
pub(crate) fn is_in_app(frame: &Frame) -> bool {
    if frame.file.is_empty() {
        return is_in_app_function(&frame.function);
    }
    is_in_app_file(&frame.file)
}

/// Whether a function of a native program without files is the application's own: `shop::serve`, and neither `read`
/// nor `F::call_once`.
fn is_in_app_function(function: &str) -> bool {
    let krate = function.split_once("::").map(|(krate, _)| krate);
    krate.is_some_and(|krate| {
        krate.starts_with(|letter: char| letter.is_ascii_lowercase())
            && !FOREIGN_CRATES.contains(&krate)
    })
}

/// Whether code of a file is the application's own.
pub(crate) fn is_in_app_file(file: &str) -> bool {
    if file.starts_with('<') {
        return TYPED_IN.iter().any(|typed| file.starts_with(typed));
    }
    if file.ends_with(SAMPLE_FILE) && file.contains("/loopscope-cli") {
        return true;
    }
    let is_foreign = file.is_empty()
        || file.starts_with("node:")
        || file.starts_with("internal/")
        || is_shared_object(file)
        || FOREIGN_FOLDERS.iter().any(|folder| file.contains(folder))
        || OWN_FILES.iter().any(|own| file.contains(own))
        || is_standard_library(file);
    !is_foreign
}

/// The frames of the callback that a loop runs, innermost first: everything deeper than the loop's own
/// driver, or the whole stack where no driver shows.
pub(crate) fn inside_loop(stack: &[Frame]) -> &[Frame] {
    let driver = stack.iter().position(is_driver);
    driver.map_or(stack, |index| &stack[..index])
}

fn is_driver(frame: &Frame) -> bool {
    if frame.is_coroutine {
        return false;
    }
    let function = last_segment(&frame.function);
    let in_file = |name: &str| frame.file.ends_with(name);
    (in_file("asyncio/events.py") && function == "_run")
        || (in_file("asyncio/base_events.py")
            && matches!(function, "_run_once" | "run_forever" | "run_until_complete"))
        || (in_file("asyncio/runners.py") && function == "run")
        || (in_file("uvloop/__init__.py") && function == "run")
        || TOKIO_DRIVERS.contains(&&*frame.function)
        || frame.calls.iter().any(|call| runs_a_loop(call))
}

fn runs_a_loop(call: &str) -> bool {
    LOOP_RUNNERS.contains(&last_segment(call)) || matches!(call, "asyncio.run" | "uvloop.run")
}

/// `get` for `Api.get`, `lock` for `std::sync::Mutex::lock`.
pub(crate) fn last_segment(name: &str) -> &str {
    name.rsplit(['.', ':']).next().unwrap_or(name)
}

/// `libc.so.6`, `_ssl.cpython-311-x86_64-linux-gnu.so`.
fn is_shared_object(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.ends_with(".so") || name.contains(".so.")
}

/// `/usr/lib/python3.11/asyncio/events.py`, `/opt/python/lib64/python3.13t/ssl.py`, `python311.zip/ssl.py`.
fn is_standard_library(file: &str) -> bool {
    let mut folders = file.split('/').rev().skip(1).peekable();
    while let Some(folder) = folders.next() {
        let below_lib = matches!(folders.peek(), Some(&"lib" | &"lib64"));
        let is_zip = folder.starts_with("python3") && folder.ends_with(".zip");
        if is_zip || (below_lib && is_interpreter_folder(folder)) {
            return true;
        }
    }
    false
}

fn is_interpreter_folder(folder: &str) -> bool {
    let version = folder
        .strip_prefix("python")
        .or_else(|| folder.strip_prefix("pypy"));
    version.is_some_and(|version| {
        version.starts_with('3')
            && version
                .trim_end_matches('t')
                .chars()
                .all(|c| c.is_ascii_digit() || c == '.')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{coroutine, frame, frame_calling};

    #[test]
    fn code_of_the_application_is_told_from_code_that_was_installed() {
        let own = [
            "/srv/app.py",
            "app.py",
            "/home/me/lib/tools/x.py",
            "<string>",
            "/srv/python3/a.py",
            "/usr/src/myapp/src/main.rs",
            "/root/.cargo/git/checkouts/loopscope-1/2/crates/loopscope-cli/src/demo/shop.rs",
        ];
        for file in own {
            assert!(is_in_app(&frame(file, 1, "f")), "{file}");
        }
        let foreign = [
            "/usr/lib/python3.11/asyncio/events.py",
            "/opt/py/lib64/python3.13t/ssl.py",
            "/usr/lib/pypy3.10/socket.py",
            "/srv/.venv/lib/python3.12/site-packages/requests/api.py",
            "/usr/lib/python3/dist-packages/yaml/__init__.py",
            "/usr/lib/python311.zip/ssl.py",
            "<frozen importlib._bootstrap>",
            "node:fs",
            "/srv/node_modules/express/index.js",
            "/root/.cargo/registry/src/index/tokio-1.0/src/lib.rs",
            "/usr/local/cargo/registry/src/index.crates.io-1/tokio-1.0/src/lib.rs",
            "/usr/local/cargo/git/checkouts/tokio-1/2/tokio/src/lib.rs",
            "/usr/src/python/Modules/timemodule.c",
            "/tmp/loopscope-0/agent-1f/package/loopscope/_clients/_tracking.py",
            "/usr/lib/libc.so.6",
            "/var/tmp/loopscope-lib-0/agent-1/package/loopscope/_databases/_shared.py",
            "",
        ];
        for file in foreign {
            assert!(!is_in_app(&frame(file, 1, "f")), "{file}");
        }
    }

    #[test]
    fn the_module_that_starts_the_loop_is_outside_of_it() {
        let stack = [
            frame("/srv/app.py", 9, "work"),
            coroutine("/srv/app.py", 12, "handler"),
            frame("/usr/lib/python3.11/asyncio/events.py", 80, "Handle._run"),
            frame(
                "/usr/lib/python3.11/asyncio/base_events.py",
                1900,
                "BaseEventLoop._run_once",
            ),
            frame("/srv/app.py", 40, "<module>"),
        ];
        assert_eq!(inside_loop(&stack), &stack[..2]);
    }

    #[test]
    fn a_loop_without_frames_of_its_own_is_found_by_the_call_that_runs_it() {
        let stack = [
            frame("/srv/app.py", 9, "on_timer"),
            frame_calling("/srv/app.py", 40, "main", &["loop.run_forever"]),
            frame("/srv/app.py", 44, "<module>"),
        ];
        assert_eq!(inside_loop(&stack), &stack[..1]);
    }

    #[test]
    fn the_coroutine_that_uvloop_wraps_around_a_program_is_inside() {
        let file = "/srv/.venv/lib/python3.12/site-packages/uvloop/__init__.py";
        let stack = [
            coroutine("/srv/app.py", 9, "main"),
            coroutine(file, 70, "run.<locals>.wrapper"),
            frame(file, 109, "run"),
            frame("/srv/app.py", 44, "<module>"),
        ];
        assert_eq!(inside_loop(&stack), &stack[..2]);
    }

    #[test]
    fn a_stack_without_a_driver_is_taken_whole() {
        let stack = [
            frame("server.js", 3, "handler"),
            frame("node:internal/timers", 5, "run"),
        ];
        assert_eq!(inside_loop(&stack), &stack);
    }
}
