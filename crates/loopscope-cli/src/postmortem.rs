//! `loopscope postmortem`: what the loops of a process did last, also when it was killed.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use jiff::Timestamp;
use loopscope_recorder::clock::monotonic_nanos;
use loopscope_recorder::reader::{
    Counters, Description, LoopState, ReadError, RecordingReader, StallEvent,
};

use crate::exit_codes::{HEALTHY, UNAVAILABLE};
use crate::messages::complain;
use crate::recordings::{find_all, name};

/// Stalls shown for each loop.
const MOST_STALLS: usize = 10;

/// Print what the loops of a process did last, from its flight recording.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct PostmortemArgs {
    /// A recording, or the id of the process that wrote it
    #[arg(value_name = "FILE|PID")]
    target: String,
}

pub(crate) fn run(args: PostmortemArgs) -> ExitCode {
    match read(&args.target) {
        Ok(text) => {
            let _ = anstream::stdout().write_all(text.as_bytes());
            ExitCode::from(HEALTHY)
        }
        Err((what, hint)) => {
            complain(&what, hint);
            ExitCode::from(UNAVAILABLE)
        }
    }
}

fn read(target: &str) -> Result<String, (String, &'static str)> {
    let mut reader = open(target)?;
    let told = |error: ReadError| (error.to_string(), error.hint());
    let (counters, loops) = reader.read_loops().map_err(told)?;
    let stalls = reader.read_stalls().map_err(told)?;
    Ok(text(
        reader.description(),
        &counters,
        &loops,
        &stalls.events,
    ))
}

fn open(target: &str) -> Result<RecordingReader, (String, &'static str)> {
    let told = |error: ReadError| (error.to_string(), error.hint());
    let Ok(pid) = target.parse::<u32>() else {
        return RecordingReader::open(Path::new(target)).map_err(told);
    };
    let of_pid = |reader: &RecordingReader| reader.description().process.pid == pid;
    let found = find_all()
        .into_iter()
        .filter_map(|found| found.reader.ok())
        .filter(of_pid);
    // The newest, where a pid was used more than once.
    found
        .max_by_key(|reader| reader.description().created_unix_nanos)
        .ok_or_else(|| {
            let what = format!("no recording of such a process: {pid}");
            (what, "run `loopscope recordings` to see those there are")
        })
}

fn text(
    description: &Description,
    counters: &Counters,
    loops: &[LoopState],
    stalls: &[StallEvent],
) -> String {
    let end = End::of(description, counters, loops);
    let mut text = String::new();
    let pid = description.process.pid;
    let _ = writeln!(
        text,
        "{} (pid {pid}), {}",
        name(description),
        end.sentence(description)
    );
    let _ = writeln!(text, "program  {}", description.executable);
    let _ = writeln!(
        text,
        "started  {}",
        end.time(description, description.created_nanos)
    );
    let _ = writeln!(text, "last seen {}", end.time(description, end.nanos));
    for state in loops {
        describe_loop(&mut text, description, &end, state, stalls);
    }
    if loops.is_empty() {
        text.push_str("\nno loop was recorded\n");
    }
    for (count, what) in [
        (counters.loops_dropped, "loops"),
        (counters.events_dropped, "stalls"),
    ] {
        if count > 0 {
            let _ = writeln!(text, "\n{count} {what} found no room in the recording");
        }
    }
    text
}

fn describe_loop(
    text: &mut String,
    description: &Description,
    end: &End,
    state: &LoopState,
    stalls: &[StallEvent],
) {
    let ended = if state.is_live { "" } else { ", ended" };
    let thread = if state.thread_id == description.process.pid {
        "main"
    } else {
        &state.thread_name
    };
    let _ = writeln!(text, "\nloop {thread} (thread {}){ended}", state.thread_id);
    let doing = doing(description, end, state);
    let _ = writeln!(text, "  at the end  {doing}");
    let all = state.busy_nanos + state.idle_nanos;
    let share = if all == 0 {
        String::new()
    } else {
        format!(
            ", {:.0} % busy",
            state.busy_nanos as f64 * 100.0 / all as f64
        )
    };
    let _ = writeln!(text, "  turns       {}{share}", state.iterations);
    let _ = writeln!(
        text,
        "  stalls      {}, {} s in all, longest busy period {} s",
        state.stalls,
        seconds(state.stall_nanos),
        seconds(state.longest_busy_nanos),
    );
    let own =
        |event: &&StallEvent| (event.slot, event.generation) == (state.slot, state.generation);
    for event in stalls.iter().rev().filter(own).take(MOST_STALLS) {
        let length = seconds(event.ended_nanos.saturating_sub(event.started_nanos));
        let _ = writeln!(
            text,
            "    {}  {length} s",
            end.time(description, event.started_nanos)
        );
    }
}

/// What the loop was doing when it was last heard of. When a process was killed nobody wrote down: a
/// dead loop's state is told by its beginning, not by its length.
fn doing(description: &Description, end: &End, state: &LoopState) -> String {
    let since = |nanos| {
        let time = end.time(description, nanos);
        if end.live {
            format!(
                "for {} s, since {time}",
                seconds(end.nanos.saturating_sub(nanos))
            )
        } else {
            format!("since {time}")
        }
    };
    match state.busy_since_nanos {
        Some(nanos) if end.live => format!("busy {}", since(nanos)),
        Some(nanos) => format!("busy {}, and never came back to its poll", since(nanos)),
        None if state.is_live => format!("idle {}", since(state.last_beat_nanos)),
        None => "ended in order".to_owned(),
    }
}

/// The last instant that is known of a process, on its monotonic clock.
struct End {
    nanos: u64,
    live: bool,
    status: Option<i32>,
    orderly: bool,
}

impl End {
    fn of(description: &Description, counters: &Counters, loops: &[LoopState]) -> Self {
        let live = description.is_live() && counters.ended_nanos.is_none();
        let beats = loops.iter().map(|state| state.last_beat_nanos).max();
        let known = counters
            .ended_nanos
            .or(beats)
            .unwrap_or(description.created_nanos);
        Self {
            nanos: if live { monotonic_nanos() } else { known },
            live,
            status: counters.exit_status,
            orderly: counters.ended_nanos.is_some(),
        }
    }

    fn sentence(&self, description: &Description) -> String {
        match (self.live, self.status, self.orderly) {
            (true, ..) => "still alive".to_owned(),
            (_, Some(status), _) => format!("ended with exit status {status}"),
            (_, None, true) => "ended in order".to_owned(),
            _ if !description.this_boot => "its host was restarted".to_owned(),
            _ => "was killed: it ended without a word".to_owned(),
        }
    }

    fn time(&self, description: &Description, nanos: u64) -> String {
        let since_creation = i128::from(nanos) - i128::from(description.created_nanos);
        let unix = i128::from(description.created_unix_nanos) + since_creation;
        Timestamp::from_millisecond((unix / 1_000_000) as i64).map_or_else(
            |_| "at an unknown time".to_owned(),
            |time| format!("{time:.3}"),
        )
    }
}

fn seconds(nanos: u64) -> String {
    format!("{:.3}", nanos as f64 / 1e9)
}
