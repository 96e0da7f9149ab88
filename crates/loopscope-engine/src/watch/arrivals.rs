//! Wakes the observer when a file appears in the recordings folder.
//!
//! A program may block in its loop's first turn. The folder is searched ten times a second anyhow; this is for
//! the tenth of a second before that. Where the kernel has no watch left to give, it goes without.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::{Errno, read};
use rustix::pipe::{PipeFlags, pipe_with};

use super::observer::go_ahead;

/// Watches a folder on a thread of its own. Dropping it ends that thread.
pub(super) struct Arrivals {
    /// Closed to end the thread.
    stop: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Arrivals {
    /// Calls `tell` whenever something has appeared in the folder. `None` where that cannot be watched.
    pub(super) fn watch(folder: &Path, tell: impl Fn() + Send + 'static) -> Option<Self> {
        let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
        let appears = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
        inotify::add_watch(&events, folder, appears).ok()?;
        let (stopped, stop) = pipe_with(PipeFlags::CLOEXEC).ok()?;
        let work = move || {
            go_ahead();
            while wait(&events, &stopped) {
                tell();
            }
        };
        let name = "loopscope-folder".into();
        let thread = thread::Builder::new().name(name).spawn(work).ok()?;
        Some(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Waits for something to appear; false once it is time to end.
fn wait(events: &OwnedFd, stopped: &OwnedFd) -> bool {
    loop {
        // The end of the other side is told without being asked for.
        let mut ready = [
            PollFd::new(events, PollFlags::IN),
            PollFd::new(stopped, PollFlags::empty()),
        ];
        match poll(&mut ready, None) {
            Err(Errno::INTR) => {}
            Err(_) => return false,
            Ok(_) if !ready[1].revents().is_empty() => return false,
            Ok(_) => return drain(events),
        }
    }
}

/// Takes what has been told so far: that something appeared is enough to know.
fn drain(events: &OwnedFd) -> bool {
    let mut buffer = [0; 4096];
    loop {
        match read(events, &mut buffer) {
            Ok(0) => return false,
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return true,
            Err(_) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn each_file_that_appears_is_told_of_until_the_watching_ends() {
        let folder = tempfile::tempdir().unwrap();
        let (told, tells) = channel();
        let arrivals = Arrivals::watch(folder.path(), move || told.send(()).unwrap()).unwrap();
        for number in 0..3 {
            File::create(folder.path().join(format!("{number}"))).unwrap();
            tells.recv().unwrap();
        }
        let elsewhere = tempfile::NamedTempFile::new_in(folder.path().parent().unwrap()).unwrap();
        fs::rename(elsewhere.path(), folder.path().join("moved")).unwrap();
        tells.recv().unwrap();
        drop(arrivals);
        assert!(tells.recv().is_err(), "its thread has ended");
    }

    #[test]
    fn a_folder_that_is_not_there_is_not_watched() {
        assert!(Arrivals::watch(Path::new("/no/such/folder"), || ()).is_none());
    }
}
