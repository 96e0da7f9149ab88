//! Recordings that cannot be opened: what that means, and the next command.

use std::io;
use std::path::Path;

use rustix::io::Errno;

use crate::observation::Fact;

/// What is to be said of a recording that cannot be opened.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OutOfReach {
    /// What goes unwatched, in words for a surface.
    what: &'static str,
    detail: String,
    /// Whether it is worth another try.
    pub(super) may_pass: bool,
}

impl OutOfReach {
    /// `None` where there is nothing to say: a file that is gone again is none of our business.
    pub(super) fn of(path: &Path, error: &io::Error) -> Option<Self> {
        let path = path.display();
        let errno = error.raw_os_error().map(Errno::from_raw_os_error);
        let (what, may_pass, detail) = match errno {
            Some(Errno::NOENT) => return None,
            Some(Errno::MFILE) => {
                let next = "raise the limit before `loopscope run`: `ulimit -n`";
                (
                    "processes",
                    true,
                    format!("a recording cannot be opened ({error}); {next}"),
                )
            }
            Some(Errno::NFILE) => {
                let next = "raise the host's limit: `sysctl fs.file-max`";
                (
                    "processes",
                    true,
                    format!("a recording cannot be opened ({error}); {next}"),
                )
            }
            // Recordings are made as files, by whoever writes them; a link was put there by somebody else.
            Some(Errno::LOOP) => {
                let detail = format!(
                    "{path} is a symbolic link, which no recording is, and is not followed; see where it \
                     leads with `ls -l {path}`, and delete it"
                );
                ("links in the recordings folder", false, detail)
            }
            Some(Errno::ACCESS | Errno::PERM) => {
                let next = format!("see whose it is: `ls -l {path}`");
                (
                    "processes",
                    true,
                    format!("{path} may not be read ({error}); {next}"),
                )
            }
            _ => {
                let next = format!("see what is known of it: `loopscope postmortem {path}`");
                (
                    "processes",
                    true,
                    format!("{path} cannot be watched ({error}); {next}"),
                )
            }
        };
        Some(Self {
            what,
            detail,
            may_pass,
        })
    }

    /// The same as a fact.
    pub(super) fn into_fact(self) -> Fact {
        Fact::Lost {
            what: self.what.to_owned(),
            count: 1,
            detail: Some(self.detail),
        }
    }

    /// By this it is told once.
    pub(super) fn text(&self) -> &str {
        &self.detail
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use loopscope_recorder::reader::{ReadError, RecordingReader};

    use super::*;

    fn said_of(errno: Errno) -> Option<String> {
        let found = OutOfReach::of(Path::new("/run/x.loopscope"), &errno.into());
        found.map(|found| found.detail)
    }

    #[test]
    fn a_link_in_the_folder_is_called_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1-1-0.loopscope");
        symlink("/etc/hostname", &path).unwrap();
        let Err(ReadError::File { source, .. }) = RecordingReader::open(&path) else {
            panic!("a link was opened");
        };
        let found = OutOfReach::of(&path, &source).unwrap();
        assert!(!found.may_pass);
        assert!(
            found.detail.contains("is a symbolic link"),
            "{}",
            found.detail
        );
        assert!(!found.detail.contains("ulimit"), "{}", found.detail);
    }

    #[test]
    fn a_limit_is_called_a_limit_and_a_right_a_right() {
        assert!(said_of(Errno::MFILE).unwrap().ends_with("`ulimit -n`"));
        assert!(
            said_of(Errno::NFILE)
                .unwrap()
                .ends_with("`sysctl fs.file-max`")
        );
        assert!(said_of(Errno::ACCESS).unwrap().contains("may not be read"));
        assert!(!said_of(Errno::IO).unwrap().contains("ulimit"));
    }

    #[test]
    fn a_file_that_is_gone_again_is_not_worth_a_word() {
        assert_eq!(said_of(Errno::NOENT), None);
    }
}
