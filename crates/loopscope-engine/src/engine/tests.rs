//! The rules, observed from outside: facts in, incidents out. One module per field.

mod agentless;
mod calls;
mod causes;
mod collector;
mod grouping;
mod growth;
mod others;
mod saturation;
mod servers;
mod stalls;
mod status;
mod storms;
mod suspended;
mod task_failures;
mod tokio;
mod twins;
