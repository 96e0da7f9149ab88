//! `loopscope dump`: every loop and every task of a running Python process, from outside.
//!
//! Reads the process once, joins that with what `/proc` and a recording say, and draws it for a person
//! or prints it as JSON. What stands where is the inspector's to say and what is wrong the engine's; here
//! is only the way to the screen, and the next command where a process cannot be read.

mod all;
mod draw;
mod json;
mod namespaces;
mod neutral;
mod one;
mod permission;
mod refusal;
mod surroundings;

use std::io::stdout;
use std::process::ExitCode;

use clap::ValueEnum;
use loopscope_engine::dump::DumpReport;
use loopscope_inspect::{DumpMode, grow_heap_by_large_pages};

use crate::exit_codes;
use crate::screen::{Layout, print, stdout_layout};
use all::Users;
use draw::Drawing;

/// Show every loop and every task of a running Python process, which needs no preparation.
///
/// Exit codes: 0 dumped, 64 wrong command line, 66 no such process, 69 cannot be read (with --all: not all
/// could), 77 not permitted. Whatever could be read is shown in any case.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DumpArgs {
    /// The process
    #[arg(required_unless_present = "all", value_parser = clap::value_parser!(u32).range(1..))]
    pid: Option<u32>,

    /// Every Python process of this user; for root of every user
    #[arg(long, conflicts_with = "pid")]
    all: bool,

    /// With --all: the user whose processes are meant, by name or number
    #[arg(long, value_name = "NAME|UID", requires = "all", conflicts_with = "pid", value_parser = all::parse_user)]
    user: Option<u32>,

    /// Print all of it as JSON; with --all one object a line
    #[arg(long)]
    json: bool,

    /// Show the tasks as a tree of who waits for whom
    #[arg(long, conflicts_with = "json")]
    tree: bool,

    /// How the process is kept from changing while it is read
    #[arg(long, value_enum, default_value_t = Mode::Stop)]
    mode: Mode,
}

/// How the process is kept from changing while it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Stop it for the time of the reading, some milliseconds
    Stop,
    /// Stop it only to copy it, and read the copy: a shorter pause where there are very many tasks
    Snapshot,
    /// Let it run on: no pause, and what changes meanwhile may be wrong
    Live,
}

impl From<Mode> for DumpMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Stop => Self::Stop,
            Mode::Snapshot => Self::Snapshot,
            Mode::Live => Self::Live,
        }
    }
}

/// How a dump is shown.
#[derive(Clone, Copy, Debug)]
struct Shown {
    json: bool,
    tree: bool,
}

/// Runs the command.
pub(crate) fn run(args: DumpArgs) -> ExitCode {
    grow_heap_by_large_pages();
    let shown = Shown {
        json: args.json,
        tree: args.tree,
    };
    let mode = args.mode.into();
    ExitCode::from(match args.pid {
        Some(pid) => single(pid, mode, shown),
        None => all::run(Users::meant(args.user), mode, shown),
    })
}

fn single(pid: u32, mode: DumpMode, shown: Shown) -> u8 {
    let (report, refusal) = one::read(pid, mode);
    if let Some(mut report) = report {
        if shown.json {
            // As with `print`: a reader that leaves early is no error.
            let _ = json::write_pretty(&report, stdout().lock());
        } else {
            print(&drawn(&mut report, shown));
        }
        // The process ends next: its millions of pieces need not be given back one by one.
        std::mem::forget(report);
    }
    refusal.map_or(exit_codes::HEALTHY, |refusal| {
        refusal.complain();
        refusal.code
    })
}

/// The picture of a process as text without colour, or why there is none. The process is not stopped for it: whoever
/// waits for its end would hear of the stop in the place of the one who asked for it.
pub(crate) fn text(pid: u32) -> String {
    let (report, refusal) = one::read(pid, DumpMode::Live);
    let picture = report.map(|mut report| picture(&mut report, false, Layout::default()));
    let refused = refusal.map(|refusal| refusal.message);
    picture.or(refused).unwrap_or_default()
}

/// The picture of a report.
fn drawn(report: &mut DumpReport, shown: Shown) -> String {
    picture(report, shown.tree, stdout_layout())
}

fn picture(report: &mut DumpReport, tree: bool, layout: Layout) -> String {
    neutral::neutralise(report);
    let drawing = Drawing {
        report,
        layout,
        tree,
    };
    drawing.text()
}
