//! Packages of any Debian suite, downloaded with lists and a state of their own.
//!
//! The machine's own apt is only asked where it has its packages from and how it reaches that; nothing of
//! it is changed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use crate::preflight;

/// The keys of Debian's archive, where the machine has them in a file of their own.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// What of a suite is not needed to find packages in it.
const LEFT_OUT: &[&str] = &[
    "Acquire::Languages=none",
    "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
    "Acquire::IndexTargets::deb::CNF::DefaultEnabled=false",
];

/// The way to Debian's packages.
pub(super) struct Apt {
    mirror: String,
}

impl Apt {
    /// From what this machine's apt is set up with.
    pub(super) fn of_this_machine(shell: &Shell) -> Result<Self> {
        for program in ["apt-get", "dpkg-deb", "tar"] {
            if !preflight::is_there(program) {
                bail!("{program} is missing");
            }
        }
        // What an update would fetch: needs neither lists nor root.
        let addresses = cmd!(shell, "apt-get update --print-uris").quiet().read()?;
        let mirror = addresses.lines().find_map(mirror_of_debian);
        Ok(Self {
            mirror: mirror.context("no mirror of Debian among apt's sources")?,
        })
    }

    /// Downloads packages of a suite with all that they depend on into `folder`, and returns their files.
    pub(super) fn download(
        &self,
        shell: &Shell,
        suite: &str,
        packages: &[&str],
        folder: &Path,
    ) -> Result<Vec<PathBuf>> {
        let settings = self.settings(suite, folder)?;
        run_apt(shell, &settings, &["update"])?;
        let install = [
            "-y",
            "--no-install-recommends",
            "--download-only",
            "install",
        ];
        run_apt(shell, &settings, &[install.as_slice(), packages].concat())?;
        let entries = fs::read_dir(folder.join("cache/archives"))?;
        let files = entries.flatten().map(|entry| entry.path());
        Ok(files
            .filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .collect())
    }

    /// Settings that keep apt inside `folder`, with one suite in its sources.
    fn settings(&self, suite: &str, folder: &Path) -> Result<Vec<String>> {
        for name in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(name))?;
        }
        let (status, sources) = (folder.join("status"), folder.join("sources.list"));
        fs::write(&status, "")?;
        let keys = match Path::new(KEYRING).exists() {
            true => format!("[signed-by={KEYRING}] "),
            false => String::new(),
        };
        let mirror = &self.mirror;
        fs::write(&sources, format!("deb {keys}{mirror} {suite} main\n"))?;
        let own = [
            format!("Dir::Etc::sourcelist={}", sources.display()),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            format!("Dir::State={}", folder.join("state").display()),
            format!("Dir::State::status={}", status.display()),
            format!("Dir::Cache={}", folder.join("cache").display()),
            "Debug::NoLocking=true".to_owned(),
            // Without this, root's apt fetches as a user of its own, who may not write into the folder.
            "APT::Sandbox::User=".to_owned(),
        ];
        let left_out = LEFT_OUT.iter().map(|setting| (*setting).to_owned());
        Ok(own
            .into_iter()
            .chain(left_out)
            .flat_map(|setting| ["-o".to_owned(), setting])
            .collect())
    }
}

/// `'http://MIRROR/debian/dists/bookworm/InRelease' …`; other archives have other folders in front.
fn mirror_of_debian(line: &str) -> Option<String> {
    let (mirror, _) = line.strip_prefix('\'')?.split_once("/dists/")?;
    mirror.ends_with("/debian").then(|| mirror.to_owned())
}

/// Runs apt silently; what it says last is the reason where it fails.
fn run_apt(shell: &Shell, settings: &[String], arguments: &[&str]) -> Result<()> {
    let output = cmd!(shell, "apt-get -q {settings...} {arguments...}")
        .quiet()
        .ignore_status()
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    bail!("{}", said.trim().lines().last().unwrap_or("apt-get failed"))
}
