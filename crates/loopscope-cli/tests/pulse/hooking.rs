//! The pulse in Python programs that were started without it and load it later.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use loopscope_recorder::environment;
use loopscope_recorder::hooking::Hooked;
use loopscope_recorder::layout::PollKind;
use loopscope_recorder::reader::StallEvent;
use serde_json::Value;

use crate::bench::{PULSE, RUN, Recorded, folder, recordings_of, skip, text};

/// What one process of a program told of itself, and what it recorded.
struct Told {
    facts: Value,
    recorded: Option<Recorded>,
}

/// A stretch of the monotonic clock.
type Stretch = (u64, u64);

impl Told {
    fn hooked(&self) -> Vec<Hooked> {
        let codes = self.facts["hooked"].as_array().into_iter().flatten();
        codes
            .map(|code| Hooked::of_code(code.as_i64().unwrap() as i32))
            .collect()
    }

    /// How many slots each call changed.
    fn slots(&self) -> Vec<u32> {
        let slots = |hooked| match hooked {
            Hooked::Slots(slots) => slots,
            refused => panic!("{refused:?}"),
        };
        self.hooked().into_iter().map(slots).collect()
    }

    fn at(&self, name: &str) -> u64 {
        self.facts[name].as_u64().unwrap()
    }

    fn blocked(&self) -> Vec<Stretch> {
        let all = self.facts["blocked"].as_array().into_iter().flatten();
        all.map(stretch).collect()
    }

    fn recorded(&self) -> &Recorded {
        self.recorded.as_ref().unwrap()
    }

    fn stalls(&self) -> &[StallEvent] {
        &self.recorded().stalls
    }

    /// The stalls that hold all of a stretch.
    fn covering(&self, (from, until): Stretch) -> usize {
        let covers =
            |stall: &&StallEvent| stall.started_nanos <= from && stall.ended_nanos >= until;
        self.stalls().iter().filter(covers).count()
    }

    fn assert_nothing_before(&self, instant: u64) {
        let early = self
            .stalls()
            .iter()
            .find(|stall| stall.started_nanos < instant);
        assert_eq!(early, None, "began before {instant}");
    }
}

fn stretch(value: &Value) -> Stretch {
    let at = |index: usize| value[index].as_u64().unwrap();
    (at(0), at(1))
}

/// The interpreters that `cargo xtask test` prepared, or the `python3` of the `PATH`.
fn pythons() -> Vec<PathBuf> {
    let listed = std::env::var("LOOPSCOPE_TEST_PYTHONS").unwrap_or_default();
    let paths = listed.split(':').filter(|path| !path.is_empty());
    let mut found: Vec<PathBuf> = paths.map(PathBuf::from).collect();
    if found.is_empty() {
        found.push("python3".into());
    }
    found
}

/// Whether an interpreter has uvloop; said where it has not.
fn has_uvloop(python: &Path) -> bool {
    let import = Command::new(python).args(["-c", "import uvloop"]).output();
    let has = import.is_ok_and(|output| output.status.success());
    if !has {
        skip(&format!("{} has no uvloop", python.display()));
    }
    has
}

/// Every interpreter with every loop that it has.
fn on_every_loop(scenario: impl Fn(&Path, &str)) {
    for python in pythons() {
        scenario(&python, "asyncio");
        if has_uvloop(&python) {
            scenario(&python, "uvloop");
        }
    }
}

fn command(python: &Path, folder: &Path, scenario: &str, event_loop: &str) -> Command {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pulse/programs/hooked.py");
    let mut command = Command::new(python);
    command
        .arg(program)
        .args([scenario, event_loop])
        .env_remove("LD_PRELOAD")
        .env("PULSE", PULSE)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env(environment::RUNTIME_DIR, folder)
        .env(environment::RUN_ID, format!("{RUN:x}"));
    command
}

