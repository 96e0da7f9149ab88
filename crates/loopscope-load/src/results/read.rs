//! Reading a document of an earlier run.

use serde::Deserialize;
use thiserror::Error;

use super::{Results, SCHEMA_VERSION};

/// The oldest schema that is read.
const OLDEST: u32 = 1;

/// Why a document is not read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It is no JSON, or no results of a stress run.
    #[error("not the results of `loopscope stress` ({0})")]
    NotResults(String),
    /// It is of a later schema.
    #[error(
        "written by a later Loopscope: its schema has version {found}, this program reads up to {SCHEMA_VERSION}"
    )]
    Newer {
        /// Its version.
        found: u32,
    },
    /// It is of a schema that is not read any more.
    #[error(
        "written by an earlier Loopscope: its schema has version {found}, this program reads from {OLDEST} on"
    )]
    Older {
        /// Its version.
        found: u32,
    },
}

impl ReadError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotResults(_) => {
                "name a file that `loopscope stress --output FILE` or `--save-baseline` wrote"
            }
            Self::Newer { .. } => "compare with the Loopscope that wrote it, or a later one",
            Self::Older { .. } => "measure anew with `loopscope stress --save-baseline NAME`",
        }
    }
}

/// What every version has.
#[derive(Deserialize)]
struct Version {
    schema_version: u32,
}

/// Reads a document of this schema, or of an older one that says the same.
///
/// # Errors
///
/// [`ReadError`] where it is none, or of a version that means something else.
pub fn read(text: &[u8]) -> Result<Results, ReadError> {
    let not_results = |error: serde_json::Error| ReadError::NotResults(error.to_string());
    let Version { schema_version } = serde_json::from_slice(text).map_err(not_results)?;
    match schema_version {
        found if found > SCHEMA_VERSION => Err(ReadError::Newer { found }),
        found if found < OLDEST => Err(ReadError::Older { found }),
        _ => serde_json::from_slice(text).map_err(not_results),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        read(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn versions_that_mean_something_else_are_refused_by_their_number() {
        assert!(
            refusal(r#"{"schema_version": 99}"#)
                .contains("later Loopscope: its schema has version 99")
        );
        assert!(
            refusal(r#"{"schema_version": 0}"#)
                .contains("earlier Loopscope: its schema has version 0")
        );
    }

    #[test]
    fn what_is_no_such_document_is_refused() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"schema_version": 1}"#,
            r#"{"schema_version": "1"}"#,
        ] {
            assert!(refusal(text).starts_with("not the results of"), "{text}");
        }
    }
}
