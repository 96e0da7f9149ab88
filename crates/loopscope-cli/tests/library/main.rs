//! The Python package as a library: `loopscope.install()` in real interpreters and servers.
//!
//! The package is put together as a wheel has it, from the objects that the program carries and a monitor that
//! is built here. The programs check what they can see of themselves and fail by exiting; what has to be seen
//! from outside, such as an endpoint that answers while they are blocked, is checked here.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "../support/cargo.rs"]
mod cargo;
#[path = "../support/http.rs"]
mod http;

mod endpoint;
mod harness;
mod package;
mod processes;
mod programs;
mod servers;
mod under_run;
