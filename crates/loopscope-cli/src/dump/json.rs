//! A report as JSON: over many lines for one process, on one line each for many.
//!
//! Written as it is made: that of a hundred thousand tasks has a hundred megabytes.

use std::io::{self, BufWriter, Write};

use loopscope_engine::dump::DumpReport;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

use crate::screen::escape_json;

/// Bytes that are written at once.
const BUFFER_BYTES: usize = 1 << 16;

/// Over many lines, with a newline at the end.
pub(super) fn write_pretty(report: &DumpReport, to: impl Write) -> io::Result<()> {
    write(report, PrettyFormatter::new(), to)
}

/// On one line, with a newline at the end.
pub(super) fn write_line(report: &DumpReport, to: impl Write) -> io::Result<()> {
    write(report, CompactFormatter, to)
}

fn write(report: &DumpReport, formatter: impl Formatter, to: impl Write) -> io::Result<()> {
    let mut to = Harmless(BufWriter::with_capacity(BUFFER_BYTES, to));
    serde::Serialize::serialize(report, &mut Serializer::with_formatter(&mut to, formatter))?;
    to.write_all(b"\n")?;
    to.flush()
}

/// Writes what a terminal would act on as escapes. What is given at once is whole characters.
struct Harmless<W>(W);

impl<W: Write> Write for Harmless<W> {
    fn write(&mut self, json: &[u8]) -> io::Result<usize> {
        let is_plain = |byte: &u8| *byte == b'\n' || (b' '..=b'~').contains(byte);
        if json.iter().all(is_plain) {
            self.0.write_all(json)?;
        } else {
            let json = std::str::from_utf8(json).map_err(io::Error::other)?;
            self.0.write_all(escape_json(json).as_bytes())?;
        }
        Ok(json.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