/// What the processes of a program told, each with its recording.
fn gather(output: &Output, folder: &Path) -> Vec<Told> {
    let printed = text(&output.stdout);
    let said = format!("{printed}{}", text(&output.stderr));
    assert!(output.status.success(), "{:?}\n{said}", output.status);
    let mut recordings = recordings_of(folder);
    let lines = printed.lines().filter(|line| line.starts_with('{'));
    let told = lines.map(|line| {
        let facts: Value = serde_json::from_str(line).unwrap();
        let is_of = |one: &Recorded| u64::from(one.description.process.pid) == facts["pid"];
        let place = recordings.iter().position(is_of);
        let recorded = place.map(|place| recordings.remove(place));
        Told { facts, recorded }
    });
    let told: Vec<Told> = told.collect();
    assert!(recordings.is_empty(), "recordings of nobody\n{said}");
    told
}

fn run(python: &Path, scenario: &str, event_loop: &str) -> Vec<Told> {
    let folder = folder();
    let mut command = command(python, folder.path(), scenario, event_loop);
    gather(&command.output().unwrap(), folder.path())
}

fn run_one(python: &Path, scenario: &str, event_loop: &str) -> Told {
    let mut told = run(python, scenario, event_loop);
    assert_eq!(told.len(), 1, "{scenario} on {}", python.display());
    told.remove(0)
}

#[test]
fn a_stall_is_recorded_with_its_times() {
    on_every_loop(|python, event_loop| {
        let told = run_one(python, "stall", event_loop);
        let slots = told.slots();
        assert!(slots[0] > 0 && slots[1] == 0, "{slots:?}");
        let recorded = told.recorded();
        let state = recorded.only_loop();
        assert_eq!(state.kind, Some(PollKind::Epoll));
        assert!(!state.is_live, "the program closed its loop");
        assert!(state.iterations >= 40, "{state:?}");
        assert_eq!(told.covering(told.blocked()[0]), 1);
        assert!(state.longest_busy_nanos >= 300_000_000);
        assert_eq!(recorded.counters.exit_status, Some(0));
    });
}

#[test]
fn a_loop_that_waits_for_as_long_does_not_stall() {
    on_every_loop(|python, event_loop| {
        let told = run_one(python, "healthy", event_loop);
        assert!(told.recorded().only_loop().iterations >= 40);
        assert_eq!(told.covering(stretch(&told.facts["waited"])), 0);
    });
}

#[test]
fn loops_that_select_and_poll_are_seen_too() {
    for (selector, kind) in [
        ("SelectSelector", PollKind::Select),
        ("PollSelector", PollKind::Poll),
    ] {
        for python in pythons() {
            let told = run_one(&python, "stall", selector);
            assert_eq!(told.recorded().only_loop().kind, Some(kind));
            assert_eq!(told.covering(told.blocked()[0]), 1);
        }
    }
}

#[test]
fn loading_alone_changes_nothing() {
    on_every_loop(|python, event_loop| {
        assert!(run_one(python, "unhooked", event_loop).recorded.is_none());
    });
}

#[test]
fn a_turn_that_began_before_the_hooks_is_no_stall() {
    on_every_loop(|python, event_loop| {
        let told = run_one(python, "inside", event_loop);
        told.assert_nothing_before(told.at("hooked_at"));
        assert_eq!(told.covering(told.blocked()[1]), 1);
    });
}

#[test]
fn the_rest_of_a_turn_is_seen_where_the_turn_is_told() {
    on_every_loop(|python, event_loop| {
        let told = run_one(python, "noted", event_loop);
        told.assert_nothing_before(told.at("hooked_at"));
        assert_eq!(told.covering(told.blocked()[1]), 1);
        assert_eq!(told.recorded().loops.len(), 1);
    });
}

#[test]
fn a_loop_that_waits_when_it_is_hooked_is_seen_from_its_next_turn_on() {
    on_every_loop(|python, event_loop| {
        let told = run_one(python, "waiting", event_loop);
        told.assert_nothing_before(told.blocked()[0].1);
        assert_eq!(told.covering(told.blocked()[1]), 1);
    });
}

