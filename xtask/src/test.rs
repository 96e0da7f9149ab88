//! `cargo xtask test`: everything that must hold before a change goes in, cheapest first.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use crate::{preflight, schema, typing, venv};

/// What the agent does inside of an interpreter's own structures: the tests of it that run on every minor version.
const INSIDE: &[&str] = &["tasks::", "failures::", "calls::", "executors::"];

/// Runs it all; `quick` leaves out the real programs.
pub(crate) fn run(shell: &Shell, quick: bool) -> Result<()> {
    let began = Instant::now();
    if !quick {
        preflight::check()?;
        preflight::say_what_is_left_out();
    }
    cmd!(shell, "cargo fmt --all --check").run()?;
    timed("clippy", || {
        let run = cmd!(
            shell,
            "cargo clippy --workspace --all-targets -- -D warnings"
        );
        Ok(run.run()?)
    })?;
    schema::run(true)?;
    licences_and_advisories(shell)?;
    if quick {
        cmd!(shell, "cargo test --workspace -- --skip truth_").run()?;
        println!("left out: the real programs, since this is --quick");
        return Ok(());
    }
    // Before the tests that read interpreters, which then find more of them.
    let pythons = timed("interpreters", || venv::prepare(shell))?;
    timed("workspace", || {
        // The real programs come by themselves below, one after another.
        Ok(cmd!(shell, "cargo test --workspace --exclude loopscope-cli").run()?)
    })?;
    let own = ["--bins", "--test=pulse", "--test=commands", "--test=health"];
    timed("command line", || {
        of_the_command_line(shell, &own, &[], &[])
    })?;
    if let Some(newest) = pythons.iter().rfind(|one| venv::is_program(one)) {
        timed("types", || typing::check(shell, newest))?;
    }
    real_programs(shell, &pythons)?;
    println!("all of it passed in {:.0?}", began.elapsed());
    Ok(())
}

/// Says how long a part took: a run of everything is the sum of them.
fn timed<T>(name: &str, part: impl FnOnce() -> Result<T>) -> Result<T> {
    let began = Instant::now();
    let done = part().with_context(|| format!("in the part `{name}` of the tests"))?;
    println!("{name}: {:.0?}", began.elapsed());
    Ok(done)
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
    let (ends, between) = match pythons {
        [oldest, between @ .., newest] => (vec![oldest.clone(), newest.clone()], between),
        few => (few.to_vec(), [].as_slice()),
    };
    let part = |test: &str, pythons: &[PathBuf], options: &[&str]| {
        let name = format!("{test} on {} interpreters", pythons.len());
        timed(&name, || {
            of_the_command_line(shell, &[&format!("--test={test}")], options, pythons)
        })
    };
    let alone = "--test-threads=1";
    part("agent", &ends, &[])?;
    part("dump", pythons, &[])?;
    for test in ["library", "databases", "clients", "factory", "truth"] {
        part(test, &ends, &[alone])?;
    }
    if between.is_empty() {
        return Ok(());
    }
    part("agent", between, INSIDE)?;
    part("truth", between, &[alone, "truth_stalls"])
}

/// Some tests of the program itself, on some interpreters.
fn of_the_command_line(
    shell: &Shell,
    tests: &[&str],
    options: &[&str],
    pythons: &[PathBuf],
) -> Result<()> {
    let texts: Vec<_> = pythons
        .iter()
        .map(|python| python.display().to_string())
        .collect();
    cmd!(
        shell,
        "cargo test -p loopscope-cli {tests...} -- {options...}"
    )
    .env("LOOPSCOPE_TEST_PYTHONS", texts.join(":"))
    .run()?;
    Ok(())
}
