//! Where a panic came from: the standard library tells it to the panic hook, and to nobody else.

use std::cell::Cell;
use std::panic::{self, Location};
use std::sync::Once;

thread_local! {
    static LAST: Cell<Option<(&'static str, u32)>> = const { Cell::new(None) };
}

/// Notes the place of each panic from now on, and goes on to the hook that was there. One that the program sets
/// later takes the place of both.
pub(crate) fn note_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let place = info.location().map(place_of);
            // A thread that is ending has nowhere to note it.
            let _ = LAST.try_with(|last| last.set(place));
            before(info);
        }));
    });
}

/// Where the calling thread last panicked; told once.
pub(crate) fn take() -> Option<(&'static str, u32)> {
    LAST.try_with(Cell::take).ok().flatten()
}

/// The texts of a location are part of the program.
fn place_of(location: &Location<'_>) -> (&'static str, u32) {
    (interned(location.file()), location.line())
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
