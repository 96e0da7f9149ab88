//! Ctrl-C: the first ends what is under way and keeps what there is by then, the second ends the program.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use loopscope_load::Stopper;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::messages::say;

/// Whether the run is to end before its time.
#[derive(Clone, Default)]
pub(crate) struct Interrupt(Arc<State>);

#[derive(Default)]
struct State {
    /// The signal that came, 0 where none did.
    signal: AtomicU8,
    /// What ends the load under way.
    load: Mutex<Option<Stopper>>,
    changed: Condvar,
}

impl Interrupt {
    /// Listens from here on.
    pub(crate) fn listen() -> Self {
        let interrupt = Self::default();
        let theirs = interrupt.clone();
        let listening = Signals::new([SIGINT, SIGTERM]).and_then(|signals| {
            thread::Builder::new()
                .name("loopscope-signals".into())
                .spawn(move || theirs.take(signals))
        });
        if let Err(error) = listening {
            say(&format!("warning: Ctrl-C ends without results: {error}"));
        }
        interrupt
    }

    fn take(&self, mut signals: Signals) {
        for (count, signal) in signals.forever().enumerate() {
            if count > 0 {
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
            self.0.signal.store(signal as u8, Ordering::Relaxed);
            if let Some(load) = &*self.lock() {
                load.stop();
            }
            self.0.changed.notify_all();
        }
    }

    /// The signal that came.
    pub(crate) fn signal(&self) -> Option<u8> {
        Some(self.0.signal.load(Ordering::Relaxed)).filter(|signal| *signal != 0)
    }

    /// What ends the load that begins now.
    pub(crate) fn will_stop(&self, load: Stopper) {
        let mut stopper = self.lock();
        // It may have come between two loads.
        if self.signal().is_some() {
            load.stop();
        }
        *stopper = Some(load);
    }

    /// Waits for `time`, or until a signal comes.
    pub(crate) fn wait(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut held = self.lock();
        while self.signal().is_none() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.0.changed.wait_timeout(held, left);
            held = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Stopper>> {
        // Nothing panics with it in hand.
        self.0.load.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
