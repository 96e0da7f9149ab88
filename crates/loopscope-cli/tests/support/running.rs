//! A run in progress: three threads note what is printed and what `/health` answers, and anyone may wait
//! for a line or an answer.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::ExitStatus;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use loopscope_engine::report::Report;
use rustix::process::{Pid, Signal, kill_process};

use super::clock::monotonic_seconds;
use super::declared::{self, Line};
use super::http;
use super::launch::{Launch, Launched};

/// Between two questions to `/health`. Ten looks into the shortest stall that must be seen while it lasts.
const POLL_EVERY: Duration = Duration::from_millis(10);

/// One answer of `/health`.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// When it had been read to its end, monotonic.
    pub(crate) received_at: f64,
    /// The status code.
    pub(crate) code: u16,
    /// The body.
    pub(crate) report: Report,
}

/// What the kernel says of one thread at one time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waited {
    /// When, monotonic.
    pub(crate) at: f64,
    /// Which thread.
    pub(crate) thread_id: u32,
    /// Seconds that it has been ready to run without a processor.
    pub(crate) seconds: f64,
}

/// Everything noted so far.
#[derive(Default)]
pub(crate) struct Notes {
    /// The target's stdout.
    pub(crate) lines: Vec<Line>,
    /// What came on stderr.
    pub(crate) stderr: String,
    /// The answers of `/health`.
    pub(crate) answers: Vec<Answer>,
    /// How long the loops' threads had waited for a processor by then, as the kernel counts it.
    pub(crate) waits: Vec<Waited>,
    /// Questions that got none: when asked, and why.
    pub(crate) unanswered: Vec<(f64, String)>,
    /// Where `/health` is.
    pub(crate) address: Option<SocketAddr>,
    stdout_ended: bool,
    ended: bool,
}

impl Notes {
    /// How many processes have said that they are ready.
    pub(crate) fn ready_pids(&self) -> usize {
        self.lines
            .iter()
            .filter(|line| matches!(line, Line::Ready(_)))
            .count()
    }

    /// Lines that are no declaration.
    pub(crate) fn others(&self) -> impl Iterator<Item = &serde_json::Value> {
        self.lines.iter().filter_map(|line| match line {
            Line::Other(value) => Some(value),
            _ => None,
        })
    }

    /// Whether such a line has `key`.
    pub(crate) fn other_with(&self, key: &str) -> bool {
        self.others().any(|value| value.get(key).is_some())
    }
}

type Shared = Arc<(Mutex<Notes>, Condvar)>;

/// A run in progress.
pub(crate) struct Running {
    launched: Launched,
    shared: Shared,
    threads: Vec<JoinHandle<()>>,
    deadline: Instant,
}

/// A run that ended.
pub(crate) struct Ended {
    /// Everything noted.
    pub(crate) notes: Notes,
    /// How the supervisor ended.
    pub(crate) status: ExitStatus,
    /// When it was seen to have ended, monotonic.
    pub(crate) ended_at: f64,
    /// The final report, `None` where it runs bare.
    pub(crate) report: Option<Report>,
}

impl Running {
    /// Starts it. It must end within `patience`.
    pub(crate) fn start(launch: Launch, patience: Duration) -> Self {
        let mut launched = launch.start();
        drop(launched.child.stdin.take());
        let stdout = launched.child.stdout.take().expect("stdout is piped");
        let stderr = launched.child.stderr.take().expect("stderr is piped");
        let shared = Shared::default();
        let threads = vec![
            spawn(&shared, move |shared| note_lines(stdout, shared)),
            spawn(&shared, move |shared| note_stderr(stderr, shared)),
            spawn(&shared, note_answers),
        ];
        Self {
            launched,
            shared,
            threads,
            deadline: Instant::now() + patience,
        }
    }

    /// Waits until the notes say what `wanted` looks for. Fails with all notes on a time-out, or when the
    /// target's stdout ended, after which no more will come.
    pub(crate) fn until<T>(
        &self,
        what: &str,
        mut wanted: impl FnMut(&Notes) -> Option<T>,
    ) -> Result<T, String> {
        let (notes, changed) = &*self.shared;
        let mut notes = notes.lock().expect("no note taker panics");
        loop {
            if let Some(found) = wanted(&notes) {
                return Ok(found);
            }
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || notes.stdout_ended {
                return Err(format!("{what} did not come; {}", describe(&notes)));
            }
            notes = changed
                .wait_timeout(notes, left)
                .expect("no note taker panics")
                .0;
        }
    }

    /// Waits for the target's `ready` line and returns the pid that said so.
    pub(crate) fn ready(&self) -> Result<u32, String> {
        self.until("`ready`", |notes| {
            notes.lines.iter().find_map(|line| match line {
                Line::Ready(ready) => Some(ready.pid),
                _ => None,
            })
        })
    }

    /// Waits for an answer of `/health` that `wanted` accepts.
    pub(crate) fn until_answer(
        &self,
        what: &str,
        wanted: impl Fn(&Answer) -> bool,
    ) -> Result<Answer, String> {
        let mut seen = 0;
        self.until(what, |notes| {
            let fresh = &notes.answers[seen..];
            seen = notes.answers.len();
            fresh.iter().find(|answer| wanted(answer)).cloned()
        })
    }

