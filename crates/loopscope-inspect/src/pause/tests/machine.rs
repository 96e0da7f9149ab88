//! What a thread of 64-bit x86 has besides its ordinary registers.

use super::dumper::Dumpers;
use super::support::{Target, until};
use crate::dump::DumpMode;
use crate::error::DumpError;
use crate::pause::hold;

#[test]
fn vector_registers_are_as_they_were_also_where_the_dumper_dies() {
    if !std::is_x86_feature_detected!("avx2") {
        println!("skipped: no vector registers of 32 bytes");
        return;
    }
    let mut dumpers = Dumpers::start();
    let target = Target::start("pause_machine.py", &["vectors"]);
    let mut steps = 0;
    while dumpers.dies_at(target.pid(), DumpMode::Snapshot, steps) {
        target.assert_unharmed();
        steps += 1;
    }
    assert!(steps > 10);
    target.assert_unharmed();
}

#[test]
fn a_restartable_sequence_is_not_broken() {
    let sequence = std::panic::catch_unwind(|| Target::start("pause_machine.py", &["sequence"]));
    let Ok(target) = sequence else {
        println!("skipped: this C library has no restartable sequences");
        return;
    };
    until("it begins anew", || target.counter(target.pid(), 1) > 0);
    for _ in 0..10 {
        match hold(target.pid(), DumpMode::Snapshot) {
            // The kernel had it begin anew before it stopped; not every kernel does.
            Ok(held) => drop(held.release()),
            Err(DumpError::NoSnapshot { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
        let begins = target.counter(target.pid(), 1);
        hold(target.pid(), DumpMode::Stop).unwrap().release();
        // Each time it loses its processor, if the kernel still knows of the sequence.
        until("it begins anew", || {
            target.counter(target.pid(), 1) > begins
        });
    }
    target.assert_unharmed();
}
