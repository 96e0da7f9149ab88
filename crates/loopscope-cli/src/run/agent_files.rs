//! The Python agent, carried inside the program and unpacked where interpreters can take it from.
//!
//! Two folders side by side: `inject`, which goes on a target's PYTHONPATH, and `package`, from which the
//! agent is imported.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3Default;

use super::private_folder::{self, UnpackError};
use super::pulse_object::put;

include!(concat!(env!("OUT_DIR"), "/agent_files.rs"));

/// What every program has that runs CPython 3.8 or later, and no other.
const MARK: &str = "Py_BytesMain";

/// The folder for PYTHONPATH; unpacks the agent unless this very version is there already.
pub(crate) fn unpack() -> Result<PathBuf, UnpackError> {
    private_folder::unpack("the Python agent", unpack_into)
}

/// How the pulse is told to introduce the agent, see [`loopscope_recorder::environment::INTRODUCE`].
pub(crate) fn introduction(folder: &Path) -> String {
    format!("{MARK}:PYTHONPATH:{}", folder.display())
}

fn unpack_into(folder: &Path) -> io::Result<PathBuf> {
    let agent = folder.join(format!("agent-{:016x}", hash()));
    for (name, bytes) in FILES {
        let path = agent.join(name);
        if let Some(parent) = path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(parent)?;
        }
        put(&path, bytes)?;
    }
    Ok(agent.join("inject"))
}

fn hash() -> u64 {
    let mut hash = Xxh3Default::new();
    for (name, bytes) in FILES {
        hash.update(name.as_bytes());
        hash.update(bytes);
    }
    hash.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_is_unpacked_with_its_package_beside_what_injects_it() {
        let folder = tempfile::tempdir().unwrap();
        let inject = unpack_into(folder.path()).unwrap();
        assert!(inject.join("sitecustomize.py").is_file());
        let package = inject.with_file_name("package").join("loopscope");
        assert!(package.join("_native.abi3.so").is_file());
        assert!(package.join("py.typed").is_file());
    }
}
