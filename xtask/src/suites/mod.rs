//! Interpreters of other Debian suites, unpacked into `target/interpreters/SUITE/` and kept there.
//!
//! Unpacked, never installed, so it needs no root and touches nothing outside the folder. Each interpreter is
//! started by a script in its place that hands it to a C library of its own age; what runs is then the
//! loader, with the interpreter mapped by it. The packages come from the mirror that this machine's apt
//! is set up with. Where there is none, that is said, and the tests go on without.

mod apt;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use xshell::Shell;

use apt::Apt;

/// What the stamps of unpacked suites begin with; counted up when the way of unpacking changes.
const RECIPE: u32 = 1;

/// Where a suite's interpreters are moved to make room for the scripts that start them.
const REAL_PROGRAMS: &str = "usr/libexec/loopscope";

/// Where the C library and its loader are in a suite.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";

/// A suite and what is taken of it.
#[derive(Debug)]
struct Suite {
    name: &'static str,
    packages: &'static [&'static str],
    /// Programs of `usr/bin` that are started through a script.
    programs: &'static [&'static str],
    /// The suite whose C library runs them: the own one, or a newer one where the own loader does not
    /// know how to give a program a name.
    c_library_of: &'static str,
}

/// In the order of unpacking.
const SUITES: &[Suite] = &[
    Suite {
        name: "trixie",
        packages: &["python3.13", "pypy3", "python3-pip-whl"],
        programs: &["python3.13", "pypy3.11"],
        c_library_of: "trixie",
    },
    Suite {
        name: "bullseye",
        packages: &["python3.9", "python3-distutils"],
        programs: &["python3.9"],
        c_library_of: "trixie",
    },
    Suite {
        name: "sid",
        packages: &["python3.13", "python3.14", "python3.15", "python3-pip-whl"],
        programs: &["python3.13", "python3.14", "python3.15"],
        c_library_of: "sid",
    },
];

/// The folder that has the suites, each in a folder of its name.
fn folder() -> PathBuf {
    crate::root().join("target/interpreters")
}

/// The folders that have the interpreters that were unpacked.
pub(crate) fn program_folders() -> Vec<PathBuf> {
    let suites = SUITES.iter().map(|suite| folder().join(suite.name));
    suites
        .map(|suite| suite.join("usr/bin"))
        .filter(|bin| bin.is_dir())
        .collect()
}

/// The wheel of pip for an interpreter that was unpacked: the one of its suite, or the first there is.
pub(crate) fn pip_wheel(python: &Path) -> Option<PathBuf> {
    let own = |suite: &&Suite| python.starts_with(suite.folder());
    let mut by_closeness = SUITES.iter().filter(own).chain(SUITES);
    by_closeness.find_map(Suite::pip_wheel)
}

/// Whether an interpreter is one of those that were unpacked.
pub(crate) fn is_unpacked(python: &Path) -> bool {
    python.starts_with(folder())
}

/// Unpacks what is not there yet. One that cannot be had is left out, and that is said.
pub(crate) fn prepare(shell: &Shell) -> Result<()> {
    let stale: Vec<&Suite> = SUITES.iter().filter(|suite| !suite.is_there()).collect();
    if stale.is_empty() {
        return Ok(());
    }
    let apt = match Apt::of_this_machine(shell) {
        Ok(apt) => apt,
        Err(reason) => {
            println!("SKIPPED: interpreters of other Debian suites: {reason:#}");
            return Ok(());
        }
    };
    for suite in stale {
        println!(
            "unpacking {} of Debian {}",
            suite.programs.join(", "),
            suite.name
        );
        if let Err(reason) = suite.unpack(shell, &apt) {
            println!("SKIPPED: interpreters of Debian {}: {reason:#}", suite.name);
        }
    }
    Ok(())
}

impl Suite {
    fn folder(&self) -> PathBuf {
        folder().join(self.name)
    }

    fn pip_wheel(&self) -> Option<PathBuf> {
        let wheels = fs::read_dir(self.folder().join("usr/share/python-wheels"));
        let mut entries = wheels.into_iter().flatten().flatten();
        let is_pip = |name: &str| name.starts_with("pip-");
        let pip = entries.find(|entry| is_pip(&entry.file_name().to_string_lossy()))?;
        Some(pip.path())
    }

