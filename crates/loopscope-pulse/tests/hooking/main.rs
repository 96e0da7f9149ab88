//! The hooking's own parts, compiled into this test: the object itself would stand in for the functions that
//! the test needs.
//!
//! Each test lays out an object in memory as the loader would have left it.
#![expect(
    unsafe_code,
    reason = "lays out memory as the loader does, and reads it by address"
)]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "../../src/hooking/elf.rs"]
mod elf;
mod image;
mod imports;
#[path = "../../src/hooking/mappings.rs"]
mod mappings;
mod pages;
#[path = "../../src/hooking/slots.rs"]
mod slots;
