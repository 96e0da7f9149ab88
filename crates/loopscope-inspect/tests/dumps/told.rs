//! What a program of `tests/programs/truth` tells of itself.

use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, thread};

use loopscope_inspect::Frame;
use serde::Deserialize;

use crate::pythons::Python;
use crate::support::{Program, source};

/// How long a program may take to stand still after it told, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// One telling: all tasks, loops and threads.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(crate) struct Told {
    pub(crate) tasks: Vec<ToldTask>,
    pub(crate) loops: Vec<ToldLoop>,
    pub(crate) threads: Vec<ToldThread>,
    /// Circles of tasks that wait for each other.
    pub(crate) deadlocks: Vec<Vec<u64>>,
    /// The thread that has the interpreter's lock. While it has, the program cannot tell.
    #[serde(skip)]
    pub(crate) gil_holder: Option<u32>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(crate) struct ToldTask {
    pub(crate) address: u64,
    pub(crate) name: String,
    /// With its module.
    pub(crate) type_name: String,
    pub(crate) event_loop: u64,
    /// Whether asyncio lists it. Those it does not list have ended or are kept by the program alone.
    pub(crate) is_listed: bool,
    /// Whether the program says what it waits for.
    pub(crate) is_declared: bool,
    pub(crate) state: ToldState,
    /// `None` where it is a matter of words.
    pub(crate) is_cancelling: Option<bool>,
    pub(crate) chain: Vec<ToldFrame>,
    pub(crate) waits_for: Option<ToldWait>,
    pub(crate) primitive: Option<ToldPrimitive>,
    /// Whether it waits for a task of a loop that was closed.
    pub(crate) waits_on_closed_loop: bool,
    /// When timers end its wait, on the clock of the loop.
    pub(crate) deadlines: Vec<f64>,
    /// The tasks that wait for it; `None` where that is a matter of opinion.
    pub(crate) awaited_by: Option<Vec<u64>>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum ToldState {
    Pending,
    Running,
    Done,
    Cancelled,
    Failed {
        #[serde(rename = "type")]
        exception: String,
        message: Option<String>,
    },
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum ToldWait {
    FirstStep,
    NextStep,
    Tasks { tasks: Vec<u64> },
    Future { address: u64, type_name: String },
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(crate) struct ToldPrimitive {
    pub(crate) kind: String,
    /// `None` where the program does not know the object.
    pub(crate) address: Option<u64>,
    /// `None` where the program does not say it.
    pub(crate) detail: Option<String>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct ToldFrame {
    file: String,
    line: u32,
    function: String,
    is_coroutine: bool,
}

impl ToldFrame {
    /// The same as the reader has it.
    pub(crate) fn frame(&self) -> Frame {
        Frame {
            file: self.file.as_str().into(),
            line: self.line,
            function: self.function.as_str().into(),
            is_coroutine: self.is_coroutine,
        }
    }
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(crate) struct ToldLoop {
    pub(crate) address: u64,
    pub(crate) type_name: String,
    pub(crate) tid: Option<u32>,
    pub(crate) state: ToldLoopState,
    /// The task that it steps.
    pub(crate) task: Option<u64>,
    /// These three are not to be seen from inside where the loop is compiled.
    pub(crate) ready: Option<u64>,
    pub(crate) timers: Option<u64>,
    pub(crate) next_timer: Option<f64>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ToldLoopState {
    Idle,
    Running,
    NotRunning,
    Closed,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(crate) struct ToldThread {
    pub(crate) tid: u32,
    pub(crate) name: String,
    pub(crate) running_loop: Option<u64>,
    /// `None` for the thread that tells, which is at another place later.
    pub(crate) frames: Option<Vec<ToldFrame>>,
}

/// Starts a program of `tests/programs/truth` and waits until it is ready. `options` are the
/// interpreter's.
pub(crate) fn start(python: &Python, options: &[&str], name: &str, arguments: &[&str]) -> Program {
    let name = format!("truth/{name}");
    let mut command = Command::new(&python.path);
    command
        .args(options)
        .arg(source(&name))
        .args(arguments)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    println!("options {options:?}, arguments {arguments:?}");
    Program::spawn(python, &name, &mut command)
}

/// Lets a program tell, and waits until the thread that tells stands still again: until then it has the
/// interpreter's lock.
pub(crate) fn tell(program: &mut Program) -> Told {
    let text = program.go_on();
    wait_until_it_reads(program.pid());
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in what it told: {text}"))
}

/// Waits until the main thread is in a `read`, as one that waits for a line is.
pub(crate) fn wait_until_it_reads(pid: u32) {
    let began = Instant::now();
    loop {
        let text = fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap();
        let number = text.split_ascii_whitespace().next();
        if number.is_some_and(|number| number.parse() == Ok(libc::SYS_read)) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "no read, but {text}");
        thread::yield_now();
    }
}
