//! Builds the pulse and hands its path to the program, which carries it inside.
//!
//! A nested build, because the pulse is an object of its own with a profile of its own. It has a target
//! folder of its own too, so that it never waits for the lock of the build it runs in.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let own = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let crates = own.parent().unwrap_or(Path::new("."));
    for source in ["loopscope-pulse", "loopscope-recorder"] {
        println!(
            "cargo::rerun-if-changed={}",
            crates.join(source).join("src").display()
        );
        println!(
            "cargo::rerun-if-changed={}",
            crates.join(source).join("Cargo.toml").display()
        );
    }
    let target = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("pulse");
    let triple = env::var("TARGET").unwrap_or_default();
    let mut build = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    build
        .args([
            "build",
            "--package",
            "loopscope-pulse",
            "--profile",
            "pulse",
            "--locked",
        ])
        .args(["--target", &triple])
        .arg("--manifest-path")
        .arg(crates.join("loopscope-pulse/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target);
    // Settings of the build around it (clippy's wrapper, coverage flags) are not meant for the pulse.
    for name in [
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTFLAGS",
    ] {
        build.env_remove(name);
    }
    let built = build.status().is_ok_and(|status| status.success());
    assert!(built, "the pulse could not be built: {build:?}");
    let object = target.join(triple).join("pulse/libloopscope_pulse.so");
    println!(
        "cargo::rustc-env=LOOPSCOPE_PULSE_OBJECT={}",
        object.display()
    );
}
