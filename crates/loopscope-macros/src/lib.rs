//! The attribute `track_call` of the crate `loopscope`, which has it under its own name. Not to be used without that.
//!
//! Puts a function's body into what counts it. It decides nothing: what counts as a failure, as slow, as blocking is
//! told by `loopscope` when the call ends.

mod arguments;
mod expand;
mod future;

use proc_macro::TokenStream;

/// Counts the calls of a function: how many, how long, in flight, cancelled, failed and by which error, slow, and
/// whether one kept a worker of the runtime to itself.
///
/// ```ignore
/// #[loopscope::track_call("agent")]
/// async fn ask(prompt: &str) -> Result<String, AgentError> { /* … */ }
///
/// #[loopscope::track_call("billing", name = "charge")]
/// fn charge_once(order: &Order) -> Result<Receipt, Declined> { /* … */ }
/// ```
///
/// The text is the **group** that the call is counted in, at most 32 bytes; its **name** is the function's, with its
/// type in front for a method (`Agent::ask`), or the one given.
///
/// | what a call does | how it counts |
/// |---|---|
/// | it returns | done |
/// | it returns `Err` | failed, under the type of the error; the message is its `Display`, where it has one |
/// | it panics | failed, as `panic`, with the line that panicked |
/// | its future is dropped before it ended | cancelled |
/// | 2 s or longer (`LOOPSCOPE_SLOW_CALL_THRESHOLD_MS`) | slow |
/// | one poll of it, or all of it where it is synchronous, kept a worker of a watched runtime for 100 ms (`LOOPSCOPE_STALL_THRESHOLD_MS`) | blocking; not in `block_in_place` or `spawn_blocking`, and not in what `block_on` of a multi-thread runtime is given, which runs on no worker |
///
/// On functions and methods, `async` or not, and on functions that return `impl Future`, `Pin<Box<dyn Future>>` or
/// `BoxFuture`, so below `#[async_trait]` too. An asynchronous call begins when it is first polled. That an error is
/// one is told from the returned value being a `Result`; one that is hidden in a type parameter or behind
/// `impl Trait` is not looked into.
///
/// # Cost
/// Two reads of the processor's counter and four moved counters a call, two reads more for each poll: about 50 ns
/// and 20 ns. No allocation and no lock, but for the first call and for those of which there is something to tell.
/// Before `loopscope::install` and in a forked child nothing is counted.
///
/// # Errors
/// Does not compile on what is no function with a body, and on a `const fn`.
#[proc_macro_attribute]
pub fn track_call(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::track_call(arguments.into(), item.into())
        .unwrap_or_else(|error| error.into_compile_error())
        .into()
}
