//! What a dump says of real programs, compared with what they say of themselves.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says on its own output what it runs"
)]

mod busy;
mod check;
mod compare;
mod py_spy;
#[path = "../common/pythons.rs"]
mod pythons;
#[expect(dead_code, reason = "most of it serves the tests of single threads")]
#[path = "../live/support.rs"]
mod support;
mod told;
mod unharmed;

mod crowd;
mod holding;
mod killed;
mod loops;
mod waits;
