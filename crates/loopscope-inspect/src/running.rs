//! A program on a real interpreter, for tests that look into it from within the crate.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::pythons::Python;

/// A program that has said that it is ready; ends with this.
pub(crate) struct Running(Child);

impl Running {
    /// Starts one of `tests/programs`.
    pub(crate) fn start(python: &Python, program: &str, arguments: &[&str]) -> Self {
        let script = format!("{}/tests/programs/{program}", env!("CARGO_MANIFEST_DIR"));
        let mut child = Command::new(&python.path)
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the interpreter starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert!(line.starts_with("ready"), "{line}");
        Self(child)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
