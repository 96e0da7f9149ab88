//! tokio, on both of its runtimes: programs that know nothing of Loopscope, and programs that were built with it.
//!
//! The program is an example of the crate `loopscope`, built by Cargo the first time that a test asks for it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use loopscope_engine::report::{IncidentKind, Report};

use crate::cargo;
use crate::support::{Scenario, Stall, alone, is_bare};

/// How it was compiled, and what was left of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Build {
    Debug,
    /// Optimised as Cargo does it unless it is told otherwise, so without frame pointers, but with line tables.
    Release,
    /// The same with frame pointers.
    Framed,
    /// The same without, as Cargo builds unless it is told otherwise.
    Names,
    /// Without names, too.
    Stripped,
    /// The same, with what was taken out beside it.
    Separate,
}

/// The program.
fn program(build: Build) -> PathBuf {
    match build {
        Build::Debug => debug(),
        Build::Release => optimised(),
        Build::Framed => optimised().with_file_name(FRAMED),
        Build::Names => left_of("names", &["--strip-debug"]),
        Build::Stripped => left_of("stripped", &["--strip-all"]),
        Build::Separate => {
            let whole = optimised();
            let folder = whole.with_file_name("separate");
            let program = left_of("separate/stalls", &["--strip-all"]);
            let apart = folder.join("stalls.debug");
            objcopy(&["--only-keep-debug".into(), whole, apart.clone()]);
            let link = format!("--add-gnu-debuglink={}", apart.display());
            objcopy(&[link.into(), program.clone()]);
            program
        }
    }
}

/// As the crate's own examples are built, with the features of the build that the tests are of: next to nothing to do.
fn debug() -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| cargo::build(&["--workspace", "--example=stalls"]));
    cargo::target_folder().join("debug/examples/stalls")
}

/// The name of the one with frame pointers.
const FRAMED: &str = "framed";

/// Without the engine inside, which has its own tests and takes its time to build.
fn optimised() -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    let built = cargo::target_folder().join("plain/examples/stalls");
    BUILT.get_or_init(|| {
        let example = [
            "--profile=plain",
            "--package=loopscope",
            "--no-default-features",
            "--example=stalls",
        ];
        let framed = ["--", "-C", "force-frame-pointers=yes"];
        cargo::compile("rustc", &[&example[..], &framed].concat());
        // The next one takes its place.
        fs::copy(&built, built.with_file_name(FRAMED)).expect("it can be copied");
        cargo::build(&example);
    });
    built
}

/// The optimised program after some of it was taken out.
fn left_of(name: &str, options: &[&str]) -> PathBuf {
    let whole = optimised();
    let left = whole.with_file_name(name);
    fs::create_dir_all(left.parent().expect("a folder")).expect("a folder can be made");
    let mut words: Vec<PathBuf> = options.iter().map(PathBuf::from).collect();
    words.extend([whole, left.clone()]);
    objcopy(&words);
    left
}

/// Of the binutils, which the linker comes from.
fn objcopy(words: &[PathBuf]) {
    let status = Command::new("objcopy").args(words).status();
    assert!(status.expect("objcopy runs").success());
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
    let join = Some("tokio::task::spawn_blocking");
    vec![
        stall("sleep", "stalls::sleeps", Some("tokio::time::sleep")),
        stall("spin", "stalls::compute", None),
        lock,
        stall("file", "stalls::reads_a_file", Some("tokio::fs")),
        stall("socket", "stalls::reads_a_socket", Some("tokio::net")),
        stall("recv", "stalls::receives", Some("tokio::sync::mpsc")),
        stall("unyielding", "stalls::work", None),
        stall("nested", "stalls::runs_a_runtime", join),
    ]
}

/// Those that a runtime with one thread has besides.
fn stalls_of_one_thread(is_exact: bool) -> Vec<Stall> {
    let runtime = CURRENT.1;
    let times = is_exact.then_some(1);
    let local = Stall::blocking("local", "stalls::sleeps_locally");
    // Not why: where the machine takes the processor away within one of the tasks, that one is the long one.
    let crowd = Stall::without_culprit("crowd");
    let mut all = stalls(runtime, is_exact);
    all.push(
        local
            .on(runtime)
            .times(times)
            .advised("tokio::time::sleep", None),
    );
    all.push(crowd.on(runtime).times(times));
    all
}

