//! Runs the program.

use std::path::Path;
use std::process::{Command, Output};

use loopscope_engine::dump::DumpReport;

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The standard output of a run that dumped what it was asked.
    #[track_caller]
    pub(crate) fn shown(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        assert_eq!(self.stderr, "", "{}", self.stdout);
        self.stdout
    }

    /// The report of a run with `--json`, which has no field that the schema does not know.
    #[track_caller]
    pub(crate) fn report(self) -> DumpReport {
        parsed(&self.shown())
    }

    /// One sentence and one hint with a command on standard error.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32, sentence: &str, hint: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        let lines: Vec<&str> = self.stderr.lines().collect();
        let [error, hinted] = lines.as_slice() else {
            panic!("{self:?}");
        };
        assert!(
            error.starts_with("error: ") && error.contains(sentence),
            "{self:?}"
        );
        assert!(
            hinted.starts_with("hint: ") && hinted.contains(hint),
            "{self:?}"
        );
        assert!(hinted.contains('`'), "{self:?}");
    }
}

/// Reads a report and checks that the schema's types lose nothing of it.
#[track_caller]
pub(crate) fn parsed(json: &str) -> DumpReport {
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    let report: DumpReport = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(serde_json::to_value(&report).unwrap(), value);
    report
}

/// `loopscope dump` in a pipe, with nothing inherited that it reads.
pub(crate) fn dump(arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.arg("dump").args(arguments);
    plain(&mut command);
    command
}

/// Takes what the program reads out of its environment.
pub(crate) fn plain(command: &mut Command) {
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(variable);
    }
    // Recordings of others are not wanted.
    command.env("LOOPSCOPE_RUNTIME_DIR", "/nonexistent");
}

/// The built program.
pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_loopscope"))
}

pub(crate) fn finish(mut command: Command) -> Ran {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    Ran {
        code: status.code(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

pub(crate) fn run(arguments: &[&str]) -> Ran {
    finish(dump(arguments))
}
