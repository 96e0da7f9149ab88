//! The services of the demo, and what their users ask for.

use std::ffi::OsString;
use std::time::Duration;
use std::{env, fs, io};

use tempfile::TempDir;

use crate::python::Python;

/// The sample service in Python, as a program.
const SHOP: &str = include_str!("shop.py");

/// The command of this program that is the sample service in Rust.
const OWN_COMMAND: &str = "demo-shop";

/// A service to watch.
pub(crate) struct Sample {
    pub(crate) command: Vec<OsString>,
    pub(crate) users: Users,
    /// What it is, in two lines.
    pub(crate) about: &'static str,
    /// How a service of this kind is watched.
    pub(crate) own: &'static str,
    /// Whether a drill knows how to get faults into it.
    pub(crate) allows_drill: bool,
    /// What it consists of, deleted with this.
    _folder: Option<TempDir>,
}

/// What its users ask for.
#[derive(Clone, Copy)]
pub(crate) struct Users {
    /// All the time, in turn.
    pub(crate) ordinary: &'static [&'static str],
    /// What hurts, in turn, and how long it is quiet before each.
    pub(crate) script: &'static [(&'static str, Duration)],
}

const OF_PYTHON: Users = Users {
    ordinary: &["/orders"],
    script: &[
        ("/invoice", Duration::from_secs(2)),
        ("/search", Duration::from_secs(3)),
        ("/import", Duration::from_secs(3)),
        ("/export", Duration::from_secs(4)),
    ],
};

const OF_RUST: Users = Users {
    ordinary: &["/orders", "/orders", "/orders", "/receipt"],
    script: &[
        ("/invoice", Duration::from_millis(1000)),
        ("/reserve", Duration::from_millis(1500)),
        ("/export", Duration::from_millis(2500)),
    ],
};

impl Sample {
    /// On asyncio.
    pub(crate) fn python(python: &Python) -> io::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("loopscope-demo-")
            .tempdir()?;
        let shop = folder.path().join("shop.py");
        fs::write(&shop, SHOP)?;
        Ok(Self {
            command: vec![python.path.clone().into(), shop.into()],
            users: OF_PYTHON,
            about: "(orders, invoices, search), with a stock keeper on a\nsecond loop.",
            own: "loopscope run -- python app.py",
            allows_drill: true,
            _folder: Some(folder),
        })
    }

    /// On tokio: this very program once more.
    pub(crate) fn rust() -> io::Result<Self> {
        Ok(Self {
            command: vec![env::current_exe()?.into(), OWN_COMMAND.into()],
            users: OF_RUST,
            about: "(orders, receipts, invoices) on two workers of tokio, with\na stock keeper on a thread of its own.",
            own: "loopscope run -- ./service",
            allows_drill: false,
            _folder: None,
        })
    }

    /// Its program, for messages.
    pub(crate) fn program(&self) -> String {
        let program = self.command.first();
        program.map_or_else(String::new, |program| {
            program.to_string_lossy().into_owned()
        })
    }
}
