//! Shows what a recording holds: `cargo run --example show -- FILE`.

#![expect(clippy::print_stdout, reason = "an example shows things")]

use std::path::PathBuf;

use loopscope_recorder::reader::{ReadError, RecordingReader};

fn main() -> Result<(), ReadError> {
    let path: PathBuf = std::env::args_os().nth(1).unwrap_or_default().into();
    let mut reader = RecordingReader::open(&path)?;
    println!("{:#?}", reader.description());
    println!("{:#?}", reader.read_loops()?);
    println!("{:#?}", reader.read_tables()?);
    println!("{:#?}", reader.read_facts()?);
    Ok(())
}
