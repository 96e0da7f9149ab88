//! Why a process has no recording, as one number that it keeps in its own memory.
//!
//! A process that cannot write the file that would tell about it is read by its observer instead. The pulse
//! exports a pointer under [`PAGE_SYMBOL`]; the first word behind it is a [`Refusal`]'s code, 0 for none.

use std::io;

use crate::folder::FolderError;
use crate::writer::CreateError;

/// The name under which the pulse exports the pointer to its page.
pub const PAGE_SYMBOL: &str = "LOOPSCOPE_PULSE_PAGE";

/// Why there is no recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no folder for it; the error's number where there is one.
    Folder(u16),
    /// The file could not be made; the error's number where there is one.
    File(u16),
    /// There is no room for it.
    NoRoom,
}

const FOLDER: u32 = 1;
const FILE: u32 = 2;
const NO_ROOM: u32 = 3;

impl Refusal {
    /// As a word that is never 0.
    pub fn code(self) -> u32 {
        match self {
            Self::Folder(errno) => FOLDER << 16 | u32::from(errno),
            Self::File(errno) => FILE << 16 | u32::from(errno),
            Self::NoRoom => NO_ROOM << 16,
        }
    }

    /// Of a word that was read; `None` where it says that nothing was refused, or nothing known.
    pub fn of_code(code: u32) -> Option<Self> {
        let errno = code as u16;
        match code >> 16 {
            FOLDER => Some(Self::Folder(errno)),
            FILE => Some(Self::File(errno)),
            NO_ROOM => Some(Self::NoRoom),
            _ => None,
        }
    }

    /// In words, without a subject: `its recording cannot be made (Permission denied)`.
    pub fn reason(self) -> String {
        match self {
            Self::Folder(errno) => format!("no folder will take its recording{}", cause(errno)),
            Self::File(errno) => format!("its recording cannot be made{}", cause(errno)),
            Self::NoRoom => "there is no room for its recording".to_owned(),
        }
    }

    /// The next step for a person.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Folder(_) | Self::File(_) => {
                "name a private folder that it can write to in LOOPSCOPE_RUNTIME_DIR"
            }
            Self::NoRoom => {
                "free space in the recordings folder, raise `ulimit -f`, or name another folder in \
                 LOOPSCOPE_RUNTIME_DIR; then restart the process"
            }
        }
    }
}

impl From<&FolderError> for Refusal {
    fn from(error: &FolderError) -> Self {
        Self::Folder(match error {
            FolderError::Create { source, .. } => errno(source),
            FolderError::NotPrivate { .. } => 0,
        })
    }
}

impl From<&CreateError> for Refusal {
    fn from(error: &CreateError) -> Self {
        match error {
            CreateError::NoRoom { .. } => Self::NoRoom,
            CreateError::File { source, .. } => Self::File(errno(source)),
            CreateError::NoIdentity => Self::File(0),
        }
    }
}

fn errno(error: &io::Error) -> u16 {
    let number = error.raw_os_error().unwrap_or(0);
    u16::try_from(number).unwrap_or(0)
}

fn cause(errno: u16) -> String {
    match errno {
        0 => String::new(),
        _ => format!(" ({})", io::Error::from_raw_os_error(i32::from(errno))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_comes_back_from_its_code() {
        for refusal in [
            Refusal::Folder(0),
            Refusal::Folder(13),
            Refusal::File(30),
            Refusal::NoRoom,
        ] {
            assert_ne!(refusal.code(), 0);
            assert_eq!(Refusal::of_code(refusal.code()), Some(refusal));
        }
    }

    #[test]
    fn a_word_that_says_nothing_known_is_no_refusal() {
        for code in [0, 1, 0xffff, 4 << 16, u32::MAX] {
            assert_eq!(Refusal::of_code(code), None, "{code:#x}");
        }
    }

    #[test]
    fn a_refusal_names_the_systems_own_reason() {
        assert!(Refusal::File(13).reason().contains("Permission denied"));
        let full = CreateError::NoRoom { path: "/x".into() };
        assert_eq!(Refusal::from(&full), Refusal::NoRoom);
    }
}
