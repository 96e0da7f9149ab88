//! What the tests need of the machine and cannot make themselves.

use std::process::Command;

use anyhow::{Result, bail};

/// A program, why it is needed, and how to get it.
struct Needed {
    program: &'static str,
    reason: &'static str,
    hint: &'static str,
}

const NEEDED: &[Needed] = &[
    Needed {
        program: "cc",
        reason: "links what cargo builds",
        hint: "apt-get install gcc, or your system's C compiler",
    },
    Needed {
        program: "node",
        reason: "the Node.js scenarios run on it",
        hint: "apt-get install nodejs, or https://nodejs.org",
    },
    Needed {
        program: "python3",
        reason: "most scenarios run on it",
        hint: "apt-get install python3 python3-venv",
    },
];

/// Fails with every missing program at once, each with the way to get it.
pub(crate) fn check() -> Result<()> {
    let missing: Vec<_> = NEEDED
        .iter()
        .filter(|needed| !is_there(needed.program))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list: Vec<_> = missing
        .iter()
        .map(|n| format!("{} is missing: {}\nhint: {}", n.program, n.reason, n.hint))
        .collect();
    bail!(
        "{}\nhint: `cargo xtask test --quick` needs none of these but cc",
        list.join("\n")
    )
}

/// Says what is left out of the tests on this machine, and how to have it.
pub(crate) fn say_what_is_left_out() {
    let versions = std::fs::read_dir("/usr/lib/postgresql");
    let mut versions = versions.into_iter().flatten().flatten();
    if !versions.any(|version| version.path().join("bin/initdb").exists()) {
        println!("SKIPPED: the drivers of databases, since there is no PostgreSQL here");
        println!("hint: apt-get install postgresql");
    }
}

/// Whether a program starts at all.
pub(crate) fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}
