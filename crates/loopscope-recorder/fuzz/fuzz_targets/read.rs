//! Gives the reader a file of any bytes: `open`, `read_loops`, `read_tables`, and
//! `read_stalls` and `read_facts` until nothing is left.
//!
//! From the crate's folder, the committed corpus as seeds and new finds beside it:
//!
//! ```text
//! mkdir -p fuzz/corpus/read
//! cargo +nightly fuzz run read fuzz/corpus/read tests/corpus
//! ```
//!
//! A find worth keeping goes to `tests/corpus`, named for what a reader should make of it; the normal
//! tests replay it from then on.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/proof/everything.rs"]
mod everything;

/// One file for the whole run, on a memory file system where there is one.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let shared = PathBuf::from("/dev/shm");
    let base = if shared.is_dir() {
        shared
    } else {
        std::env::temp_dir()
    };
    base.join(format!("loopscope-fuzz-{}", std::process::id()))
});

fuzz_target!(|bytes: &[u8]| {
    std::fs::write(&*FILE, bytes).expect("the file of the fuzzer");
    let found = everything::read_everything(&FILE);
    std::hint::black_box(&found).as_ref().ok();
});
