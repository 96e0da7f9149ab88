//! Process ids of other pid namespaces: the id that a container's own `ps` shows is another one here.

use std::fs;

use super::surroundings::Status;

/// The ids here of those processes that know themselves by `pid` inside of their own pid namespace.
pub(super) fn known_inside_as(pid: u32) -> Vec<u32> {
    let mut found: Vec<u32> = process_ids()
        .filter(|here| {
            Status::read(&here.to_string()).is_some_and(|status| status.inner_pid() == Some(pid))
        })
        .collect();
    found.sort_unstable();
    found
}

/// Every process that is seen from here.
pub(super) fn process_ids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}
