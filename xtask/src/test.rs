//! `cargo xtask test`: everything that must hold before a change goes in, cheapest first.

use std::path::PathBuf;

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::{preflight, schema, typing, venv};

/// Runs it all; `quick` leaves out the real programs.
pub(crate) fn run(shell: &Shell, quick: bool) -> Result<()> {
    if !quick {
        preflight::check()?;
        preflight::say_what_is_left_out();
    }
    cmd!(shell, "cargo fmt --all --check").run()?;
    cmd!(
        shell,
        "cargo clippy --workspace --all-targets -- -D warnings"
    )
    .run()?;
    schema::run(true)?;
    licences_and_advisories(shell)?;
    // Before the tests that read interpreters, which then find more of them.
    let pythons = if quick {
        Vec::new()
    } else {
        venv::prepare(shell)?
    };
    if quick {
        cmd!(shell, "cargo test --workspace -- --skip truth_").run()?;
        println!("left out: the real programs, since this is --quick");
        return Ok(());
    }
    // The real programs come by themselves below, one after another.
    cmd!(shell, "cargo test --workspace --exclude loopscope-cli").run()?;
    let own = ["--bins", "--test=pulse", "--test=commands", "--test=health"];
    cmd!(shell, "cargo test -p loopscope-cli {own...}").run()?;
    if let Some(newest) = pythons.iter().rfind(|one| venv::is_program(one)) {
        typing::check(shell, newest)?;
    }
    real_programs(shell, &pythons)
}

fn licences_and_advisories(shell: &Shell) -> Result<()> {
    if !preflight::is_there("cargo-deny") {
        println!("SKIPPED: cargo deny check, since cargo-deny is not installed");
        println!("hint: cargo install cargo-deny --locked");
        return Ok(());
    }
    cmd!(shell, "cargo deny check licenses bans sources").run()?;
    // The advisories live in a repository of their own, which not every machine reaches.
    if cmd!(shell, "cargo deny fetch db")
        .quiet()
        .ignore_stderr()
        .run()
        .is_err()
    {
        println!("SKIPPED: cargo deny check advisories, since their database is out of reach");
        return Ok(());
    }
    Ok(cmd!(shell, "cargo deny check --disable-fetch advisories").run()?)
}

/// Every scenario runs on the oldest and the newest interpreter. On those between, whose structures differ
/// but whose surroundings do not, the scenarios whose answer is read out of the interpreter.
fn real_programs(shell: &Shell, pythons: &[PathBuf]) -> Result<()> {
    cmd!(shell, "cargo test -p loopscope-cli --test agent")
        .env("LOOPSCOPE_TEST_PYTHONS", joined(pythons))
        .run()?;
    let ends = match pythons {
        [oldest, .., newest] => vec![oldest.clone(), newest.clone()],
        few => few.to_vec(),
    };
    let between: Vec<_> = pythons
        .iter()
        .filter(|one| !ends.contains(one))
        .cloned()
        .collect();
    let all = joined(pythons);
    cmd!(shell, "cargo test -p loopscope-cli --test dump")
        .env("LOOPSCOPE_TEST_PYTHONS", all)
        .run()?;
    for tests in ["library", "databases", "clients", "factory"] {
        cmd!(
            shell,
            "cargo test -p loopscope-cli --test {tests} -- --test-threads=1"
        )
        .env("LOOPSCOPE_TEST_PYTHONS", joined(&ends))
        .run()?;
    }
    truth(shell, &ends, "")?;
    if between.is_empty() {
        return Ok(());
    }
    truth(shell, &between, "truth_stalls")
}

fn truth(shell: &Shell, pythons: &[PathBuf], only: &str) -> Result<()> {
    cmd!(
        shell,
        "cargo test -p loopscope-cli --test truth -- --test-threads=1 {only}"
    )
    .env("LOOPSCOPE_TEST_PYTHONS", joined(pythons))
    .run()?;
    Ok(())
}

fn joined(pythons: &[PathBuf]) -> String {
    let texts: Vec<_> = pythons
        .iter()
        .map(|python| python.display().to_string())
        .collect();
    texts.join(":")
}