/// Some of them, by name.
fn only(names: &str, all: Vec<Stall>) -> Vec<Stall> {
    let is_meant = |stall: &Stall| names.split(',').any(|name| name == stall.name);
    all.into_iter().filter(is_meant).collect()
}

const MULTI: (&str, &str) = ("multi", "tokio");
const CURRENT: (&str, &str) = ("current", "tokio current-thread");

#[test]
fn a_blocked_worker_of_an_unmodified_program_is_found_with_its_line() {
    let _alone = alone();
    let multi = scenario(Build::Debug, &["all", MULTI.0]);
    require(multi.expect(stalls(MULTI.1, false)).check());
    // The crowd computes on the line on which one callback of another stall does.
    for names in [
        "sleep,spin,mutex,file,socket,recv,unyielding,nested,local",
        "crowd",
    ] {
        let current = scenario(Build::Debug, &[names, CURRENT.0]);
        require(
            current
                .expect(only(names, stalls_of_one_thread(true)))
                .check(),
        );
    }
}

#[test]
fn a_blocked_worker_of_an_optimised_program_is_found_with_its_line() {
    let _alone = alone();
    let multi = scenario(Build::Release, &["all", MULTI.0]);
    require(multi.expect(stalls(MULTI.1, false)).check());
    let names = "sleep,mutex,local";
    let current = scenario(Build::Release, &[names, CURRENT.0]);
    require(
        current
            .expect(only(names, stalls_of_one_thread(true)))
            .check(),
    );
    let names = "sleep,unyielding";
    let framed = scenario(Build::Framed, &[names, MULTI.0]);
    require(framed.expect(only(names, stalls(MULTI.1, false))).check());
    let separate = scenario(Build::Separate, &[names, MULTI.0]);
    require(separate.expect(only(names, stalls(MULTI.1, false))).check());
}

#[test]
fn a_blocked_worker_of_a_program_with_the_crate_is_found_with_its_line() {
    let _alone = alone();
    let names = "sleep,spin,mutex,unyielding";
    let multi = scenario(Build::Debug, &[names, MULTI.0, "installed"]);
    require(multi.expect(only(names, stalls(MULTI.1, false))).check());
    let names = "sleep,spin";
    let current = scenario(Build::Debug, &[names, CURRENT.0, "installed"]);
    require(
        current
            .expect(only(names, stalls_of_one_thread(false)))
            .check(),
    );
}

/// What a run found, one summary each.
fn summaries(build: Build, words: &[&str]) -> Vec<String> {
    let ended = scenario(build, words).observe(|_| Ok(()));
    let report: Option<Report> = ended.expect("a run that ends").report;
    let incidents = report.into_iter().flat_map(|report| report.incidents);
    incidents
        .filter(|incident| incident.kind != IncidentKind::BlockingCall)
        .map(|incident| incident.summary)
        .collect()
}

#[test]
fn a_program_without_lines_has_its_stalls_told_by_function() {
    let _alone = alone();
    if is_bare() {
        return;
    }
    let found = summaries(Build::Names, &["all", MULTI.0]);
    let expected = stalls(MULTI.1, false);
    for stall in &expected {
        let function = format!(" in {}", stall.function.expect("a function"));
        let told = |summary: &&String| summary.contains(&function);
        assert_eq!(
            found.iter().filter(told).count(),
            1,
            "{function}: {found:#?}"
        );
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

#[test]
fn of_a_stripped_program_is_told_what_is_certain_and_said_what_is_not() {
    let _alone = alone();
    if is_bare() {
        return;
    }
    let found = summaries(Build::Stripped, &["sleep,spin", CURRENT.0]);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(
        found
            .iter()
            .any(|summary| summary.contains(" in clock_nanosleep")),
        "{found:#?}"
    );
    let found = summaries(Build::Stripped, &["healthy", MULTI.0]);
    let [note] = found.as_slice() else {
        panic!("{found:#?}");
    };
    assert!(
        note.contains("is not watched: its threads take turns"),
        "{note}"
    );
}

#[test]
fn a_healthy_runtime_at_full_load_raises_nothing() {
    let _alone = alone();
    require(scenario(Build::Debug, &["healthy", MULTI.0]).check());
    require(scenario(Build::Names, &["healthy", MULTI.0]).check());
    if !is_bare() {
        for (flavour, _) in [MULTI, CURRENT] {
            require(scenario(Build::Debug, &["healthy", flavour, "installed"]).check());
        }
    }
}
