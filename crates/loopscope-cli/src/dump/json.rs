//! A report as JSON: over many lines for one process, on one line each for many.
//!
//! Written as it is made: that of a hundred thousand tasks has a hundred megabytes.

use std::io::{self, Write};

use loopscope_engine::dump::DumpReport;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

use crate::screen::escape_json;

/// About as many bytes are written at once.
const GATHERED_BYTES: usize = 1 << 16;

/// Over many lines, with a newline at the end.
pub(super) fn write_pretty(report: &DumpReport, to: impl Write) -> io::Result<()> {
    write(report, PrettyFormatter::new(), to)
}

/// On one line, with a newline at the end.
pub(super) fn write_line(report: &DumpReport, to: impl Write) -> io::Result<()> {
    write(report, CompactFormatter, to)
}

fn write(report: &DumpReport, formatter: impl Formatter, to: impl Write) -> io::Result<()> {
    let mut to = Harmless {
        gathered: Vec::with_capacity(GATHERED_BYTES),
        to,
    };
    serde::Serialize::serialize(report, &mut Serializer::with_formatter(&mut to, formatter))?;
    to.write_all(b"\n")?;
    to.flush()
}

/// Writes what a terminal would act on as escapes. What is given at once is whole characters.
struct Harmless<W> {
    /// The writer of JSON gives a few bytes at a time; they are looked through by the thousand.
    gathered: Vec<u8>,
    to: W,
}

impl<W: Write> Harmless<W> {
    fn write_gathered(&mut self) -> io::Result<()> {
        if self
            .gathered
            .iter()
            .fold(true, |all, byte| all & is_plain(*byte))
        {
            self.to.write_all(&self.gathered)?;
        } else {
            let json = std::str::from_utf8(&self.gathered).map_err(io::Error::other)?;
            self.to.write_all(escape_json(json).as_bytes())?;
        }
        self.gathered.clear();
        Ok(())
    }
}

fn is_plain(byte: u8) -> bool {
    byte == b'\n' || (b' '..=b'~').contains(&byte)
}

impl<W: Write> Write for Harmless<W> {
    #[inline]
    fn write(&mut self, json: &[u8]) -> io::Result<usize> {
        self.write_all(json)?;
        Ok(json.len())
    }

    #[inline]
    fn write_all(&mut self, json: &[u8]) -> io::Result<()> {
        if self.gathered.len() + json.len() > GATHERED_BYTES {
            self.write_gathered()?;
        }
        self.gathered.extend_from_slice(json);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_gathered()?;
        self.to.flush()
    }
}
