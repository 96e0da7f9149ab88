//! Tables as real interpreters wrote them.

use std::process::Command;

use super::*;
use crate::pythons;

/// The lines of each two bytes of code, as runs of the same line.
fn runs(format: LineFormat, hex: &str, first_line: u32, code_bytes: u64) -> Vec<Option<u32>> {
    let table = bytes(hex);
    let mut lines: Vec<Option<u32>> = (0..code_bytes)
        .step_by(2)
        .map(|at| line_at(format, &table, first_line, at))
        .collect();
    lines.dedup();
    lines
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.trim_matches('-').as_bytes();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// `def f(x):` on line 3, `if x:` on line 4, a call of `g` over lines 5 to 7 with its argument on line
/// 6, and a list comprehension on line 9.
#[test]
fn the_tables_of_one_function_in_each_version_give_its_lines() {
    let lines = |numbers: &[u32]| numbers.iter().copied().map(Some).collect::<Vec<_>>();
    let table = "00010401020102ff0404";
    assert_eq!(
        runs(LineFormat::Lnotab, table, 3, 26),
        lines(&[4, 5, 6, 5, 9]),
        "3.9"
    );
    let table = "04010201020104ff0e04";
    assert_eq!(
        runs(LineFormat::Pairs, table, 3, 26),
        lines(&[4, 5, 6, 5, 9]),
        "3.10"
    );
    let table = "8000d80708f00003050add0809d80c0df10302090af40002090af00002090af008000c1a883e90718\
                 83e893e8c3ed00419";
    assert_eq!(
        runs(LineFormat::Locations, table, 3, 60),
        lines(&[3, 4, 5, 6, 5, 9]),
        "3.11"
    );
    let table = "8000de0708dc0809d80c0df40302090af1080018198b3e917190218a419171893ed00419f98a3e";
    let mut with_cleanup = lines(&[3, 4, 5, 6, 5, 9]);
    with_cleanup.extend([None, Some(9)]);
    assert_eq!(
        runs(LineFormat::Locations, table, 3, 82),
        with_cleanup,
        "3.13"
    );
}

#[test]
fn garbage_ends_without_a_line() {
    for format in [LineFormat::Lnotab, LineFormat::Pairs, LineFormat::Locations] {
        for table in [
            &[][..],
            &[0xff; 7],
            &[0x80],
            &[0xf0, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f],
        ] {
            // Any answer will do, as long as there is one.
            line_at(format, table, u32::MAX, u64::MAX);
            line_at(format, table, 0, 0);
        }
    }
    assert_eq!(
        line_at(LineFormat::Lnotab, &[2, 0x80], 1, 4),
        None,
        "a line before the first"
    );
}

#[test]
fn each_instruction_has_the_line_that_the_interpreter_gives_it() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/line_tables.py");
    for python in pythons::all() {
        let format = match python.version {
            (3, 9, _) => LineFormat::Lnotab,
            (3, 10, _) => LineFormat::Pairs,
            _ => LineFormat::Locations,
        };
        let output = Command::new(&python.path).arg(script).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).unwrap();
        let mut instructions = 0;
        for function in text.lines() {
            instructions += check(format, function);
        }
        assert!(
            instructions > 10_000,
            "{:?}: {instructions} instructions",
            python.version
        );
    }
}

/// Compares one line of the script's output; returns how many instructions it has.
fn check(format: LineFormat, function: &str) -> usize {
    let mut words = function.split_ascii_whitespace();
    let first_line = words.next().unwrap().parse().unwrap();
    let table = bytes(words.next().unwrap());
    words
        .map(|pair| {
            let (offset, line) = pair.split_once(':').unwrap();
            let found = line_at(format, &table, first_line, offset.parse().unwrap());
            assert_eq!(
                found,
                line.parse().ok(),
                "{format:?} at {offset} of {function}"
            );
        })
        .count()
}

proptest::proptest! {
    #[test]
    fn any_table_gives_an_answer(
        table in proptest::collection::vec(0_u8.., 0..64),
        first_line: u32,
        offset in 0_u64..4096,
    ) {
        for format in [LineFormat::Lnotab, LineFormat::Pairs, LineFormat::Locations] {
            line_at(format, &table, first_line, offset);
        }
    }
}
