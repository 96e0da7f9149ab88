//! Looking again and again: the whole picture first, then only what changed.
//!
//! One thread looks, one waits for signals, and this one alone writes, so that Ctrl-C ends the command
//! at once, also in the middle of a look, and never in the middle of a line.

use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use loopscope_engine::report::Status;
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::changes::changes;
use super::look::{Looker, Seen};
use super::look_error::LookError;
use super::paint;
use super::{code_of, complain, json, summary};
use crate::exit_codes;
use crate::screen::Layout;
use crate::screen::{print, stdout_layout};

type Look = Result<Seen, LookError>;

/// What can happen while the command runs.
enum Event {
    Looked(Box<Look>),
    Interrupted,
}

/// Looks every `interval` until a signal comes. Returns the exit code of the last look.
pub(crate) fn follow(looker: Looker, interval: Duration, json: bool) -> u8 {
    let (events, happened) = mpsc::channel();
    if let Err(error) = listen_for_signals(events.clone()) {
        complain(&format!(
            "warning: Ctrl-C ends without the last look's exit code: {error}\n"
        ));
    }
    thread::spawn(move || keep_looking(&looker, interval, &events));
    let mut timeline = Timeline {
        layout: stdout_layout(),
        json,
        known: None,
        reached: true,
    };
    let mut code = exit_codes::UNREACHABLE;
    for event in happened {
        let Event::Looked(look) = event else { break };
        code = code_of(&look);
        let now = jiff::ZonedDateTime::now().strftime("%H:%M:%S").to_string();
        if !print(&timeline.tell(*look, &now)) {
            break;
        }
    }
    code
}

/// A second signal, should the first not have ended the command, acts as it would without a handler.
fn listen_for_signals(events: Sender<Event>) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::Builder::new().spawn(move || {
        for (count, signal) in signals.forever().enumerate() {
            if count > 0 || events.send(Event::Interrupted).is_err() {
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        }
    })?;
    Ok(())
}

/// Keeps the pace by the clock: a slow answer does not push the next look back.
fn keep_looking(looker: &Looker, interval: Duration, events: &Sender<Event>) {
    loop {
        let next = Instant::now() + interval;
        if events.send(Event::Looked(Box::new(looker.look()))).is_err() {
            return;
        }
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// What was told so far, and so what is news.
struct Timeline {
    layout: Layout,
    json: bool,
    /// The last report.
    known: Option<Seen>,
    /// Whether the last look brought one.
    reached: bool,
}

impl Timeline {
    /// The text for one more look, made at `now`.
    fn tell(&mut self, look: Look, now: &str) -> String {
        let text = match (&look, self.json) {
            (Ok(seen), true) => json::compact(&seen.body),
            (Err(error), true) => unreachable_json(error),
            (Ok(seen), false) => self.seen(seen, now),
            (Err(error), false) => self.unreached(error, now),
        };
        self.reached = look.is_ok();
        self.known = look.ok().or(self.known.take());
        text
    }

    fn seen(&self, seen: &Seen, now: &str) -> String {
        let Some(known) = &self.known else {
            return summary::summary(seen, &self.layout) + "\n";
        };
        let mut news = changes(known, seen);
        if !self.reached {
            news.insert(0, "reachable again".to_owned());
        }
        let status = seen.status();
        if news.is_empty() {
            let quiet = format!("{now}  {}, nothing changed", paint::word(status));
            return self.layout.dim(&quiet) + "\n";
        }
        let status = self.layout.paint(paint::style(status), paint::word(status));
        let items = news
            .iter()
            .map(|item| self.layout.item("          - ", item));
        format!("{now}  {status}\n{}", items.collect::<String>())
    }

    fn unreached(&self, error: &LookError, now: &str) -> String {
        if !self.reached {
            return self
                .layout
                .dim(&format!("{now}  still unreachable: {error}"))
                + "\n";
        }
        let word = self
            .layout
            .paint(paint::style(Status::Critical), "unreachable");
        format!("{now}  {word}: {error}\n          hint: {}\n", error.hint())
    }
}

/// A gap in the stream of reports, said in the stream.
fn unreachable_json(error: &LookError) -> String {
    let line = json!({
        "status": "unreachable",
        "timestamp": jiff::Timestamp::now().to_string(),
        "error": error.to_string(),
        "hint": error.hint(),
    });
    format!("{line}\n")
}

#[cfg(test)]
mod tests;
