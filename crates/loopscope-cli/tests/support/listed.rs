//! The interpreters that a run of the tests was given.

use std::path::PathBuf;

/// Those of `LOOPSCOPE_TEST_PYTHONS`; none where it does not say.
pub(crate) fn listed_pythons() -> Vec<PathBuf> {
    let listed = std::env::var("LOOPSCOPE_TEST_PYTHONS").unwrap_or_default();
    let listed = listed.split(':').filter(|path| !path.is_empty());
    listed.map(PathBuf::from).collect()
}
