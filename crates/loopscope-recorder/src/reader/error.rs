//! Why a recording cannot be read, and what to do next.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::layout::FORMAT_VERSION;

/// Why a recording cannot be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file could not be opened or read.
    #[error("cannot read the recording {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its header was never finished: the process is just starting, or died while it started.
    #[error("the recording was never completed: {path}")]
    Unfinished {
        /// Which.
        path: PathBuf,
    },
    /// It was written by a newer version.
    #[error("the recording has format {found}, this program reads up to {FORMAT_VERSION}: {path}")]
    Newer {
        /// The file's version.
        found: u32,
        /// Which.
        path: PathBuf,
    },
    /// It is no recording, or damaged.
    #[error("not a recording, or damaged ({reason}): {path}")]
    Damaged {
        /// What is wrong.
        reason: &'static str,
        /// Which.
        path: PathBuf,
    },
}

impl ReadError {
    /// The next step for the person who asked.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::File { .. } => "run `loopscope recordings` to see those that can be read",
            Self::Unfinished { .. } => {
                "run the command again in a moment; delete the file if no such process exists"
            }
            Self::Newer { .. } => "read it with the version of loopscope that wrote it",
            Self::Damaged { .. } => "name a file that `loopscope recordings` lists",
        }
    }
}
