//! Builds the pulse and the Python agent, and hands their paths to the program, which carries them inside.
//!
//! Nested builds, because each is an object of its own with a profile of its own. They have a target folder
//! of their own too, so that they never wait for the lock of the build they run in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, io};

/// What the objects are made from.
const SOURCES: [&str; 3] = ["loopscope-pulse", "loopscope-recorder", "loopscope-python"];

/// The Python files that the program carries, under `loopscope-python/python`.
const PYTHON_FOLDERS: [(&str, &str); 2] =
    [("inject", "inject"), ("loopscope", "package/loopscope")];

fn main() -> io::Result<()> {
    let own = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let crates = own.parent().unwrap_or(Path::new(".")).to_path_buf();
    for source in SOURCES {
        let parts = ["src", "Cargo.toml", "build.rs"].map(|part| crates.join(source).join(part));
        // What is not there would always count as changed.
        for part in parts.iter().filter(|part| part.exists()) {
            println!("cargo::rerun-if-changed={}", part.display());
        }
    }
    let pulse = build(&crates, "loopscope-pulse");
    println!(
        "cargo::rustc-env=LOOPSCOPE_PULSE_OBJECT={}",
        pulse.display()
    );
    let agent = build(&crates, "loopscope-python");
    // For the tests, which put a package together as a wheel has it.
    println!(
        "cargo::rustc-env=LOOPSCOPE_AGENT_OBJECT={}",
        agent.display()
    );
    let listed = out_dir().join("agent_files.rs");
    fs::write(
        listed,
        list_files(&crates.join("loopscope-python/python"), &agent, &pulse)?,
    )
}

fn out_dir() -> PathBuf {
    PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default())
}

/// Builds a package; returns the path of its object.
fn build(crates: &Path, package: &str) -> PathBuf {
    let target = out_dir().join("pulse");
    let triple = env::var("TARGET").unwrap_or_default();
    let mut build = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    build
        .args([
            "build",
            "--package",
            package,
            "--profile",
            "pulse",
            "--locked",
        ])
        .args(["--target", &triple])
        .arg("--manifest-path")
        .arg(crates.join(package).join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        // The agent's interface is the stable one: no interpreter has a say in the build.
        .env("PYO3_NO_PYTHON", "1");
    // Settings of the build around it (clippy's wrapper, coverage flags) are not meant for these.
    for name in [
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTFLAGS",
    ] {
        build.env_remove(name);
    }
    let built = build.status().is_ok_and(|status| status.success());
    assert!(built, "{package} could not be built: {build:?}");
    let name = package.replace('-', "_");
    target.join(triple).join(format!("pulse/lib{name}.so"))
}

/// A list of the agent's files, as Rust source: where each belongs, and its bytes.
fn list_files(python: &Path, agent: &Path, pulse: &Path) -> io::Result<String> {
    let mut list = String::from("const FILES: &[(&str, &[u8])] = &[\n");
    let mut add = |name: &str, path: &Path| {
        list.push_str(&format!(
            "    ({name:?}, include_bytes!({:?})),\n",
            path.display().to_string()
        ));
    };
    for (folder, placed) in PYTHON_FOLDERS {
        let folder = python.join(folder);
        println!("cargo::rerun-if-changed={}", folder.display());
        for file in files_below(&folder)? {
            let within = file.strip_prefix(&folder).unwrap_or(&file);
            add(&format!("{placed}/{}", within.display()), &file);
        }
    }
    add("package/loopscope/_native.abi3.so", agent);
    add("package/loopscope/libloopscope_pulse.so.1", pulse);
    list.push_str("];\n");
    Ok(list)
}

/// The files of a folder and of those in it, in the order of their paths. What an interpreter left there is
/// not ours, and objects that the building of a wheel left there may be old.
fn files_below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.ends_with("__pycache__") || is_object(&path) {
            continue;
        }
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn is_object(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".so") || name.contains(".so.")
}
