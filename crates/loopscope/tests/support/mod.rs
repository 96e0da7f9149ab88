//! What this process writes down, read as an observer reads it.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use loopscope_recorder::reader::{RecordingReader, TableStates};

/// Far beyond what any of these takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The recording that the process has. There is one, so all tests in it share it.
pub(crate) fn recording() -> RecordingReader {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let path = maps.lines().find_map(|line| {
        let path = line.split_ascii_whitespace().nth(5)?;
        path.ends_with(".loopscope").then(|| path.to_owned())
    });
    RecordingReader::open(Path::new(&path.unwrap())).unwrap()
}

/// What is found in its tables, once it is.
pub(crate) fn found<T>(find: impl Fn(&TableStates) -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let tables = recording().read_tables().unwrap();
        if let Some(found) = find(&tables) {
            return found;
        }
        assert!(Instant::now() < deadline, "not in time: {tables:#?}");
        thread::sleep(Duration::from_millis(5));
    }
}
