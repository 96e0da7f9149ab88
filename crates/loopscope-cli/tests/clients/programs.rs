//! The programs of these tests, and the interpreters that can run them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use loopscope_recorder::reader::CallState;

use crate::harness::{Program, Recorded, pythons};

/// A file of `clients/programs`, with its arguments.
pub(crate) fn program(python: &Path, name: &str, arguments: &[&str]) -> Program {
    Program::new(python, &format!("../../clients/programs/{name}"), arguments)
}

/// Where a program lies.
pub(crate) fn path(name: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    tests.join("clients/programs").join(name)
}

/// Every interpreter that has the libraries. None, and said, where there is none.
pub(crate) fn equipped_pythons() -> Vec<PathBuf> {
    let import = "import agno, aiohttp, httpx, openai, requests, respx";
    let has_libraries = |python: &PathBuf| {
        let has_them = Command::new(python)
            .args(["-c", import])
            .output()
            .is_ok_and(|output| output.status.success());
        if !has_them {
            let _ = writeln!(
                std::io::stderr(),
                "skipped: {} lacks the libraries",
                python.display()
            );
        }
        has_them
    };
    pythons().into_iter().filter(has_libraries).collect()
}

/// Started, failed, cancelled: the sums of all calls of a group whose name begins so. All of them have ended.
pub(crate) fn counts(recorded: &Recorded, group: &str, name: &str) -> [u64; 3] {
    let of_name = |one: &&CallState| one.call.group == group && one.call.name.starts_with(name);
    let calls = recorded.tables.calls.iter().filter(of_name);
    calls.fold([0; 3], |sum, call| {
        assert_eq!(call.started, call.finished, "{call:?}");
        let counts = [call.started, call.failed, call.cancelled];
        [0, 1, 2].map(|index| sum[index] + counts[index])
    })
}
