//! What tests have Cargo build besides themselves.

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// `cargo build` into the folder that these tests were built into: what is needed in common is there already.
pub(crate) fn build(options: &[&str]) {
    compile("build", options);
}

/// `cargo build`, or `cargo rustc`.
pub(crate) fn compile(how: &str, options: &[&str]) {
    let mut command = Command::new(env!("CARGO"));
    command
        .args([how, "--locked", "--target-dir"])
        .arg(target_folder())
        .args(options)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    // What Cargo tells a test of its package would have ring, which asks for it, built anew, and all above it.
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        let is_told = ["CARGO_PKG_", "CARGO_MANIFEST_", "OUT_DIR"];
        if is_told.iter().any(|told| name.starts_with(told)) {
            command.env_remove(&*name);
        }
    }
    let is_built = command.status().is_ok_and(|status| status.success());
    assert!(is_built, "{command:?}");
}

/// The folder with a folder for each profile.
pub(crate) fn target_folder() -> PathBuf {
    let mut folder = PathBuf::from(env!("CARGO_BIN_EXE_loopscope"));
    // The program's name, and that of its profile.
    folder.pop();
    folder.pop();
    folder
}
