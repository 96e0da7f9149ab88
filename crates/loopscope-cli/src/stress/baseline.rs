//! Earlier runs, kept by name or in a file, and what this run is held against them.

use std::path::{Path, PathBuf};
use std::{env, fs};

use loopscope_load::compare::{Comparison, compare, differences};
use loopscope_load::results::{Conditions, Results, read};

use super::Refusal;
use crate::exit_codes;

/// The largest file that is read: a run of a day has well under it.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// An earlier run.
pub(super) struct Baseline {
    name: String,
    results: Results,
}

/// A name that a file can have.
pub(super) fn name(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if text.is_empty() || text.starts_with('.') || !text.chars().all(is_plain) {
        return Err("expected letters, digits, '.', '-' and '_'".to_owned());
    }
    Ok(text.to_owned())
}

/// Where this user's baselines are.
fn folder() -> Option<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let data = set("XDG_DATA_HOME").map(PathBuf::from);
    let data = data.or_else(|| Some(PathBuf::from(set("HOME")?).join(".local/share")))?;
    Some(data.join("loopscope/baselines"))
}

/// The file of a name, in a folder that is there.
pub(super) fn prepare(name: &str) -> Result<PathBuf, Refusal> {
    let folder = known_folder()?;
    fs::create_dir_all(&folder).map_err(|error| {
        let what = format!("cannot keep baselines ({error}): {}", folder.display());
        let hint = "set XDG_DATA_HOME to a folder that you may write to, or use --output FILE";
        Refusal::new(exit_codes::NOT_WRITTEN, what, hint)
    })?;
    Ok(file_of(&folder, name))
}

fn file_of(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.json"))
}

fn known_folder() -> Result<PathBuf, Refusal> {
    folder().ok_or_else(|| {
        let hint = "set HOME or XDG_DATA_HOME, or name a file: --baseline ./results.json";
        Refusal::new(exit_codes::USAGE, "there is no place for baselines", hint)
    })
}

impl Baseline {
    /// Reads what was kept under a name, or a file: what has a `/` in it or ends in `.json` is one.
    pub(super) fn read(text: &str) -> Result<Self, Refusal> {
        let is_file = text.contains('/') || text.ends_with(".json");
        let path = if is_file {
            PathBuf::from(text)
        } else {
            let name = name(text).map_err(|why| {
                Refusal::new(
                    exit_codes::USAGE,
                    format!("no name of a baseline ({why}): {text}"),
                    NAME,
                )
            })?;
            file_of(&known_folder()?, &name)
        };
        let refused = |what: String, hint: &str| {
            Refusal::new(
                exit_codes::USAGE,
                format!("{what}: {}", path.display()),
                hint,
            )
        };
        let found = fs::metadata(&path).map_err(|error| {
            let hint = "save one with `loopscope stress --save-baseline NAME`";
            refused(format!("cannot read the baseline ({error})"), hint)
        })?;
        if found.len() > MOST_BYTES {
            return Err(refused("the baseline is larger than 64 MiB".into(), NAME));
        }
        let bytes = fs::read(&path)
            .map_err(|error| refused(format!("cannot read the baseline ({error})"), NAME))?;
        let results = read(&bytes).map_err(|error| refused(error.to_string(), error.hint()))?;
        Ok(Self {
            name: text.to_owned(),
            results,
        })
    }

    /// Refuses what cannot be compared, before anything is measured.
    pub(super) fn check(&self, now: &Conditions, anyway: bool) -> Result<(), Refusal> {
        let differences = differences(&self.results, now);
        if differences.is_empty() || anyway {
            return Ok(());
        }
        let what = format!(
            "this run cannot be compared with the baseline {}: {}",
            self.name,
            differences.join("; ")
        );
        let hint = "measure under the same conditions, or say --compare-anyway";
        Err(Refusal::new(exit_codes::USAGE, what, hint))
    }

    /// Holds a run against it.
    pub(super) fn compare(&self, now: &Results) -> Comparison {
        let differences = differences(&self.results, &now.conditions);
        compare(&self.name, &self.results, now, differences)
    }
}

const NAME: &str =
    "name a file that `loopscope stress --output FILE` wrote, or what --save-baseline was given";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_path() {
        assert_eq!(name("main-2.1_x").as_deref(), Ok("main-2.1_x"));
        for text in ["", ".", "..", ".hidden", "a/b", "a b", "ü"] {
            assert!(name(text).is_err(), "{text}");
        }
    }
}
