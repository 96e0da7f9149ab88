//! The rules, observed from outside: facts in, incidents out. One module per field.

mod causes;
mod grouping;
mod others;
mod stalls;
mod status;
mod suspended;
mod twins;
