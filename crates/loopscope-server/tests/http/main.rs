//! Drives a real server over real sockets.

mod abuse;
mod answers;
mod client;
mod sample;
mod security;
