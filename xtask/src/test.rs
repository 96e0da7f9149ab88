//! `cargo xtask test`: everything that must hold before a change goes in, cheapest first.

use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use xshell::{Cmd, Shell, cmd};

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
    if quick {
        without_programs(shell)?;
        cmd!(shell, "cargo test --workspace -- --skip truth_").run()?;
        println!("left out: the real programs, since this is --quick");
        return Ok(());
    }
    // Fetching interpreters mostly waits for the network. They come before the tests that read interpreters, which
    // then find more of them.
    let pythons = thread::scope(|scope| {
        let own = shell.clone();
        let prepared = scope.spawn(move || timed("interpreters", || venv::prepare(&own)));
        without_programs(shell)?;
        let prepared = prepared.join();
        prepared.unwrap_or_else(|_| bail!("the preparation of interpreters panicked"))
    })?;
    timed("build", || {
        Ok(cmd!(shell, "cargo test --workspace --no-run").run()?)
    })?;
    // The real programs come by themselves below, one after another.
    thread::scope(|scope| {
        let own = shell.clone();
        let beside = scope.spawn(|| beside_the_workspace(own, &pythons));
        timed("workspace", || {
            let tests = tests_outside_of(shell, &OF_REAL_PROGRAMS)?;
            Ok(of_the_workspace(shell, &["--lib", "--bins"], &tests).run()?)
        })?;
        let beside = beside.join();
        beside.unwrap_or_else(|_| bail!("what is tested beside the workspace panicked"))
    })?;
    real_programs(shell, &pythons)?;
    println!("all of it passed in {:.0?}", began.elapsed());
    Ok(())
}

/// Short tests, most of which wait. What they say is shown when they are over.
fn beside_the_workspace(shell: Shell, pythons: &[PathBuf]) -> Result<()> {
    aside("documentation", cmd!(shell, "cargo test --workspace --doc"))?;
    let own = ["pulse", "commands", "health"].map(str::to_owned);
    aside("command line", of_the_workspace(&shell, &[], &own))?;
    aside(
        "what tokio tells with tokio_unstable",
        of_unstable_tokio(&shell),
    )?;
    match pythons.iter().rfind(|one| venv::is_program(one)) {
        Some(newest) => timed("types", || typing::check(&shell, newest)),
        None => Ok(()),
    }
}

/// The figures that the crate reads in a program that is built so. Another build of tokio, so with as little as may be.
fn of_unstable_tokio(shell: &Shell) -> Cmd<'_> {
    cmd!(
        shell,
        "cargo test -p loopscope --no-default-features --test blocking --target-dir target/tokio-unstable"
    )
    .env("RUSTFLAGS", "--cfg tokio_unstable")
}

/// What needs no program to run.
fn without_programs(shell: &Shell) -> Result<()> {
    timed("clippy", || {
        let run = cmd!(
            shell,
            "cargo clippy --workspace --all-targets -- -D warnings"
        );
        Ok(run.run()?)
    })?;
    schema::run(true)?;
    licences_and_advisories(shell)
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

/// Every scenario runs on the newest interpreter, and many on the oldest as well. What differs between interpreters is
/// their structures: the scenarios whose answer is read out of these run on others too, and healthy programs are healthy
/// on both ends.
///
/// Most of them wait for something most of the time, so two rows of them run side by side, one for each
/// core of a small machine. What measures how long a loop was kept, or takes the processor away from it, runs alone, at
/// the end.
fn real_programs(shell: &Shell, pythons: &[PathBuf]) -> Result<()> {
    let (ends, between) = match pythons {
        [oldest, between @ .., newest] => (vec![oldest.clone(), newest.clone()], between),
        few => (few.to_vec(), [].as_slice()),
    };
    let inside = [&[ALONE], INSIDE].concat();
    let newest = &ends[ends.len().saturating_sub(1)..];
    let mut rows = [
        vec![
            Part::new("agent", &ends, &[ALONE]),
            Part::new("library", &ends, &[ALONE, "--skip", TIMED]),
            Part::new("factory", newest, &[ALONE]),
            Part::new("bot_service", newest, &[ALONE]),
        ],
        vec![
            Part::new("dump", pythons, &[ALONE]),
            Part::new("databases", &ends, &[ALONE]),
            // Faults last for as long as they last, and take no processor.
            Part::new("drill", &ends, &["--test-threads=2"]),
            Part::new("clients", &ends, &[ALONE]),
        ],
    ];
    if !between.is_empty() {
        rows[0].push(Part::new("agent", between, &inside));
    }
    side_by_side(shell, &rows)?;
    Part::new("library", &ends, &[ALONE, TIMED]).run(shell)?;
    Part::new("stress", newest, &[ALONE]).run(shell)?;
    Part::new("truth", newest, &[ALONE]).run(shell)?;
    let looked_up = [&[ALONE], LOOKED_UP].concat();
    if let [oldest, _newest] = &ends[..] {
        let options = [&looked_up[..], &["truth_healthy::"]].concat();
        Part::new("truth", std::slice::from_ref(oldest), &options).run(shell)?;
    }
    // Each layout is held against its interpreter by the reader's own tests as well.
    let every_other: Vec<PathBuf> = between.iter().step_by(2).cloned().collect();
    if every_other.is_empty() {
        return Ok(());
    }
    Part::new("truth", &every_other, &looked_up).run(shell)
}

/// The scenarios whose answer is looked up in the interpreter itself: the line, the await chain, and who waits.
const LOOKED_UP: &[&str] = &["each_blocking_call_is_found", "two_tasks_deep"];

/// The tests of the library that ask for an answer while a program blocks for a second.
const TIMED: &str = "endpoint::";

/// One test at a time.
const ALONE: &str = "--test-threads=1";

/// Some tests of real programs on some interpreters.
struct Part<'a> {
    test: &'static str,
    pythons: &'a [PathBuf],
    options: Vec<&'a str>,
}

