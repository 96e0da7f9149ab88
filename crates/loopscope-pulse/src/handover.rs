//! What other writers in this process get from the pulse: its recording, and the proof of whose it is.
//!
//! See [`loopscope_recorder::handover`] for both sides' duties.
#![expect(unsafe_code, reason = "exports a C function")]

use std::ptr::null;
use std::sync::OnceLock;

use loopscope_recorder::handover::{Handover, VERSION};

use crate::{process, thread};

static HANDOVER: OnceLock<Handover> = OnceLock::new();

/// Looked up by agents, see [`loopscope_recorder::handover::SYMBOL`].
#[unsafe(no_mangle)]
pub(crate) extern "C" fn loopscope_pulse_hand_over() -> *const Handover {
    HANDOVER.get_or_init(|| Handover {
        version: VERSION,
        epoch: process::epoch_word(),
        begin,
        expect_loop,
    })
}

extern "C" fn begin() -> *const u8 {
    let begun = process::guarded(|| {
        (process::epoch_or_begin() != 0)
            .then(process::recording)
            .flatten()
    });
    begun
        .flatten()
        .map_or(null(), |recording| recording.address())
}

extern "C" fn expect_loop() {
    thread::expect_loop();
}
