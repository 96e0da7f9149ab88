//! A dumper that dies at the worst of times.

use std::time::Duration;

use super::STOPPING;
use super::dumper::Dumpers;
use super::support::Target;
use crate::dump::DumpMode;

/// Kinds of targets: one whose only thread works, and one whose main thread sleeps.
const TARGETS: [&[&str]; 2] = [&[], &["sleeper"]];

#[test]
fn a_dumper_may_die_at_every_step() {
    let mut dumpers = Dumpers::start();
    for mode in STOPPING {
        for arguments in TARGETS {
            let target = Target::start("pause_work.py", arguments);
            let mut steps = 0;
            while dumpers.dies_at(target.pid(), mode, steps) {
                target.assert_unharmed();
                steps += 1;
            }
            println!("{mode:?}: died at {steps} steps");
            target.assert_unharmed();
        }
    }
}

#[test]
fn a_call_that_has_waited_for_a_part_of_its_time_is_interrupted_where_the_dumper_dies() {
    let mut dumpers = Dumpers::start();
    let mut targets = Vec::new();
    for steps in 0.. {
        let target = Target::start("pause_waits.py", &["poll"]);
        let has_died = dumpers.dies_at(target.pid(), DumpMode::Snapshot, steps);
        targets.push(target);
        if !has_died {
            break;
        }
    }
    let endings: Vec<String> = targets.iter_mut().map(Target::line).collect();
    assert!(endings.contains(&"EINTR".to_owned()), "{endings:?}");
    for ending in &endings {
        assert!(["done", "EINTR"].contains(&&**ending), "{endings:?}");
    }
    assert_eq!(endings.last().unwrap(), "done", "the dumper came through");
}

#[test]
fn a_dumper_may_be_killed_at_any_time() {
    let mut dumpers = Dumpers::start();
    let mut random = 88_172_645_463_325_252_u64;
    for mode in STOPPING {
        let targets = TARGETS.map(|arguments| Target::start("pause_work.py", arguments));
        for turn in 0..300 {
            let target = &targets[turn % targets.len()];
            let dumper = dumpers.dumps_on(target.pid(), mode);
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            // A hold takes about this long without optimisation.
            std::thread::sleep(Duration::from_micros(random % 10_000));
            dumper.kill();
            target.assert_unharmed();
        }
    }
}
