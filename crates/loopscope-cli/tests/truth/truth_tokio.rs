//! tokio, on both of its runtimes: programs that know nothing of Loopscope, and programs that were built with it.
//!
//! The program is an example of the crate `loopscope`, built by Cargo the first time that a test asks for it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::{Scenario, Stall, alone, is_bare};

/// How it was compiled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Build {
    Debug,
    Release,
}

/// The program.
fn program(build: Build) -> PathBuf {
    static BUILT: [OnceLock<()>; 2] = [OnceLock::new(), OnceLock::new()];
    let profile = ["debug", "release"][build as usize];
    BUILT[build as usize].get_or_init(|| {
        let mut command = Command::new(env!("CARGO"));
        command.args(["build", "--package", "loopscope", "--example", "stalls"]);
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        if build == Build::Release {
            command.arg("--release");
        }
        assert!(command.status().expect("cargo runs").success());
    });
    let own = Path::new(env!("CARGO_BIN_EXE_loopscope"));
    let target = own.ancestors().nth(2).expect("a target folder");
    target.join(profile).join("examples/stalls")
}

fn scenario(build: Build, words: &[&str]) -> Scenario {
    let mut command = vec![program(build).display().to_string()];
    command.extend(words.iter().map(|word| word.to_string()));
    Scenario::command(command)
}

fn require(result: Result<(), String>) {
    if let Err(problems) = result {
        panic!("\n{problems}");
    }
}

/// Each stall of the program, with what to write instead.
///
/// When a worker began to poll is known as exactly as it was looked at; when a loop left its poll is known for certain.
fn stalls(runtime: &'static str, is_exact: bool) -> Vec<Stall> {
    let stall = |name, function, replacement: Option<&'static str>| {
        let times = is_exact.then_some(1);
        let stall = Stall::blocking(name, function).on(runtime).times(times);
        match replacement {
            Some(replacement) => stall.advised(replacement, None),
            None => stall,
        }
    };
    let mut lock = stall("mutex", "stalls::locks", None);
    lock = lock.advised("tokio::sync::Mutex", Some("clippy::await_holding_lock"));
    vec![
        stall("sleep", "stalls::sleeps", Some("tokio::time::sleep")),
        stall("spin", "stalls::compute", None),
        lock,
        stall("file", "stalls::reads_a_file", Some("tokio::fs")),
        stall("socket", "stalls::reads_a_socket", Some("tokio::net")),
        stall("recv", "stalls::receives", Some("tokio::sync::mpsc")),
        stall("unyielding", "stalls::work", None),
    ]
}

const FLAVOURS: [(&str, &str); 2] = [("multi", "tokio"), ("current", "tokio current-thread")];

#[test]
fn a_blocked_worker_of_an_unmodified_program_is_found_with_its_line() {
    let _alone = alone();
    for (flavour, runtime) in FLAVOURS {
        require(
            scenario(Build::Debug, &["all", flavour])
                .expect(stalls(runtime, flavour == "current"))
                .check(),
        );
    }
}

#[test]
fn a_blocked_worker_of_an_optimised_program_is_found_with_its_line() {
    let _alone = alone();
    for (flavour, runtime) in FLAVOURS {
        require(
            scenario(Build::Release, &["all", flavour])
                .expect(stalls(runtime, flavour == "current"))
                .check(),
        );
    }
}

#[test]
fn a_blocked_worker_of_a_program_with_the_crate_is_found_with_its_line() {
    let _alone = alone();
    for (flavour, runtime) in FLAVOURS {
        require(
            scenario(Build::Debug, &["all", flavour, "installed"])
                .expect(stalls(runtime, false))
                .check(),
        );
    }
}

#[test]
fn a_healthy_runtime_at_full_load_raises_nothing() {
    let _alone = alone();
    for (flavour, _) in FLAVOURS {
        require(scenario(Build::Debug, &["healthy", flavour]).check());
        if !is_bare() {
            require(scenario(Build::Debug, &["healthy", flavour, "installed"]).check());
        }
    }
    require(scenario(Build::Release, &["healthy", "multi"]).check());
}
