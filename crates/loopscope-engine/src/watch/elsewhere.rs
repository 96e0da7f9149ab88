//! The folders of other users, where processes that gave up their privileges keep their recordings.
//!
//! A service that is started by root and becomes somebody else cannot write to root's folder any more. Whose
//! folder it is nobody knows before it is there; so the places of all users' folders are asked, ten times a
//! second, whether anything changed in them: one system call each, as long as nothing did.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use loopscope_recorder::folder::{SHARED_PLACES, users_folders};

/// A folder counts as changed for so long after its last change: the kernel's stamps are coarse, and something
/// may have come in after it was last read and within the same stamp.
const STAMP_IS_OLD: Duration = Duration::from_secs(1);

/// A folder, and its stamp when it was last read.
#[derive(Debug)]
struct Known {
    path: PathBuf,
    stamp: Option<SystemTime>,
}

/// The folders of all users.
#[derive(Debug)]
pub(super) struct Elsewhere {
    places: Vec<Known>,
    folders: Vec<Known>,
}

impl Elsewhere {
    /// The shared places of this host.
    pub(super) fn new() -> Self {
        Self::of(&SHARED_PLACES.map(PathBuf::from))
    }

    fn of(places: &[PathBuf]) -> Self {
        Self {
            places: places.iter().map(|place| Known::new(place)).collect(),
            folders: Vec::new(),
        }
    }

    /// The folders in which something may have changed since the last call.
    pub(super) fn changed(&mut self) -> Vec<PathBuf> {
        let now = SystemTime::now();
        let changed = self.places.iter_mut().filter_map(|place| place.news(now));
        let found: Vec<PathBuf> = changed.flat_map(|place| users_folders(&place)).collect();
        for path in found {
            if is_open_to_us(&path) && self.folders.iter().all(|known| known.path != path) {
                self.folders.push(Known::new(&path));
            }
        }
        self.folders.retain(|folder| folder.path.exists());
        let folders = self.folders.iter_mut();
        folders.filter_map(|folder| folder.news(now)).collect()
    }
}

/// Only root is let into the folders of others.
fn is_open_to_us(folder: &Path) -> bool {
    let refused = fs::read_dir(folder).err();
    refused.is_none_or(|error| error.kind() != ErrorKind::PermissionDenied)
}

impl Known {
    fn new(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            stamp: None,
        }
    }

    /// The folder, where it may have changed since it was last read.
    fn news(&mut self, now: SystemTime) -> Option<PathBuf> {
        let stamp = fs::metadata(&self.path).ok()?.modified().ok()?;
        let is_fresh = now
            .duration_since(stamp)
            .is_ok_and(|age| age < STAMP_IS_OLD);
        let is_new = self.stamp.replace(stamp) != Some(stamp);
        (is_new || is_fresh).then(|| self.path.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    /// A shared place of its own, and this user's folder in it.
    fn place() -> (tempfile::TempDir, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let own = rustix::process::geteuid().as_raw();
        let folder = place.path().join(format!("loopscope-{own}"));
        (place, folder)
    }

    fn is_only(found: &[PathBuf], folder: &Path) -> bool {
        found.len() == 1 && found[0] == folder
    }

    /// Makes the last change of a folder one of long ago.
    fn age(path: &Path) {
        let past = SystemTime::now() - Duration::from_secs(3600);
        File::open(path).unwrap().set_modified(past).unwrap();
    }

    #[test]
    fn a_folder_is_searched_when_it_appears_and_when_it_changes_and_at_no_other_time() {
        let (place, folder) = place();
        let mut elsewhere = Elsewhere::of(&[place.path().to_path_buf()]);
        assert!(elsewhere.changed().is_empty());
        fs::create_dir(&folder).unwrap();
        assert!(is_only(&elsewhere.changed(), &folder));
        age(&folder);
        age(place.path());
        assert!(is_only(&elsewhere.changed(), &folder), "another stamp");
        assert!(elsewhere.changed().is_empty());
        File::create(folder.join("1-1-0.loopscope")).unwrap();
        assert!(is_only(&elsewhere.changed(), &folder));
    }

    #[test]
    fn a_folder_that_is_not_its_users_own_is_left_alone() {
        let (place, folder) = place();
        fs::create_dir(folder.with_file_name("loopscope-4294967294")).unwrap();
        fs::create_dir(folder.with_file_name("loopscope-me")).unwrap();
        let mut elsewhere = Elsewhere::of(&[place.path().to_path_buf()]);
        assert!(elsewhere.changed().is_empty());
    }

    #[test]
    fn a_folder_that_went_away_is_forgotten_and_found_again() {
        let (place, folder) = place();
        let mut elsewhere = Elsewhere::of(&[place.path().to_path_buf()]);
        fs::create_dir(&folder).unwrap();
        assert_eq!(elsewhere.changed().len(), 1);
        fs::remove_dir(&folder).unwrap();
        assert_eq!(elsewhere.changed().len(), 0);
        fs::create_dir(&folder).unwrap();
        assert!(is_only(&elsewhere.changed(), &folder));
    }
}
