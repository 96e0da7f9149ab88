//! Finds an interpreter for the sample services of the demo and of drills.

use std::path::PathBuf;
use std::process::Command;

/// The oldest Python whose stacks can be read.
const OLDEST: (u32, u32) = (3, 9);

/// An interpreter that will do.
pub(crate) struct Python {
    pub(crate) path: PathBuf,
}

/// What is missing and how to get it.
pub(crate) struct Missing {
    pub(crate) what: String,
    pub(crate) hint: &'static str,
}

const HINT: &str =
    "install Python 3.9 or newer, for example with `apt-get install python3`, and try again";

/// The first python3 on the path that is new enough. It is asked for its real path: what lies on the
/// path may be a script that starts another program.
pub(crate) fn find() -> Result<Python, Missing> {
    let question = "import sys; print(sys.version_info[0], sys.version_info[1], sys.executable)";
    let asked = Command::new("python3").args(["-c", question]).output();
    let output = match asked {
        Ok(output) if output.status.success() => output,
        Ok(_) => return Err(missing("python3 does not start")),
        Err(_) => {
            return Err(missing(
                "the sample service needs python3, and there is none",
            ));
        }
    };
    let answer = String::from_utf8_lossy(&output.stdout);
    let mut words = answer.trim().splitn(3, ' ');
    let mut number = || words.next().and_then(|word| word.parse::<u32>().ok());
    let (Some(major), Some(minor)) = (number(), number()) else {
        return Err(missing("python3 does not tell its version"));
    };
    if (major, minor) < OLDEST {
        return Err(missing(&format!(
            "python3 is {major}.{minor}, too old for the sample service"
        )));
    }
    let path = words
        .next()
        .filter(|path| !path.is_empty())
        .unwrap_or("python3");
    Ok(Python { path: path.into() })
}

fn missing(what: &str) -> Missing {
    Missing {
        what: what.to_owned(),
        hint: HINT,
    }
}
