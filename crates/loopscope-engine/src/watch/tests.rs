//! When the folder is searched, and what is said of what is in it.

use std::os::unix::fs::{DirBuilderExt, symlink};

use loopscope_recorder::folder::RuntimeFolder;
use loopscope_recorder::writer::{Recording, RecordingSpec};

use super::*;

const RUN: u64 = 7;

/// A private folder, and a watcher of the recordings of one run in it.
fn watcher() -> (tempfile::TempDir, RuntimeFolder, Watcher) {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("rt");
    fs::DirBuilder::new().mode(0o700).create(&path).unwrap();
    let folder = RuntimeFolder::open(&path).unwrap();
    let watcher = Watcher::new(WatchOptions {
        run_id: RUN,
        scope: Scope::Run,
        folder: path,
        main_pid: std::process::id(),
        main_name: "test".to_owned(),
        stall_threshold: Nanos::from_millis(100),
        pulse: None,
    });
    (base, folder, watcher)
}

fn record(folder: &RuntimeFolder, run_id: u64) {
    let spec = RecordingSpec {
        run_id,
        service: String::new(),
        stall_threshold_nanos: 1,
        slow_threshold_nanos: 1,
    };
    Recording::create(folder, &spec).unwrap();
}

fn look(watcher: &mut Watcher, at: u64) -> Vec<Fact> {
    let mut seen = Vec::new();
    watcher.look(Nanos::from_millis(at), &mut seen);
    seen.into_iter().map(|seen| seen.fact).collect()
}

#[test]
fn a_recording_is_found_as_it_appears_and_otherwise_at_the_next_search() {
    for (is_told, found) in [(true, 1), (false, 0)] {
        let (_base, folder, mut watcher) = watcher();
        look(&mut watcher, 1_000);
        record(&folder, RUN);
        if is_told {
            watcher.arrived(Nanos::from_millis(1_010));
        }
        look(&mut watcher, 1_011);
        assert_eq!(watcher.processes.len(), found);
        look(&mut watcher, 1_100);
        assert_eq!(watcher.processes.len(), 1);
    }
}

#[test]
fn a_recording_of_another_run_is_no_concern_of_this_one() {
    let (_base, folder, mut watcher) = watcher();
    record(&folder, RUN + 1);
    look(&mut watcher, 1_000);
    assert_eq!(watcher.processes.len(), 0);
}

#[test]
fn a_file_that_is_just_being_made_is_looked_at_again_soon_and_no_longer_than_that_takes() {
    let (_base, folder, mut watcher) = watcher();
    fs::write(folder.path().join("1-1-0.loopscope"), []).unwrap();
    watcher.arrived(Nanos::from_millis(1_000));
    look(&mut watcher, 1_000);
    assert_eq!(watcher.discovery_due, Nanos::from_millis(1_000).plus(SOON));
    look(&mut watcher, 2_100);
    assert_eq!(
        watcher.discovery_due,
        Nanos::from_millis(2_100).plus(DISCOVERY)
    );
}

#[test]
fn a_link_in_the_folder_is_called_so_once() {
    let (_base, folder, mut watcher) = watcher();
    symlink("/etc/hostname", folder.path().join("1-1-0.loopscope")).unwrap();
    let told: Vec<String> = [1_000, 1_200, 1_400]
        .into_iter()
        .flat_map(|at| look(&mut watcher, at))
        .filter_map(|fact| match fact {
            Fact::Lost { detail, .. } => detail,
            _ => None,
        })
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("is a symbolic link"), "{told:?}");
}
