//! Source lines of the target, for advice: which functions a line calls, as they are written there.
//!
//! A frame of a C function has no name of its own in a Python stack; the line that calls it has. Only
//! names leave this module, never arguments, literals or comments. Files are opened inside the
//! target's own root, so that neither a container's path nor a link that the target planted leads to a
//! file of the observer. A file that was edited since the target loaded it gives the edited line.

mod calls;
mod lexer;

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::sync::Arc;

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

use calls::FileCalls;

/// The largest file that is read; generated modules beyond it give no calls.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// Files kept before all are forgotten. What is kept of one is its calls, about as large as itself.
const MAX_FILES: usize = 256;

/// A function that a source line calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CalledName {
    /// The name as written, with dots: `time.sleep`. Where the function comes from an expression, the
    /// expression's own calls and subscripts are left empty: `connect().cursor`, `rows[].get`; one that
    /// begins with a literal or a group begins with a dot: `.join`.
    pub name: Arc<str>,
    /// Whether the call's result is awaited there and then, by `await`, `async with` or `async for`.
    pub is_awaited: bool,
}

/// The source files of one process. Keeps what it has read.
#[derive(Debug)]
pub struct SourceLines {
    pid: u32,
    files: HashMap<Arc<str>, Arc<FileCalls>>,
}

impl SourceLines {
    /// The source files of the process with this id.
    pub fn new(pid: u32) -> Self {
        Self {
            pid,
            files: HashMap::new(),
        }
    }

    /// The functions that a line calls, in the order in which their parentheses open: a call before
    /// those in its arguments. Where a statement spans lines, those named on this very line, or else
    /// those of the whole statement. Empty where the file cannot be read.
    pub fn calls_on_line(&mut self, file: &str, line: u32) -> Vec<CalledName> {
        self.file(file)
            .map_or_else(Vec::new, |calls| calls.on_line(line))
    }

    fn file(&mut self, file: &str) -> Option<Arc<FileCalls>> {
        if let Some(known) = self.files.get(file) {
            return Some(Arc::clone(known));
        }
        let text = read_text(open_in_target(self.pid, file)?)?;
        let calls = Arc::new(FileCalls::parse(&text));
        if self.files.len() >= MAX_FILES {
            self.files.clear();
        }
        self.files.insert(file.into(), Arc::clone(&calls));
        Some(calls)
    }
}

/// Opens a file by the path that the target knows it by. Names such as `<string>` are no files.
fn open_in_target(pid: u32, file: &str) -> Option<File> {
    let (folder, resolve) = match file.as_bytes().first()? {
        b'<' => return None,
        b'/' => ("root", ResolveFlag::RESOLVE_IN_ROOT),
        // Relative paths come from relative entries in `sys.path` and may climb out of the folder.
        _ => ("cwd", ResolveFlag::RESOLVE_NO_MAGICLINKS),
    };
    let folder = File::open(format!("/proc/{pid}/{folder}")).ok()?;
    // Opening must not wait for the other end of a pipe.
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let how = OpenHow::new().flags(flags).resolve(resolve);
    openat2(folder.as_fd(), file, how).ok().map(File::from)
}

fn read_text(file: File) -> Option<String> {
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || metadata.len() > MAX_FILE_BYTES {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests;
