//! `cargo xtask harmless`: the tests of CPython's asyncio, uvloop, anyio and aiohttp, bare and under `loopscope
//! run`. Each test must end as it ends without us.
//!
//! Tests that wait for the clock end differently now and then all by themselves. So what differs is run again,
//! both ways, and counts only where it differs each time.

mod suites;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use crate::pythons::{Interpreter, discover};
use suites::{SUITES, Setting, Suite};

/// How often what differs is run again.
const AGAIN: usize = 3;

/// More differences than this are no chance.
const MOST_AGAIN: usize = 40;

/// How each test ended, by its name.
pub(crate) type Outcomes = BTreeMap<String, String>;

/// A test that ended differently: without us, and with us.
type Difference = (String, Option<String>, Option<String>);

/// Runs the suites whose name contains `only` on the interpreters whose version begins with `version`.
pub(crate) fn run(shell: &Shell, only: &str, version: &str) -> Result<()> {
    cmd!(shell, "cargo build --release -p loopscope-cli").run()?;
    let mut differs = Vec::new();
    for interpreter in discover() {
        if !interpreter.version_text().starts_with(version) {
            continue;
        }
        for suite in SUITES.iter().filter(|suite| suite.name.contains(only)) {
            let differences = run_one(shell, &interpreter, suite)?;
            differs.extend(differences.into_iter().map(|one| (suite.name, one)));
        }
    }
    for (suite, (name, bare, watched)) in &differs {
        println!("DIFFERS: {suite} {name}: {bare:?} bare, {watched:?} watched");
    }
    if differs.is_empty() {
        return Ok(());
    }
    bail!(
        "{} tests end otherwise when they are watched",
        differs.len()
    )
}

fn run_one(shell: &Shell, interpreter: &Interpreter, suite: &Suite) -> Result<Vec<Difference>> {
    let version = interpreter.version_text();
    let Some(setting) = suites::prepare(shell, interpreter, suite)? else {
        println!("{:8} {version:8} not there", suite.name);
        return Ok(Vec::new());
    };
    let bare = outcomes(shell, suite, &setting, false, &[])?;
    let watched = outcomes(shell, suite, &setting, true, &[])?;
    let first = differences(&bare, &watched);
    let still = again(shell, suite, &setting, first.clone())?;
    println!(
        "{:8} {version:8} {} tests; {} ended otherwise once, {} each time",
        suite.name,
        bare.len(),
        first.len(),
        still.len()
    );
    Ok(still)
}

/// What still differs after having been run again.
fn again(
    shell: &Shell,
    suite: &Suite,
    setting: &Setting,
    mut differs: Vec<Difference>,
) -> Result<Vec<Difference>> {
    for _ in 0..AGAIN {
        if differs.is_empty() || differs.len() > MOST_AGAIN {
            break;
        }
        let names: Vec<_> = differs.iter().map(|(name, ..)| name.clone()).collect();
        let bare = outcomes(shell, suite, setting, false, &names)?;
        let watched = outcomes(shell, suite, setting, true, &names)?;
        differs = differences(&bare, &watched);
    }
    Ok(differs)
}

fn differences(bare: &Outcomes, watched: &Outcomes) -> Vec<Difference> {
    let names = bare
        .keys()
        .chain(watched.keys().filter(|name| !bare.contains_key(*name)));
    let both = names.map(|name| {
        (
            name.clone(),
            bare.get(name).cloned(),
            watched.get(name).cloned(),
        )
    });
    both.filter(|(_, bare, watched)| bare != watched).collect()
}

/// Runs the suite, or these of its tests, and reads how they ended.
fn outcomes(
    shell: &Shell,
    suite: &Suite,
    setting: &Setting,
    is_watched: bool,
    names: &[String],
) -> Result<Outcomes> {
    let how = if is_watched { "watched" } else { "bare" };
    let file = setting.folder.join(format!("{}-{how}.json", suite.name));
    let _ = fs::remove_file(&file);
    let loopscope = crate::target()
        .join("release/loopscope")
        .display()
        .to_string();
    let supervisor: Vec<String> = match is_watched {
        true => [&loopscope, "run", "--listen", "off", "--"]
            .map(str::to_owned)
            .to_vec(),
        false => Vec::new(),
    };
    let words = suite.words(setting, &file, names);
    let command = words.join(" ");
    let _there = shell.push_dir(&setting.sources);
    // Its words go nowhere, and it fails where a test does: only the outcomes count.
    cmd!(shell, "env {supervisor...} {words...}")
        .env("OUTCOMES", &file)
        .env("PYTHONPATH", runners())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .quiet()
        .ignore_status()
        .ignore_stderr()
        .ignore_stdout()
        .run()?;
    let outcomes = read(&file).with_context(|| format!("{} {how} left no outcomes", suite.name))?;
    if outcomes.is_empty() {
        let place = setting.sources.display();
        bail!(
            "{} {how} ran no test\nhint: in {place}, run: {command}",
            suite.name
        );
    }
    Ok(outcomes)
}

fn read(file: &Path) -> Result<Outcomes> {
    Ok(serde_json::from_str(&fs::read_to_string(file)?)?)
}

/// The folder of what runs the tests.
fn runners() -> PathBuf {
    crate::root().join("crates/loopscope-cli/tests/harmless")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_is_there_only_once_differs_too() {
        let of = |pairs: &[(&str, &str)]| -> Outcomes {
            let owned = pairs
                .iter()
                .map(|(name, end)| ((*name).into(), (*end).into()));
            owned.collect()
        };
        let bare = of(&[("a", "ok"), ("b", "ok"), ("c", "failed")]);
        let watched = of(&[("a", "ok"), ("c", "ok"), ("d", "ok")]);
        let names: Vec<_> = differences(&bare, &watched)
            .into_iter()
            .map(|(name, ..)| name)
            .collect();
        assert_eq!(names, ["b", "c", "d"]);
    }
}
