//! The connection to the process that faults are brought into. It is a lease: the process undoes what is in it when
//! the connection ends, however that comes about.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;
use std::{fs, thread};

use loopscope_drill::wire::{Introduction, MOST_BYTES, PROTOCOL, Reply, Request};
use loopscope_recorder::environment::RUNTIME_DIR;
use loopscope_recorder::folder::candidates;
use rustix::fs::OFlags;

use super::refusal::Refusal;
use crate::exit_codes::{NOT_PERMITTED, UNAVAILABLE, UNREACHABLE};
use crate::run::DRILL_EXTENSION;

/// A process that is not in the middle of something introduces itself within this.
const INTRODUCED_WITHIN: Duration = Duration::from_secs(5);

/// A lease on a process.
pub(super) struct Lease {
    stream: UnixStream,
    replies: Receiver<Reply>,
    is_gone: Cell<bool>,
    pub(super) introduction: Introduction,
}

impl Lease {
    /// Takes a lease on this process.
    pub(super) fn take(pid: u32) -> Result<Self, Refusal> {
        let socket = find(pid)?;
        let stream = connect(&socket).map_err(|error| unconnected(pid, &error))?;
        let mut lines = BufReader::new(
            stream
                .try_clone()
                .map_err(|error| unconnected(pid, &error))?,
        );
        let introduction = introduced(&stream, &mut lines).map_err(|error| silent(pid, &error))?;
        if introduction.protocol != PROTOCOL {
            let (its, ours) = (introduction.protocol, PROTOCOL);
            return Err(Refusal::new(
                UNAVAILABLE,
                format!(
                    "the agent in it speaks version {its} of drills, and this program version {ours}: pid {pid}"
                ),
                "start the service again with the `loopscope` that drills it: `loopscope run --allow-drill -- COMMAND`",
            ));
        }
        let (heard, replies) = channel();
        let listen = move || {
            while let Ok(line) = line(&mut lines) {
                let Ok(reply) = serde_json::from_slice(&line) else {
                    continue;
                };
                if heard.send(reply).is_err() {
                    return;
                }
            }
        };
        let listening = thread::Builder::new()
            .name("loopscope-lease".into())
            .spawn(listen);
        listening.map_err(|error| unconnected(pid, &error))?;
        Ok(Self {
            stream,
            replies,
            is_gone: Cell::new(false),
            introduction,
        })
    }

    /// Asks for something. A process that is gone is noticed with [`Self::is_gone`].
    pub(super) fn ask(&self, request: &Request) {
        // Of plain fields alone, which always have a form.
        let mut text = serde_json::to_vec(request).unwrap_or_default();
        text.push(b'\n');
        if (&self.stream).write_all(&text).is_err() {
            self.is_gone.set(true);
        }
    }

    /// What was said since, if anything.
    pub(super) fn heard(&self) -> Option<Reply> {
        match self.replies.try_recv() {
            Ok(reply) => Some(reply),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                self.is_gone.set(true);
                None
            }
        }
    }

    /// Whether the process has hung up, mostly since it ended.
    pub(super) fn is_gone(&self) -> bool {
        self.is_gone.get()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Ends the listening, too. One that has ended is as well.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

/// The socket of a process that may be drilled.
fn find(pid: u32) -> Result<PathBuf, Refusal> {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let found = fs::metadata(&process).map_err(|_| {
        Refusal::new(
            UNREACHABLE,
            format!("no such process on this machine: pid {pid}"),
            "drill a service where it runs, inside of its container too: `loopscope drill` there",
        )
    })?;
    let own = rustix::process::geteuid().as_raw();
    if found.uid() != own {
        return Err(Refusal::new(
            NOT_PERMITTED,
            format!(
                "it is a process of another user (uid {}): pid {pid}",
                found.uid()
            ),
            format!(
                "drill it as that user: `sudo -u '#{}' loopscope drill {pid}`",
                found.uid()
            ),
        ));
    }
    let name = format!("{pid}.{DRILL_EXTENSION}");
    let folders = given_folder(&process).into_iter().chain(candidates());
    let mut sockets = folders.map(|folder| folder.join(&name));
    sockets.find(|socket| fs::symlink_metadata(socket).is_ok()).ok_or_else(|| {
        Refusal::new(
            NOT_PERMITTED,
            format!("it was not started with --allow-drill, or runs no asyncio: pid {pid}"),
            "start it so: `loopscope run --allow-drill -- COMMAND`; `loopscope drill` alone drills a sample service",
        )
    })
}

/// The folder for recordings that the process was started with.
fn given_folder(process: &Path) -> Option<PathBuf> {
    let environment = fs::read(process.join("environ")).ok()?;
    let mut variables = environment.split(|byte| *byte == 0);
    let value = variables.find_map(|variable| {
        let text = std::str::from_utf8(variable).ok()?;
        text.strip_prefix(RUNTIME_DIR)?.strip_prefix('=')
    })?;
    Some(PathBuf::from(value)).filter(|folder| folder.is_absolute())
}

/// Connects to a socket however long its path is: an address has room for a hundred bytes.
fn connect(socket: &Path) -> io::Result<UnixStream> {
    let folder = socket.parent().unwrap_or(Path::new("/"));
    let folder = File::options()
        .read(true)
        .custom_flags((OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC).bits() as i32)
        .open(folder)?;
    let name = socket.file_name().unwrap_or_default();
    let path = Path::new("/proc/self/fd")
        .join(folder.as_raw_fd().to_string())
        .join(name);
    UnixStream::connect(path)
}

fn introduced(stream: &UnixStream, lines: &mut impl BufRead) -> io::Result<Introduction> {
    stream.set_read_timeout(Some(INTRODUCED_WITHIN))?;
    let first = line(lines)?;
    stream.set_read_timeout(None)?;
    serde_json::from_slice(&first).map_err(Into::into)
}

fn line(lines: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    lines.take(MOST_BYTES as u64).read_until(b'\n', &mut line)?;
    if line.ends_with(b"\n") {
        Ok(line)
    } else {
        Err(ErrorKind::UnexpectedEof.into())
    }
}

fn unconnected(pid: u32, error: &io::Error) -> Refusal {
    Refusal::new(
        UNREACHABLE,
        format!("it takes no drill ({error}): pid {pid}"),
        format!("see whether it is still there: `loopscope dump {pid}`"),
    )
}

fn silent(pid: u32, error: &io::Error) -> Refusal {
    let is_late = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
    if is_late {
        return Refusal::new(
            UNREACHABLE,
            format!("another drill is under way in it, or it stands still: pid {pid}"),
            format!("wait for the other one, or see where it stands: `loopscope dump {pid}`"),
        );
    }
    unconnected(pid, error)
}
