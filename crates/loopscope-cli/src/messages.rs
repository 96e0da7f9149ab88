//! What the program says of itself: to stderr, each line marked as ours, so that a target's own output
//! stays its own.
//!
//! Nobody may ever read what goes to stderr: a terminal is held with Ctrl-S, a pipe is full. While a target
//! runs, a thread of its own does the writing, so that this holds up neither the watching nor the signals nor
//! the end.

use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

/// Lines that wait to be written before further ones are left out and counted.
const MOST_WAITING: usize = 1_000;

/// How long the end of a run waits for its last lines to be written.
const PATIENCE: Duration = Duration::from_secs(5);

static QUEUE: OnceLock<Queue> = OnceLock::new();

/// Lines on their way to the thread that writes them.
struct Queue {
    told: Sender<Told>,
    waiting: AtomicUsize,
    left_out: AtomicUsize,
}

enum Told {
    Line(String),
    /// Everything before this is written.
    Settled(Sender<()>),
}

/// From here on lines are written by a thread of their own. Where there is none to be had, as before.
pub(crate) fn write_apart() {
    let (told, lines) = channel();
    let writing = thread::Builder::new()
        .name("loopscope-lines".into())
        .spawn(move || write_all(&lines));
    if writing.is_ok() {
        // There is one for all of the program, whoever was first.
        let _ = QUEUE.set(Queue {
            told,
            waiting: AtomicUsize::new(0),
            left_out: AtomicUsize::new(0),
        });
    }
}

/// Waits until all that was said is written, or for as long as one may.
pub(crate) fn settle() {
    if let Some(queue) = QUEUE.get() {
        let (reply, settled) = channel();
        let _ = queue.told.send(Told::Settled(reply));
        let _ = settled.recv_timeout(PATIENCE);
    }
}

/// Says one line.
pub(crate) fn say(line: &str) {
    match QUEUE.get() {
        Some(queue) => queue.put(line),
        None => write(line),
    }
}

/// Says what went wrong and the next step.
pub(crate) fn complain(what: &str, hint: &str) {
    say(what);
    say(&format!("hint: {hint}"));
}

impl Queue {
    fn put(&self, line: &str) {
        if self.waiting.load(Relaxed) >= MOST_WAITING {
            self.left_out.fetch_add(1, Relaxed);
            return;
        }
        self.waiting.fetch_add(1, Relaxed);
        let _ = self.told.send(Told::Line(line.to_owned()));
    }

    fn tell_left_out(&self) {
        match self.left_out.swap(0, Relaxed) {
            0 => {}
            count => write(&format!(
                "{count} lines were left out: nobody read them in time"
            )),
        }
    }
}

fn write_all(lines: &Receiver<Told>) {
    for told in lines {
        match told {
            Told::Line(line) => {
                write(&line);
                if let Some(queue) = QUEUE.get() {
                    queue.waiting.fetch_sub(1, Relaxed);
                    queue.tell_left_out();
                }
            }
            Told::Settled(reply) => drop(reply.send(())),
        }
    }
}

fn write(line: &str) {
    // A closed stderr is no reason to end anything.
    let _ = writeln!(anstream::stderr(), "loopscope: {line}");
}
