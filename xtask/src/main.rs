//! The one task runner: what CI runs is exactly what a person runs. Wiring only.

#![expect(
    clippy::print_stdout,
    reason = "a task runner talks to the person who runs it"
)]

mod bench;
mod harmless;
mod preflight;
mod pythons;
mod schema;
mod suites;
mod test;
mod typing;
mod venv;
mod wheel;

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use clap::{Parser, Subcommand};
use xshell::Shell;

/// Tasks of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Checks everything: format, lints, generated files, licences, unit tests, real programs
    Test {
        /// Leave out the tests that run real interpreters and servers
        #[arg(long)]
        quick: bool,
    },
    /// Unpacks the interpreters of other Debian suites that tests run on, and lists all that they run on
    Interpreters,
    /// Writes the JSON Schemas in schema/
    Schema {
        /// Fail if a file is stale instead of writing it
        #[arg(long)]
        check: bool,
    },
    /// Builds the Python wheel, with the command in it, into target/wheels
    Wheel,
    /// Runs the tests of other projects, bare and watched, and compares how each of them ends
    Harmless {
        /// Only the suites whose name contains this: asyncio, uvloop, anyio, aiohttp
        #[arg(long, default_value = "")]
        only: String,
        /// Only the interpreters whose version begins so
        #[arg(long, default_value = "")]
        python: String,
    },
    /// Measures what watching costs and how fast it tells
    Bench {
        /// Fewer and shorter rounds: a look, not a measurement
        #[arg(long)]
        quick: bool,
        /// Only the benchmarks whose name contains this
        #[arg(long, default_value = "")]
        only: String,
        /// Only the interpreters whose version begins so
        #[arg(long, default_value = "")]
        python: String,
    },
}

fn main() -> Result<()> {
    if knows_own_package() {
        return Err(without_own_package().into());
    }
    let shell = Shell::new()?;
    shell.change_dir(root());
    match Arguments::parse().task {
        Task::Test { quick } => test::run(&shell, quick),
        Task::Interpreters => venv::prepare(&shell).map(drop),
        Task::Schema { check } => schema::run(check),
        Task::Wheel => wheel::build(&shell),
        Task::Harmless { only, python } => harmless::run(&shell, &only, &python),
        Task::Bench {
            quick,
            only,
            python,
        } => bench::run(&shell, quick, &only, &python),
    }
}

/// Whether this runs with what `cargo run` says of the package. Builds that ask for such (ring's does) would take what is
/// started from here for a build of another package than a person's own `cargo build`, and do all of it again.
fn knows_own_package() -> bool {
    own_package().next().is_some()
}

fn own_package() -> impl Iterator<Item = OsString> {
    let names = std::env::vars_os().map(|(name, _)| name);
    names.filter(|name| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    })
}

/// Starts this anew without it. Returns where that fails.
fn without_own_package() -> io::Error {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1));
    own_package().for_each(|name| {
        command.env_remove(name);
    });
    command.exec()
}

/// Where cargo puts what it builds.
fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| root().join("target"))
}

/// The workspace's folder.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}
