//! Runs the program.

use std::path::Path;
use std::process::{Command, Stdio};

use loopscope_load::results::{Results, Verdict, read};
use tempfile::TempDir;

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// `loopscope stress` with a home of its own, a load that is over soon, and these words.
pub(crate) fn stress(home: &Path, words: &[&str]) -> Command {
    // Whatever signals the tests themselves were started to ignore.
    let mut command = Command::new("env");
    command
        .arg("--default-signal=INT,TERM")
        .arg(env!("CARGO_BIN_EXE_loopscope"))
        .arg("stress")
        .args(words)
        .env("XDG_DATA_HOME", home)
        .env("NO_COLOR", "1")
        .env_remove("LOOPSCOPE_TOKEN")
        .stdin(Stdio::null());
    command
}

/// A short run: one round of 300 ms a part.
pub(crate) const SHORT: [&str; 8] = [
    "--rounds",
    "1",
    "--duration",
    "300ms",
    "--concurrency",
    "2",
    "--settle",
    "100ms",
];

pub(crate) fn finish(mut command: Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs it shortly.
pub(crate) fn run(words: &[&str]) -> Ran {
    let home = TempDir::new().unwrap();
    finish(stress(home.path(), &[words, &SHORT].concat()))
}

/// Runs it shortly, and reads its results.
pub(crate) fn measure(words: &[&str]) -> (Ran, Results) {
    measure_with(&[words, &SHORT].concat())
}

/// Runs it with these words alone, and reads its results.
pub(crate) fn measure_with(words: &[&str]) -> (Ran, Results) {
    let home = TempDir::new().unwrap();
    let file = home.path().join("results.json");
    let output = ["--output", file.to_str().unwrap()];
    let ran = finish(stress(home.path(), &[words, &output].concat()));
    let results = results(&file, &ran);
    (ran, results)
}

/// The results that a run has written.
pub(crate) fn results(file: &Path, ran: &Ran) -> Results {
    let text = std::fs::read(file).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    read(&text).unwrap()
}

/// The verdict of each test, in their order.
pub(crate) fn verdicts(results: &Results) -> Vec<Verdict> {
    results.tests.iter().map(|test| test.verdict).collect()
}