    fn stamp(&self) -> String {
        format!("{RECIPE} {self:?}")
    }

    fn is_there(&self) -> bool {
        fs::read_to_string(self.folder().join("made-from")).is_ok_and(|made| made == self.stamp())
    }

    /// Unpacks into a folder aside and puts that in place when it is whole.
    fn unpack(&self, shell: &Shell, apt: &Apt) -> Result<()> {
        let loader = folder().join(self.c_library_of).join(LIBRARIES);
        if self.c_library_of != self.name && !loader.is_dir() {
            bail!("they need the C library of {}", self.c_library_of);
        }
        let folder = self.folder();
        shell.remove_path(&folder)?;
        let aside = folder.with_extension("unpacked");
        shell.remove_path(&aside)?;
        lay_out(&aside)?;
        let downloads = shell.create_temp_dir()?;
        for package in apt.download(shell, self.name, self.packages, downloads.path())? {
            extract(&package, &aside)?;
        }
        for program in self.programs {
            self.replace_program(&aside, program)?;
        }
        fs::write(aside.join("made-from"), self.stamp())?;
        fs::rename(&aside, &folder)?;
        self.link_programs()
    }

    /// Moves a program away and puts a script in its place that starts it.
    fn replace_program(&self, aside: &Path, program: &str) -> Result<()> {
        let script = aside.join("usr/bin").join(program);
        let real = aside.join(REAL_PROGRAMS).join(program);
        fs::create_dir_all(aside.join(REAL_PROGRAMS))?;
        fs::rename(&script, &real).with_context(|| format!("no {program} in it"))?;
        fs::write(&script, self.script(program))?;
        Ok(fs::set_permissions(
            &script,
            fs::Permissions::from_mode(0o755),
        )?)
    }

    /// The interpreter is told the script's name, so that it finds its library beside it and starts
    /// children, and makes virtual environments, through it.
    fn script(&self, program: &str) -> String {
        let c_library = folder().join(self.c_library_of).join(LIBRARIES);
        let own_libraries = self.folder().join(LIBRARIES);
        let real = self.folder().join(REAL_PROGRAMS).join(program);
        format!(
            "#!/bin/sh\nexec '{0}/ld-linux-x86-64.so.2' --argv0 \"$0\" --library-path '{0}:{1}' '{2}' \"$@\"\n",
            c_library.display(),
            own_libraries.display(),
            real.display()
        )
    }

    /// For people: all interpreters in one folder. Where two suites have the same program, the later one's
    /// carries the suite's name.
    fn link_programs(&self) -> Result<()> {
        let bin = folder().join("bin");
        fs::create_dir_all(&bin)?;
        let earlier = SUITES.iter().take_while(|suite| suite.name != self.name);
        let taken: Vec<_> = earlier.flat_map(|suite| suite.programs).collect();
        for program in self.programs {
            let link = match taken.contains(&program) {
                true => bin.join(format!("{program}-{}", self.name)),
                false => bin.join(program),
            };
            let _ = fs::remove_file(&link);
            symlink(
                Path::new("..")
                    .join(self.name)
                    .join("usr/bin")
                    .join(program),
                link,
            )?;
        }
        Ok(())
    }
}

/// The links of a merged `/usr`, which packages expect to find.
fn lay_out(root: &Path) -> Result<()> {
    for name in ["bin", "lib", "lib64", "sbin"] {
        fs::create_dir_all(root.join("usr").join(name))?;
        symlink(Path::new("usr").join(name), root.join(name))?;
    }
    Ok(())
}

/// Puts a package's files into `root`, through the links of its merged `/usr`.
fn extract(package: &Path, root: &Path) -> Result<()> {
    let mut unpack = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdout(Stdio::piped())
        .spawn()?;
    let archive = unpack.stdout.take().context("a pipe")?;
    let extracted = Command::new("tar")
        .args(["-x", "--keep-directory-symlink", "-C"])
        .arg(root)
        .stdin(archive)
        .status()?;
    if !unpack.wait()?.success() || !extracted.success() {
        bail!("cannot unpack {}", package.display());
    }
    Ok(())
}