#[test]
fn a_module_that_is_imported_later_is_hooked_by_the_next_call() {
    for python in pythons().into_iter().filter(|python| has_uvloop(python)) {
        let told = run_one(&python, "late", "uvloop");
        let slots = told.slots();
        assert!(slots[0] > 0 && slots[1] > 0, "{slots:?}");
        assert_eq!(told.covering(told.blocked()[0]), 1);
    }
}

#[test]
fn a_forked_child_has_a_recording_of_its_own() {
    for python in pythons() {
        let told = run(&python, "fork", "asyncio");
        let [child, parent] = &told[..] else {
            panic!("{} processes", told.len());
        };
        assert_eq!(parent.facts["child_status"], 7 << 8);
        assert_eq!(child.covering(child.blocked()[0]), 1);
        assert_eq!(child.recorded().counters.exit_status, Some(7));
        assert_eq!(parent.recorded().loops.len(), 1);
        assert_eq!(parent.recorded().counters.exit_status, Some(0));
    }
}

#[test]
fn a_program_that_the_process_becomes_inherits_nothing() {
    for python in pythons() {
        let told = run_one(&python, "execute", "asyncio");
        assert_eq!(told.recorded().description.image, 0);
        assert_eq!(told.recorded().counters.ended_nanos, None);
    }
}

#[test]
fn hooks_come_and_go_while_threads_turn_their_loops() {
    on_every_loop(|python, event_loop| {
        let told = run_one(python, "threads", event_loop);
        assert!(told.slots().iter().all(|slots| *slots > 0));
        assert_eq!(told.covering(told.blocked()[0]), 1);
        assert!(told.recorded().loops.iter().all(|one| !one.is_live));
    });
}

#[test]
fn what_happens_between_two_times_of_watching_is_not_seen() {
    on_every_loop(|python, event_loop| {
        let folder = folder();
        let mut command = command(python, folder.path(), "again", event_loop);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line, "unhooked\n");
        let between = recordings_of(folder.path());
        let loops = &between[0].loops;
        assert!(!loops.is_empty());
        for state in loops {
            assert!(
                !state.is_live && state.busy_since_nanos.is_none(),
                "{state:?}"
            );
        }
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        let mut output = child.wait_with_output().unwrap();
        stdout.read_line(&mut line).unwrap();
        output.stdout = line.into_bytes().split_off("unhooked\n".len());
        let told = &gather(&output, folder.path())[0];
        let blocked = told.blocked();
        let seen: Vec<usize> = blocked.iter().map(|one| told.covering(*one)).collect();
        assert_eq!(seen, [0, 0, 1]);
        assert!(told.facts["unhooked"].as_u64().unwrap() > 0);
    });
}

#[test]
fn a_preloaded_pulse_stays_the_only_one() {
    on_every_loop(|python, event_loop| {
        let folder = folder();
        let mut command = command(python, folder.path(), "stall", event_loop);
        let output = command.env("LD_PRELOAD", PULSE).output().unwrap();
        let told = &gather(&output, folder.path())[0];
        assert_eq!(told.hooked(), [Hooked::Present; 2]);
        assert_eq!(told.covering(told.blocked()[0]), 1);
    });
}

/// As a wheel's own copy is, under `loopscope run`.
#[test]
fn a_second_copy_leaves_a_preloaded_one_alone() {
    let copied = tempfile::NamedTempFile::new().unwrap();
    std::fs::copy(PULSE, copied.path()).unwrap();
    for python in pythons() {
        let folder = folder();
        let mut command = command(&python, folder.path(), "stall", "asyncio");
        let copy: OsString = copied.path().into();
        let output = command.env("LD_PRELOAD", PULSE).env("PULSE", copy).output();
        let told = &gather(&output.unwrap(), folder.path())[0];
        assert_eq!(told.hooked(), [Hooked::Present; 2]);
        assert_eq!(told.covering(told.blocked()[0]), 1);
    }
}

