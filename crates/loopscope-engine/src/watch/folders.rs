//! The folders in which recordings appear: the run's own, and those of other users, where processes that gave up
//! their privileges keep them.
//!
//! A service that is started by root and becomes somebody else cannot write to root's folder any more. Whose
//! folder it is nobody knows before it is there; so the places of all users' folders are asked, ten times a
//! second, whether anything changed in them: one system call each, as long as nothing did. Such a place is often
//! `/tmp`, with thousands of files that come and go: reading it is kept to a small share of the time.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use loopscope_recorder::folder::{SHARED_PLACES, users_folders};

/// A folder counts as changed for so long after its last change: the kernel's stamps are coarse, and something
/// may have come in after it was last read and within the same stamp.
const STAMP_IS_OLD: Duration = Duration::from_secs(1);

/// After a place was read it is left alone for so many times as long as that took: a five-hundredth of a core.
const READING_IS_A_PART: u32 = 500;

/// A folder, and its stamp when it was last read; `None` where it has to be read again.
#[derive(Debug)]
struct Known {
    path: PathBuf,
    stamp: Option<SystemTime>,
}

/// A folder in which users have folders of their own.
#[derive(Debug)]
struct Place {
    known: Known,
    /// Not read again before.
    rests_until: Option<Instant>,
}

/// The run's own folder, and those of all users.
#[derive(Debug)]
pub(super) struct Folders {
    own: Known,
    places: Vec<Place>,
    others: Vec<Known>,
}

impl Folders {
    /// The run's own folder, and the shared places of this host.
    pub(super) fn new(own: &Path) -> Self {
        Self::of(own, &SHARED_PLACES.map(PathBuf::from))
    }

    fn of(own: &Path, places: &[PathBuf]) -> Self {
        Self {
            own: Known::new(own),
            places: places.iter().map(|place| Place::new(place)).collect(),
            others: Vec::new(),
        }
    }

    /// The folders in which something may have changed since the last call.
    pub(super) fn changed(&mut self) -> Vec<PathBuf> {
        let now = SystemTime::now();
        let places = self.places.iter_mut();
        let found: Vec<PathBuf> = places.flat_map(|place| place.new_folders(now)).collect();
        for path in found {
            let mut known = std::iter::once(&self.own).chain(&self.others);
            if is_open_to_us(&path) && known.all(|known| known.path != path) {
                self.others.push(Known::new(&path));
            }
        }
        self.others.retain(|folder| folder.path.exists());
        let folders = std::iter::once(&mut self.own).chain(&mut self.others);
        folders.filter_map(|folder| folder.news(now)).collect()
    }
}

impl Place {
    fn new(path: &Path) -> Self {
        Self {
            known: Known::new(path),
            rests_until: None,
        }
    }

    /// The users' folders in it, where there may be a new one.
    fn new_folders(&mut self, now: SystemTime) -> Vec<PathBuf> {
        let begun = Instant::now();
        if self.rests_until.is_some_and(|until| begun < until) {
            return Vec::new();
        }
        let Some(path) = self.known.news(now) else {
            return Vec::new();
        };
        let found = users_folders(&path);
        self.rests_until = Some(begun + begun.elapsed() * READING_IS_A_PART);
        found
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
        let is_old = self.stamp == Some(stamp);
        self.stamp = (!is_fresh).then_some(stamp);
        (!is_old).then(|| self.path.clone())
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

    /// The folders of such a place. There is none of the run's own.
    fn folders_in(place: &tempfile::TempDir) -> Folders {
        let own = place.path().join("own/loopscope");
        Folders::of(&own, &[place.path().to_path_buf()])
    }

    /// Ends the time for which places are not read again.
    fn wake(folders: &mut Folders) {
        for place in &mut folders.places {
            place.rests_until = None;
        }
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
        let mut folders = folders_in(&place);
        assert!(folders.changed().is_empty());
        fs::create_dir(&folder).unwrap();
        wake(&mut folders);
        assert!(is_only(&folders.changed(), &folder));
        age(&folder);
        age(place.path());
        assert!(is_only(&folders.changed(), &folder), "another stamp");
        assert!(folders.changed().is_empty());
        File::create(folder.join("1-1-0.loopscope")).unwrap();
        assert!(is_only(&folders.changed(), &folder));
    }

    #[test]
    fn a_folder_that_is_not_its_users_own_is_left_alone() {
        let (place, folder) = place();
        fs::create_dir(folder.with_file_name("loopscope-4294967294")).unwrap();
        fs::create_dir(folder.with_file_name("loopscope-me")).unwrap();
        let mut folders = folders_in(&place);
        assert!(folders.changed().is_empty());
    }

    #[test]
    fn a_place_that_takes_long_to_read_is_not_read_all_the_time() {
        let (place, folder) = place();
        let mut folders = folders_in(&place);
        folders.changed();
        folders.places[0].rests_until = Some(Instant::now() + Duration::from_secs(3600));
        fs::create_dir(&folder).unwrap();
        assert!(folders.changed().is_empty());
        wake(&mut folders);
        assert!(is_only(&folders.changed(), &folder));
    }

    #[test]
    fn the_runs_own_folder_is_searched_like_the_others_and_where_it_is_one_of_them_once() {
        let (place, folder) = place();
        let mut folders = Folders::of(&folder, &[place.path().to_path_buf()]);
        assert!(folders.changed().is_empty());
        fs::create_dir(&folder).unwrap();
        wake(&mut folders);
        assert!(is_only(&folders.changed(), &folder));
        age(&folder);
        assert!(is_only(&folders.changed(), &folder), "another stamp");
        assert!(folders.changed().is_empty());
    }

    #[test]
    fn a_folder_that_went_away_is_forgotten_and_found_again() {
        let (place, folder) = place();
        let mut folders = folders_in(&place);
        fs::create_dir(&folder).unwrap();
        assert_eq!(folders.changed().len(), 1);
        fs::remove_dir(&folder).unwrap();
        assert_eq!(folders.changed().len(), 0);
        fs::create_dir(&folder).unwrap();
        wake(&mut folders);
        assert!(is_only(&folders.changed(), &folder));
    }
}
