//! A dumper that is killed half-way leaves its target as it was.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use loopscope_inspect::{DumpMode, Inspector};

use crate::pythons;
use crate::unharmed::{Busy, assert_is_free};

/// Kills in all, in each mode.
const KILLS: usize = 60;

/// Kills come up to so long after the first dump, spread evenly: some hundred system calls apart.
const LONGEST_DELAY: Duration = Duration::from_millis(20);

/// Says to the dumper what to dump: the pid and the mode.
const TARGET: &str = "LOOPSCOPE_TEST_TARGET";

#[test]
#[ignore = "runs as a process of its own, for the other test"]
fn dumper() {
    let target = std::env::var(TARGET).expect("what to dump");
    let (pid, mode) = target.split_once(' ').expect("pid and mode");
    let mode = match mode {
        "Snapshot" => DumpMode::Snapshot,
        _ => DumpMode::Stop,
    };
    let mut inspector = Inspector::attach(pid.parse().unwrap()).unwrap();
    println!("dumping");
    loop {
        inspector.dump(mode).unwrap();
    }
}

/// Starts the dumper and waits until it dumps.
fn start_dumper(pid: u32, mode: DumpMode) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "killed::dumper"])
        .env(TARGET, format!("{pid} {mode:?}"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The harness says something before, on the same line.
    let is_dumping = lines
        .map_while(Result::ok)
        .any(|line| line.ends_with("dumping"));
    assert!(is_dumping, "the dumper ended: {:?}", child.wait());
    child
}

#[test]
fn a_dumper_that_is_killed_half_way_leaves_its_target_at_work() {
    let pythons = pythons::all();
    let share = KILLS.div_ceil(pythons.len());
    for (place, python) in pythons.iter().enumerate() {
        for mode in [DumpMode::Stop, DumpMode::Snapshot] {
            let mut busy = Busy::start(python, 200, 4);
            for number in 0..share {
                let nth = (place * share + number) as u32;
                kill_one(busy.program.pid(), mode, LONGEST_DELAY * nth / KILLS as u32);
            }
            busy.assert_works();
            busy.assert_ends_well();
        }
    }
}

fn kill_one(pid: u32, mode: DumpMode, delay: Duration) {
    let mut dumper = start_dumper(pid, mode);
    thread::sleep(delay);
    dumper.kill().unwrap();
    let status = dumper.wait().unwrap();
    assert_eq!(status.code(), None, "the dumper ended before it was killed");
    assert_is_free(pid);
}