#[test]
fn what_the_agent_says_stands_in_the_recording() {
    let (folder, own) = (folder(), folder());
    for python in pythons().into_iter().take(1) {
        let mut command = command(&python, folder.path(), "told", "asyncio");
        command
            .env_remove(environment::RUN_ID)
            .env("FOLDER", own.path());
        let told = &gather(&command.output().unwrap(), own.path())[0];
        assert_eq!(told.hooked()[0], Hooked::UnknownSpec);
        let description = &told.recorded().description;
        assert_eq!(description.service, "orders");
        assert_eq!(description.stall_threshold_nanos, 250_000_000);
        assert_eq!(told.covering(told.blocked()[0]), 1);
        assert!(recordings_of(folder.path()).is_empty());
    }
}

#[test]
fn the_agents_own_object_is_not_hooked() {
    for python in pythons() {
        let spared = run_one(&python, "spared", "asyncio").slots()[0];
        let hooked = run_one(&python, "stall", "asyncio").slots()[0];
        assert!(spared < hooked, "{spared} of {hooked}");
    }
}

/// As compilers and linkers lay slots out: behind stubs or not, sealed or not, filled at the start or at the
/// first call; and a program whose own stubs are what the functions' names lead to.
#[test]
fn a_program_is_hooked_however_it_was_linked() {
    for (number, options) in [
        "-fPIE -pie",
        "-fPIE -pie -Wl,-z,now",
        "-fPIE -pie -Wl,-z,lazy",
        "-fPIE -pie -Wl,-z,norelro",
        "-fPIE -pie -fno-plt",
        "-fno-pie -no-pie -Wl,-z,now",
        "-fno-pie -no-pie -Wl,-z,lazy",
    ]
    .into_iter()
    .enumerate()
    {
        let Some(program) = late_program(number, options) else {
            return skip("no C compiler here: install one that is called `cc`");
        };
        let folder = folder();
        let mut command = Command::new(program);
        command.env_remove("LD_PRELOAD").env("PULSE", PULSE);
        command.env(environment::RUNTIME_DIR, folder.path());
        command.env(environment::RUN_ID, format!("{RUN:x}"));
        let output = command.output().unwrap();
        assert_eq!(text(&output.stdout), "1 0\n", "{options}: {output:?}");
        assert_eq!(output.status.code(), Some(3), "{options}");
        let recordings = recordings_of(folder.path());
        let state = recordings[0].only_loop();
        assert_eq!(state.iterations, 20 - 1, "{options}");
        assert!(!state.is_live, "{options}");
    }
}

fn late_program(number: usize, options: &str) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pulse/programs/late.c");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("pulse-late-{number}"));
    let mut compiler = Command::new("cc");
    compiler.args(["-O1", "-Wall", "-Wextra", "-Werror"]);
    compiler.args(options.split(' ')).arg("-o").arg(&target);
    let done = compiler.arg(source).arg("-ldl").output().ok()?;
    assert!(done.status.success(), "{}", text(&done.stderr));
    Some(target)
}

/// Whatever reads recordings finds this one among the others of its user.
#[test]
fn the_recording_is_listed_and_read_after_the_end() {
    for python in pythons().into_iter().take(1) {
        let folder = folder();
        let mut stalled = command(&python, folder.path(), "stall", "asyncio");
        let told = &gather(&stalled.output().unwrap(), folder.path())[0];
        let pid = told.at("pid").to_string();
        for words in [vec!["recordings"], vec!["postmortem", &pid]] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_loopscope"));
            command
                .args(&words)
                .env(environment::RUNTIME_DIR, folder.path());
            let output = command.output().unwrap();
            let said = text(&output.stdout);
            assert!(
                said.contains(&pid),
                "{words:?}: {said}{}",
                text(&output.stderr)
            );
        }
    }
}
