//! What a person sees who runs it on a terminal: a live line that takes no more than its line, and is gone at the end.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tempfile::TempDir;

use crate::command::stress;
use crate::server::service;

/// Begins a live line anew: to the first column, and everything behind it is erased.
const ANEW: &str = "\r\u{1b}[K";

/// A terminal, and what was written to it.
struct Terminal {
    keyboard: File,
    written: Vec<u8>,
}

impl Terminal {
    /// Runs a command on a terminal that is so wide, as the shell of a person does.
    fn with(columns: u16, command: &Command) -> (Self, Child) {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let own = openpt(flags).unwrap();
        grantpt(&own).unwrap();
        unlockpt(&own).unwrap();
        let size = Winsize {
            ws_row: 24,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&own, size).unwrap();
        let side = |own: &OwnedFd| Stdio::from(ioctl_tiocgptpeer(own, flags).unwrap());
        let child = Command::new("setsid")
            .arg("--ctty")
            .arg(command.get_program())
            .args(command.get_args())
            .envs(
                command
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .stdin(side(&own))
            .stdout(side(&own))
            .stderr(side(&own))
            .spawn()
            .unwrap();
        let terminal = Self {
            keyboard: File::from(own),
            written: Vec::new(),
        };
        (terminal, child)
    }

    /// Reads on until this holds of what was written.
    fn until(&mut self, is_so: impl Fn(&str) -> bool) {
        while !is_so(&self.text()) {
            assert!(self.read_on(), "it ended: {:?}", self.text());
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.written).into_owned()
    }

    /// `false` once nobody writes to it any more, which the kernel tells as an error.
    fn read_on(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let count = self.keyboard.read(&mut bytes).unwrap_or(0);
        self.written.extend_from_slice(&bytes[..count]);
        count > 0
    }

    fn until_end(&mut self) {
        while self.read_on() {}
    }
}

#[test]
fn a_live_line_keeps_to_its_line_and_is_gone_after_ctrl_c() {
    let served = service();
    let home = TempDir::new().unwrap();
    let url = served.url();
    let words = [&url, "--endpoint", "GET", "/ok", "--duration", "1h"];
    let columns = 48;
    let (mut terminal, mut child) = Terminal::with(columns, &stress(home.path(), &words));
    terminal.until(|written| written.matches(ANEW).count() >= 2);
    terminal.keyboard.write_all(&[0x03]).unwrap();
    terminal.until_end();
    assert_eq!(child.wait().unwrap().code(), Some(130));

    let written = terminal.text();
    let lines: Vec<&str> = written.split(ANEW).collect();
    let [_before, live @ .., after] = lines.as_slice() else {
        panic!("no live line: {written:?}");
    };
    for line in live {
        // The terminal itself shows the key that was pressed.
        let line = line.trim_end_matches("^C");
        assert!(line.starts_with("round 1/"), "{written:?}");
        assert!(line.contains("closed loop "), "{written:?}");
        assert!(line.contains("/s p99 "), "{written:?}");
        assert!(line.chars().count() < usize::from(columns), "{written:?}");
    }
    assert!(!after.contains("round 1/"), "{written:?}");
    assert!(after.contains("interrupted after"), "{written:?}");
}