    /// Sends a signal to the supervisor, as a service manager would.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.launched.pid(), signal).expect("the supervisor takes signals");
    }

    /// Sends a signal to a process of the run.
    pub(crate) fn signal_pid(&self, pid: u32, signal: Signal) {
        let pid = Pid::from_raw(pid as i32).expect("a pid");
        kill_process(pid, signal).expect("the process takes signals");
    }

    /// Where `/health` is served.
    pub(crate) fn address(&self) -> Result<SocketAddr, String> {
        self.until("the address of /health", |notes| notes.address)
    }

    /// Waits for the end and gathers everything.
    pub(crate) fn finish(mut self) -> Result<Ended, String> {
        let status = self.wait()?;
        let ended_at = monotonic_seconds();
        self.lock().ended = true;
        let report = read_report(&self.launched);
        // Descendants that outlived the supervisor would hold the pipes open for ever.
        drop(self.launched);
        for thread in self.threads.drain(..) {
            thread
                .join()
                .map_err(|_| "a note taker panicked".to_owned())?;
        }
        let notes = std::mem::take(&mut *self.shared.0.lock().expect("no note taker panics"));
        let report = if super::is_bare() {
            None
        } else {
            Some(report?)
        };
        Ok(Ended {
            notes,
            status,
            ended_at,
            report,
        })
    }

    fn wait(&mut self) -> Result<ExitStatus, String> {
        while Instant::now() < self.deadline {
            let ended = self.launched.child.try_wait();
            if let Some(status) = ended.map_err(|error| error.to_string())? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.lock().ended = true;
        Err(format!(
            "it did not end in time; {}",
            describe(&self.lock())
        ))
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.shared.0.lock().expect("no note taker panics")
    }
}

fn spawn(shared: &Shared, work: impl FnOnce(&Shared) + Send + 'static) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    thread::spawn(move || work(&shared))
}

fn note<T>(shared: &Shared, change: impl FnOnce(&mut Notes) -> T) -> T {
    let result = change(&mut shared.0.lock().expect("no note taker panics"));
    shared.1.notify_all();
    result
}

fn note_lines(stdout: impl Read, shared: &Shared) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        note(shared, |notes| notes.lines.push(declared::parse(&line)));
    }
    note(shared, |notes| notes.stdout_ended = true);
}

fn note_stderr(stderr: impl Read, shared: &Shared) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        note(shared, |notes| {
            notes.address = notes.address.or_else(|| listening_address(&line));
            notes.stderr.push_str(&line);
            notes.stderr.push('\n');
        });
    }
}

/// The address in the supervisor's `listening on http://…`.
fn listening_address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("listening on http://")?;
    rest.split(|c: char| c == '/' || c.is_whitespace())
        .next()?
        .parse()
        .ok()
}

/// Asks until the run is over. Before the supervisor has said where it listens there is nobody to ask.
fn note_answers(shared: &Shared) {
    loop {
        let (ended, address) = note(shared, |notes| (notes.ended, notes.address));
        if ended {
            return;
        }
        if let Some(address) = address {
            let asked_at = monotonic_seconds();
            let answer = ask(address);
            let waits = answer.as_ref().map(waits).unwrap_or_default();
            note(shared, |notes| {
                notes.waits.extend(waits);
                match answer {
                    Ok(answer) => notes.answers.push(answer),
                    Err(error) => notes.unanswered.push((asked_at, error)),
                }
            });
        }
        thread::sleep(POLL_EVERY);
    }
}

fn ask(address: SocketAddr) -> Result<Answer, String> {
    let response = http::get(address, "/health", super::PATIENCE).map_err(|e| e.to_string())?;
    let received_at = monotonic_seconds();
    let report = serde_json::from_str(&response.body)
        .map_err(|error| format!("{error} in {}\n{}", response.head, response.body))?;
    Ok(Answer {
        received_at,
        code: response.code,
        report,
    })
}

/// Reads how long each loop's thread has waited for a processor.
fn waits(answer: &Answer) -> Vec<Waited> {
    let loops = answer.report.detailed_health.event_loops.iter();
    let waited = |thread_id: u32| {
        let text = std::fs::read_to_string(format!("/proc/{thread_id}/schedstat")).ok()?;
        let nanos: f64 = text.split(' ').nth(1)?.parse().ok()?;
        Some(Waited {
            at: monotonic_seconds(),
            thread_id,
            seconds: nanos / 1e9,
        })
    };
    loops.filter_map(|one| waited(one.thread_id)).collect()
}

fn read_report(launched: &Launched) -> Result<Report, String> {
    let text = std::fs::read_to_string(&launched.report)
        .map_err(|error| format!("--report wrote nothing: {error}"))?;
    serde_json::from_str(&text).map_err(|error| format!("--report: {error}: {text}"))
}

/// The notes in a failure message.
pub(crate) fn describe(notes: &Notes) -> String {
    let incidents = notes.answers.last().map(|answer| &answer.report.incidents);
    format!(
        "{} answers, {} unanswered, incidents at last {incidents:#?}\nstdout: {:#?}\nstderr:\n{}",
        notes.answers.len(),
        notes.unanswered.len(),
        notes.lines,
        notes.stderr
    )
}
