//! A program at rest, and what it says of itself.

use loopscope_inspect::{Dump, DumpMode, DumpedTask, TaskIndex};
use serde::Deserialize;

use crate::pythons::Python;
use crate::support::Program;

/// What a program says of itself.
#[derive(Debug, Deserialize)]
pub(crate) struct Truth {
    pub(crate) tasks: Vec<TrueTask>,
    pub(crate) threads: Vec<TrueThread>,
    pub(crate) loops: Vec<TrueLoop>,
}

/// A frame: file, function, line.
pub(crate) type TrueFrame = (String, String, u32);

#[derive(Debug, Deserialize)]
pub(crate) struct TrueTask {
    pub(crate) address: u64,
    pub(crate) name: String,
    pub(crate) type_name: String,
    #[serde(rename = "loop")]
    pub(crate) event_loop: u64,
    pub(crate) state: Vec<Option<String>>,
    pub(crate) running: bool,
    pub(crate) cancelling: bool,
    pub(crate) chain: Vec<TrueFrame>,
    pub(crate) expected: Option<Expected>,
}

/// What the program's author expects a dump to find of a task.
#[derive(Debug, Deserialize)]
pub(crate) struct Expected {
    /// `future`, the name of a task, or names of tasks.
    pub(crate) waits: Option<Waits>,
    pub(crate) primitive: Option<String>,
    pub(crate) detail: Option<String>,
    pub(crate) due: Option<bool>,
    /// Names of tasks.
    pub(crate) parents: Option<Vec<String>>,
    pub(crate) orphan: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(untagged)]
pub(crate) enum Waits {
    One(String),
    Several(Vec<String>),
}

#[derive(Debug, Deserialize)]
pub(crate) struct TrueThread {
    pub(crate) tid: u32,
    pub(crate) name: String,
    pub(crate) frames: Vec<TrueFrame>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct TrueLoop {
    pub(crate) address: u64,
    pub(crate) type_name: String,
    pub(crate) running: bool,
    pub(crate) closed: bool,
    pub(crate) ready: Option<u64>,
    pub(crate) timers: Option<u64>,
    pub(crate) next_timer: Option<f64>,
}

/// A program at rest that answers.
pub(crate) struct Target {
    pub(crate) program: Program,
    pub(crate) truth: Truth,
}

impl Target {
    pub(crate) fn start(python: &Python, name: &str, arguments: &[&str]) -> Self {
        let mut program = Program::start(python, name, arguments);
        let answer = program.go_on();
        let truth = serde_json::from_str(&answer).expect("the program answers");
        Self { program, truth }
    }

    /// Dumps the program in one of the modes.
    pub(crate) fn dump(&self, mode: DumpMode) -> Dump {
        self.program.attach().dump(mode).expect("a dump")
    }
}

/// The task of this name.
pub(crate) fn task_named<'dump>(dump: &'dump Dump, name: &str) -> (TaskIndex, &'dump DumpedTask) {
    let mut tasks = dump.tasks.iter().enumerate();
    let found = tasks.find(|(_, task)| task.name.as_deref() == Some(name));
    let (index, task) = found.unwrap_or_else(|| panic!("no task {name}"));
    (TaskIndex(index), task)
}
