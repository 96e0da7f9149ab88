//! What the mappings of a process say of the pulse: is it in there, and if not, could it be?

use std::collections::BTreeSet;
use std::fs;
use std::io;

/// How far the pulse came with a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Not looked at, or nothing can be said: it is starting, or ending.
    Unknown,
    /// It is inside, its image begins here.
    Inside {
        /// The address.
        base: u64,
    },
    /// It cannot be loaded: nothing loads anything into this program.
    Static,
    /// It was not loaded.
    Outside,
    /// The process may not be looked into.
    Closed(String),
}

/// How far the pulse, which has this inode, came with a process.
pub(super) fn reach(pid: u32, pulse_inode: u64) -> Reach {
    match fs::read(format!("/proc/{pid}/maps")) {
        Ok(maps) => judge(&String::from_utf8_lossy(&maps), pulse_inode),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Reach::Closed(error.to_string())
        }
        Err(_) => Reach::Unknown,
    }
}

fn judge(maps: &str, pulse_inode: u64) -> Reach {
    let mut programs = BTreeSet::new();
    for mapping in maps.lines().filter_map(Mapping::parse) {
        if mapping.inode == pulse_inode && mapping.file_offset == 0 {
            return Reach::Inside {
                base: mapping.start,
            };
        }
        if mapping.is_code && mapping.inode != 0 {
            programs.insert(mapping.inode);
        }
    }
    match programs.len() {
        0 => Reach::Unknown,
        // The program's own file alone; any other has its loader beside it.
        1 => Reach::Static,
        _ => Reach::Outside,
    }
}

struct Mapping {
    start: u64,
    is_code: bool,
    file_offset: u64,
    inode: u64,
}

impl Mapping {
    /// Of one line: `start-end perms offset dev inode path`.
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let (start, _) = fields.next()?.split_once('-')?;
        let permissions = fields.next()?;
        let file_offset = fields.next()?;
        Some(Self {
            start: u64::from_str_radix(start, 16).ok()?,
            is_code: permissions.contains('x'),
            file_offset: u64::from_str_radix(file_offset, 16).ok()?,
            inode: fields.nth(1)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: &str = "\
400000-401000 r--p 00000000 08:01 7 /bin/app
401000-402000 r-xp 00001000 08:01 7 /bin/app
7ff000-7ff800 r--p 00000000 08:01 30 /usr/lib/locale/locale-archive
7ffff0-7ffff8 r-xp 00000000 00:00 0 [vdso]
";

    fn with(more: &str) -> String {
        format!("{PROGRAM}{more}")
    }

    #[test]
    fn a_program_with_nothing_but_itself_to_run_is_static() {
        assert_eq!(judge(PROGRAM, 5), Reach::Static);
    }

    #[test]
    fn a_program_with_a_loader_beside_it_was_started_without_the_pulse() {
        let loader = with("7f0000-7f1000 r-xp 00000000 08:01 9 /lib64/ld-linux-x86-64.so.2\n");
        assert_eq!(judge(&loader, 5), Reach::Outside);
    }

    #[test]
    fn the_pulse_is_found_where_its_image_begins() {
        let pulse = with(
            "7f2000-7f3000 r--p 00000000 08:01 5 /var/tmp/pulse.so\n\
             7f3000-7f4000 r-xp 00001000 08:01 5 /var/tmp/pulse.so (deleted)\n",
        );
        assert_eq!(judge(&pulse, 5), Reach::Inside { base: 0x007f_2000 });
    }

    #[test]
    fn a_process_that_is_ending_says_nothing() {
        assert_eq!(judge("", 5), Reach::Unknown);
        assert_eq!(
            judge("7ffff0-7ffff8 r-xp 0 00:00 0 [vdso]", 5),
            Reach::Unknown
        );
    }
}
