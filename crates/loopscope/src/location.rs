//! Where a panic came from: the standard library tells it to the panic hook, and to nobody else.

use std::cell::RefCell;
use std::panic;
use std::sync::Once;

/// A panic of a thread.
#[derive(Clone, Debug)]
pub(crate) struct LastPanic {
    pub(crate) file: &'static str,
    pub(crate) line: u32,
    pub(crate) message: String,
}

thread_local! {
    static LAST: RefCell<Option<LastPanic>> = const { RefCell::new(None) };
}

/// Notes each panic from now on, and goes on to the hook that was there. One that the program sets later takes the
/// place of both.
pub(crate) fn note_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let last = info.location().map(|place| LastPanic {
                file: interned(place.file()),
                line: place.line(),
                message: info.payload_as_str().unwrap_or_default().to_owned(),
            });
            // A thread that is ending has nowhere to note it.
            let _ = LAST.try_with(|noted| noted.replace(last));
            before(info);
        }));
    });
}

/// The calling thread's last panic.
pub(crate) fn last() -> Option<LastPanic> {
    LAST.try_with(|noted| noted.borrow().clone()).ok().flatten()
}

/// The same, told once.
pub(crate) fn take() -> Option<LastPanic> {
    LAST.try_with(RefCell::take).ok().flatten()
}

/// A program has few files that panic, so each name is kept for good.
fn interned(file: &str) -> &'static str {
    use std::collections::BTreeSet;
    use std::sync::{Mutex, PoisonError};
    static FILES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = files.get(file) {
        return known;
    }
    let kept: &'static str = Box::leak(file.to_owned().into_boxed_str());
    files.insert(kept);
    kept
}
