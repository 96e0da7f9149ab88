//! Runs a program of `tests/programs` under an interpreter and looks at it.
//!
//! A program prints `ready` right before it stalls; lines that matter carry `# mark: name`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use loopscope_inspect::{Frame, Inspector, ThreadSample};

use crate::pythons::Python;

/// How long a program may take to reach the place where it stalls, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Program {
    pub(crate) child: Child,
    pub(crate) python: Python,
    source: PathBuf,
    output: BufReader<ChildStdout>,
    /// What the program printed behind `ready`.
    pub(crate) facts: Vec<String>,
}

/// The source of a program.
pub(crate) fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/programs")
        .join(name)
}

impl Program {
    /// Starts a program and waits until it is ready.
    pub(crate) fn start(python: &Python, name: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(&python.path);
        command.arg(source(name)).args(arguments);
        Self::spawn(python, name, &mut command)
    }

    /// Starts a program by a command of the caller's making and waits until it is ready.
    pub(crate) fn spawn(python: &Python, name: &str, command: &mut Command) -> Self {
        println!("{name} on Python {:?}", python.version);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the interpreter starts");
        let output = BufReader::new(child.stdout.take().unwrap());
        let python = python.clone();
        let mut program = Self {
            child,
            python,
            source: source(name),
            output,
            facts: Vec::new(),
        };
        let line = program.read_line();
        let facts = line
            .strip_prefix("ready")
            .expect("the program says that it is ready");
        program.facts = facts.split_ascii_whitespace().map(str::to_owned).collect();
        program
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A number that the program printed behind `ready`.
    pub(crate) fn number(&self, index: usize) -> u32 {
        self.facts[index].parse().unwrap()
    }

    /// Tells the program to go on, and waits for what it says then.
    pub(crate) fn go_on(&mut self) -> String {
        self.ask("")
    }

    /// Gives the program a line, and waits for what it says then.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        let input = self.child.stdin.as_mut().unwrap();
        writeln!(input, "{line}").unwrap();
        self.read_line()
    }

    fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The line that carries a mark.
    pub(crate) fn line(&self, mark: &str) -> u32 {
        let text = std::fs::read_to_string(&self.source).unwrap();
        let end = format!("# mark: {mark}");
        let index = text.lines().position(|line| line.ends_with(&end));
        index.unwrap_or_else(|| panic!("no mark {mark}")) as u32 + 1
    }

    /// A frame of the program's own source, at the line that carries the mark of the function's name.
    /// `function` is the qualified name; interpreters before 3.11 know only its last part.
    pub(crate) fn frame(&self, function: &str, is_coroutine: bool) -> Frame {
        let bare = function.rsplit('.').next().unwrap();
        self.frame_at(function, bare.trim_matches(['<', '>']), is_coroutine)
    }

    pub(crate) fn frame_at(&self, function: &str, mark: &str, is_coroutine: bool) -> Frame {
        let bare = function.rsplit('.').next().unwrap();
        let function = if self.python.version < (3, 11, 0) {
            bare
        } else {
            function
        };
        Frame {
            file: self.source.to_str().unwrap().into(),
            line: self.line(mark),
            function: function.into(),
            is_coroutine,
        }
    }

    /// The frames of the program's own source in a sample.
    pub(crate) fn own_frames(&self, frames: &[Frame]) -> Vec<Frame> {
        let file = self.source.to_str().unwrap();
        frames
            .iter()
            .filter(|frame| &*frame.file == file)
            .cloned()
            .collect()
    }

    pub(crate) fn attach(&self) -> Inspector {
        let inspector = Inspector::attach(self.pid()).expect("a running interpreter");
        let version = inspector.python_version();
        assert_eq!(
            (version.major, version.minor, version.patch),
            self.python.version
        );
        inspector
    }

    /// Looks at the main thread until it stands at a frame, and returns that look.
    pub(crate) fn look_until(&self, inspector: &mut Inspector, at: &Frame) -> ThreadSample {
        self.look_at_until(inspector, self.pid(), |sample| {
            self.own_frames(&sample.frames).first() == Some(at)
        })
    }

    pub(crate) fn look_at_until(
        &self,
        inspector: &mut Inspector,
        tid: u32,
        mut accept: impl FnMut(&ThreadSample) -> bool,
    ) -> ThreadSample {
        let started = Instant::now();
        loop {
            let outcome = inspector.sample_thread(tid);
            match &outcome {
                Ok(sample) if !sample.torn && accept(sample) => return outcome.unwrap(),
                _ => assert!(
                    started.elapsed() < PATIENCE,
                    "never got there: {outcome:#?}"
                ),
            }
            std::thread::yield_now();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
