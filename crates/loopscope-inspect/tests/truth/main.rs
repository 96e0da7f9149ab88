//! Holds dumps against what the targets say of themselves from inside.
//!
//! Each program of `tests/programs` that these tests run comes to rest, answers with what it knows of its
//! own tasks, threads and loops, and is dumped from outside; the two must be the same. Every interpreter
//! that is found is run; a package that an interpreter lacks is said to be skipped.

#[path = "../common/pythons.rs"]
mod pythons;
#[path = "../live/support.rs"]
#[expect(
    dead_code,
    reason = "the tests of looks use more of it than those of dumps"
)]
mod support;

mod compare;
mod loops;
mod target;
mod waits;
