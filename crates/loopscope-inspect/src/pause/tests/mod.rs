//! Real programs, held in every mode, and what they notice of it.

mod deaths;
mod dumper;
#[cfg(target_arch = "x86_64")]
mod machine;
mod memory;
mod refusals;
mod signals;
mod support;
mod threads;
mod waits;

use crate::dump::DumpMode;

/// The modes that stop the target.
const STOPPING: [DumpMode; 2] = [DumpMode::Stop, DumpMode::Snapshot];

fn mode_named(name: &str) -> DumpMode {
    STOPPING
        .into_iter()
        .find(|mode| format!("{mode:?}") == name)
        .unwrap()
}

pub(super) use dumper::checkpoint;
