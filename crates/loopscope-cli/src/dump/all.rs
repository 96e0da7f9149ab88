//! `--all`: every Python process, one after another.

use std::io::stdout;

use loopscope_engine::dump::DumpReport;
use loopscope_inspect::DumpMode;
use nix::unistd::{User, geteuid};

use super::namespaces::process_ids;
use super::refusal::{Refusal, say};
use super::surroundings::{Status, command_line, user_name};
use super::{Shown, drawn, json, one};
use crate::exit_codes::{HEALTHY, NO_PROCESS, UNAVAILABLE};
use crate::screen::print;

/// Whose processes are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Users {
    One(u32),
    Every,
}

impl Users {
    /// Those named, or else one's own; root means everybody.
    pub(super) fn meant(named: Option<u32>) -> Self {
        match (named, geteuid()) {
            (Some(uid), _) => Self::One(uid),
            (None, own) if own.is_root() => Self::Every,
            (None, own) => Self::One(own.as_raw()),
        }
    }

    fn includes(self, uid: Option<u32>) -> bool {
        match self {
            Self::One(wanted) => uid == Some(wanted),
            Self::Every => true,
        }
    }
}

/// Reads `--user`.
pub(super) fn parse_user(text: &str) -> Result<u32, String> {
    if let Ok(uid) = text.parse() {
        return Ok(uid);
    }
    match User::from_name(text) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        _ => Err("no such user here; give a number as `ps -eo uid,cmd` shows it".to_owned()),
    }
}

/// Dumps them all.
pub(super) fn run(users: Users, mode: DumpMode, shown: Shown) -> u8 {
    let mut pids: Vec<u32> = process_ids()
        .filter(|pid| *pid != std::process::id())
        .collect();
    pids.sort_unstable();
    let (mut found, mut failed) = (0_u64, 0_u64);
    for pid in pids {
        let Some((report, refusal)) = read(pid, users, mode) else {
            continue;
        };
        found += 1;
        failed += u64::from(refusal.is_some());
        if let Some(refusal) = &refusal {
            refusal.complain_of(&name(pid));
        }
        if !show(report, refusal.is_some(), found > 1, shown) {
            // Nobody reads any more, so there is no need to stop further processes.
            break;
        }
    }
    if found == 0 {
        return nothing(users);
    }
    if failed > 0 { UNAVAILABLE } else { HEALTHY }
}

/// Reads a process; `None` for one that is none of those meant.
fn read(pid: u32, users: Users, mode: DumpMode) -> Option<(Option<DumpReport>, Option<Refusal>)> {
    let status = Status::read(&pid.to_string())?;
    if !users.includes(status.uid) || status.has_ended() || !may_be_python(pid) {
        return None;
    }
    let (report, refusal) = one::read(pid, mode);
    match &refusal {
        // It is none of those meant, or ended meanwhile, which is nobody's fault.
        Some(refusal) if refusal.is_other_program || !refusal.is_there() => None,
        _ => Some((report, refusal)),
    }
}

/// Whether a look is worth while. A thread of the kernel has nothing mapped. Where the kernel hides what is
/// mapped, the name must do; a program that the loader was told to run stands behind the loader.
fn may_be_python(pid: u32) -> bool {
    if let Ok(maps) = std::fs::read(format!("/proc/{pid}/maps")) {
        return !maps.is_empty();
    }
    let words = command_line(pid);
    let is_python = |word: &String| word.contains("python") || word.contains("pypy");
    match words.first() {
        Some(loader) if loader.contains("/ld-") => words.iter().any(is_python),
        program => program.is_some_and(is_python),
    }
}

/// Shows one; `false` where nobody reads any more. Of a process that could not be read the complaint says
/// enough for a person.
fn show(report: Option<DumpReport>, has_failed: bool, is_next: bool, shown: Shown) -> bool {
    match report {
        Some(report) if shown.json => json::write_line(&report, stdout().lock()).is_ok(),
        Some(mut report) if !has_failed => {
            let gap = if is_next { "\n\n" } else { "" };
            print(&format!("{gap}{}", drawn(&mut report, shown)))
        }
        _ => true,
    }
}

fn name(pid: u32) -> String {
    let words = command_line(pid);
    let command = words.join(" ");
    let short: String = command.chars().take(60).collect();
    format!("pid {pid} ({short})")
}

fn nothing(users: Users) -> u8 {
    let whose = match users {
        Users::Every => String::new(),
        Users::One(uid) => format!(
            " of user {}",
            user_name(uid).unwrap_or_else(|| uid.to_string())
        ),
    };
    let hint = match users {
        Users::Every => "see what runs with `ps -ef`".to_owned(),
        Users::One(_) => format!(
            "see those of everybody with `sudo {} dump --all`",
            super::permission::program()
        ),
    };
    say(&format!("error: no Python process{whose}\nhint: {hint}\n"));
    NO_PROCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_given_by_name_or_number() {
        assert_eq!(parse_user("0"), Ok(0));
        assert_eq!(parse_user("root"), Ok(0));
        assert!(parse_user("no-such-user-here").is_err());
    }

    #[test]
    fn only_the_processes_of_the_user_are_meant() {
        assert!(Users::One(7).includes(Some(7)));
        assert!(!Users::One(7).includes(Some(8)) && !Users::One(7).includes(None));
        assert!(Users::Every.includes(None));
    }
}
