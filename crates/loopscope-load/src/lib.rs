//! Sends requests to a service and measures its answers: the engine of `loopscope stress`.
//!
//! A [`Load`] is a list of [`Stream`]s, each of them one request sent over and over, in closed loop (so many
//! senders, each waits for its answer) or in open loop (so many requests a second, whatever becomes of them).
//! [`Load::start`] sends them from one thread of its own, and tells each second what came; what it ends with is
//! an [`Outcome`].
//!
//! **Latency.** In closed loop from the sending of a request to its whole answer. In open loop from the instant
//! at which it was *meant* to be sent, so that a service which stalls cannot hide the requests that would have
//! come meanwhile (what Gil Tene called coordinated omission). Those that ran out of time count with the time
//! they waited.
//!
//! **Cost.** One thread, one HTTP/1.1 connection for each request in flight, kept open; [`Outcome::own_share`]
//! tells how busy that thread was, since a sender at its limit measures itself. It follows no redirect, uses no
//! proxy, and looks names up once.
//!
//! [`results`] is what a whole stress run leaves behind, as JSON with a schema; [`threshold`] and [`compare`] hold
//! such results against limits and against others. Those three are pure. What this crate deliberately does not do:
//! decide what to send, or ask Loopscope about the service.

pub mod address;
pub mod compare;
pub mod results;
pub mod rounds;
pub mod threshold;

mod client;
mod closed;
mod connection;
mod error;
mod failure;
mod latency;
mod load;
mod open;
mod run;
mod tally;
mod timer;

pub use address::Address;
pub use error::LoadError;
pub use failure::FailureKind;
pub use latency::{Bin, Latency, bins};
pub use load::{Load, Request, Shape, Stream};
pub use run::{Ended, Outcome, Running, Stopper, Tick};
pub use tally::{Second, Tally};
