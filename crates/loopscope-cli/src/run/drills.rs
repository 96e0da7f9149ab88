//! Letting drills into the target: what the target is told, and what ended targets left behind.
//!
//! Who may bring a fault in is decided in the target: this user, on this machine, through a socket that exists only
//! where `--allow-drill` was given.

use std::fs;
use std::path::Path;

use super::options::RunArgs;

/// The name of a process's socket in the folder for recordings.
pub(crate) const EXTENSION: &str = "drill";

/// What the target finds in its environment: that this run allows it, and which thresholds hold.
pub(super) fn allowed(args: &RunArgs, run_id: u64) -> String {
    let restart = args.restart_when_blocked.map(|limit| limit.as_millis());
    format!(
        "{run_id:x}:{}:{}:{}:{}",
        args.stall_threshold().0 / 1_000_000,
        args.blocked_threshold().0 / 1_000_000,
        restart.map_or_else(String::new, |limit| limit.to_string()),
        args.trend_pace.unwrap_or(1)
    )
}

/// Removes the sockets of processes that are gone.
pub(super) fn tidy(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        let is_socket = path.extension().is_some_and(|end| end == EXTENSION);
        let pid = path
            .file_stem()
            .and_then(|stem| stem.to_str()?.parse::<u32>().ok());
        let is_gone = |pid: u32| !Path::new(&format!("/proc/{pid}")).exists();
        if is_socket && pid.is_some_and(is_gone) {
            // Another run may have been quicker.
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sockets_of_processes_that_are_gone_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let own = format!("{}.drill", std::process::id());
        for name in [&*own, "4194305.drill", "4194305.loopscope", "notes.drill"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        tidy(folder.path());
        let is_there = |name: &str| folder.path().join(name).exists();
        assert!(is_there(&own) && is_there("4194305.loopscope") && is_there("notes.drill"));
        assert!(!is_there("4194305.drill"));
    }
}
