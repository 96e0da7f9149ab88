//! The fuzzer's seeds and finds, replayed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::everything::read_everything;

fn seeds() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut seeds: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    seeds.sort();
    seeds
}

/// The name's first word says what a reader makes of the file.
#[test]
fn each_seed_reads_as_its_name_says() {
    let seeds = seeds();
    assert!(seeds.len() >= 10, "the corpus is gone");
    for seed in seeds {
        let name = seed.file_name().unwrap().to_string_lossy().into_owned();
        let found = read_everything(&seed);
        match name.split('-').next() {
            Some("whole") => assert!(found.is_ok(), "{name}: {found:?}"),
            Some("refused") => assert!(found.is_err(), "{name}: {found:?}"),
            _ => panic!("a seed's name begins with `whole-` or `refused-`: {name}"),
        }
    }
}