impl<'a> Part<'a> {
    fn new(test: &'static str, pythons: &'a [PathBuf], options: &[&'a str]) -> Self {
        Self {
            test,
            pythons,
            options: options.to_vec(),
        }
    }

    fn name(&self) -> String {
        format!("{} on {} interpreters", self.test, self.pythons.len())
    }

    fn run(&self, shell: &Shell) -> Result<()> {
        timed(&self.name(), || Ok(self.command(shell).run()?))
    }

    fn run_aside(&self, shell: &Shell) -> Result<()> {
        aside(&self.name(), self.command(shell))
    }

    fn command<'s>(&self, shell: &'s Shell) -> Cmd<'s> {
        let texts = self
            .pythons
            .iter()
            .map(|python| python.display().to_string());
        let pythons = texts.collect::<Vec<_>>().join(":");
        of_the_workspace(shell, &[], &[self.test.to_owned()])
            .arg("--")
            .args(&self.options)
            .env("LOOPSCOPE_TEST_PYTHONS", pythons)
    }
}

/// Runs tests whose words are shown when they are over, so that they do not mix with what others say.
fn aside(name: &str, command: Cmd<'_>) -> Result<()> {
    timed(name, || {
        let output = command.quiet().ignore_status().output()?;
        let said = [output.stdout, output.stderr].concat();
        print!("{}", String::from_utf8_lossy(&said));
        let status = output.status;
        ensure!(status.success(), "some of them failed: {status}");
        Ok(())
    })
}

fn side_by_side(shell: &Shell, rows: &[Vec<Part<'_>>]) -> Result<()> {
    thread::scope(|scope| {
        let started = rows.iter().map(|row| {
            let shell = shell.clone();
            scope.spawn(move || row.iter().try_for_each(|part| part.run_aside(&shell)))
        });
        let started: Vec<_> = started.collect();
        let ended = started.into_iter().map(|row| row.join());
        // All of them, so that each says what it has to say.
        let ended: Vec<_> = ended.collect();
        ended
            .into_iter()
            .try_for_each(|row| row.unwrap_or_else(|_| bail!("a row of tests panicked")))
    })
}

/// Some tests by the names of their files. Whatever is run, it is the whole workspace that is built: the features of
/// what it depends on would be others for a package alone, and all of it built again.
fn of_the_workspace<'s>(shell: &'s Shell, kinds: &[&str], tests: &[String]) -> Cmd<'s> {
    let tests = tests.iter().map(|test| format!("--test={test}"));
    cmd!(shell, "cargo test --workspace {kinds...}").args(tests)
}

/// The packages whose tests run real programs.
const OF_REAL_PROGRAMS: [&str; 2] = ["loopscope-cli", "bot-service"];

/// The names of all files of tests but those of these packages. Errors where one of them is a name of theirs as well.
fn tests_outside_of(shell: &Shell, left_out: &[&str]) -> Result<Vec<String>> {
    let said = cmd!(shell, "cargo metadata --no-deps --format-version 1")
        .quiet()
        .read()?;
    let metadata: Value = serde_json::from_str(&said)?;
    let packages = metadata["packages"].as_array().context("packages")?;
    let is_left_out = |package: &&Value| left_out.iter().any(|name| package["name"] == *name);
    let (left, others): (Vec<_>, Vec<_>) = packages.iter().partition(is_left_out);
    let names = |packages: &[&Value]| -> Vec<String> {
        let targets = packages.iter().filter_map(|one| one["targets"].as_array());
        let tests = targets
            .flatten()
            .filter(|target| target["kind"][0] == "test");
        let names = tests.filter_map(|test| test["name"].as_str());
        names.map(str::to_owned).collect()
    };
    let own = names(&left);
    let others = names(&others);
    let shared = others.iter().find(|name| own.contains(name));
    if let Some(name) = shared {
        bail!(
            "`{name}` names tests of {left_out:?} and of another package: give one of them another name"
        );
    }
    Ok(others)
}
