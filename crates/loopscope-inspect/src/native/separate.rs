//! Debug information that was taken out of a program and is kept beside it, as careful builds do.
//!
//! Looked for where debuggers look, and believed only where it has the build id of the program. Not for libraries: their
//! lines are nobody's to change, and reading them takes its time.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSection, ReadCache};

/// Where the system keeps such files.
const SYSTEM_FOLDER: &str = "/usr/lib/debug";

/// What is known of a file's functions.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The file that was taken out, as this process can open it.
    pub(super) apart: Option<PathBuf>,
    pub(super) has_names: bool,
}

/// What tells the functions and lines of a file that a process has mapped from `path`.
pub(super) fn told_by(pid: u32, path: &Path, file: &mut (impl Read + Seek)) -> Told {
    let Some(own) = Wanted::of(file) else {
        return Told::default();
    };
    let is_program = fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|own| own == path);
    if own.has_names || !is_program {
        return Told {
            apart: None,
            has_names: own.has_names,
        };
    }
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    let under_root = |path: PathBuf| root.join(path.strip_prefix("/").unwrap_or(&path));
    let mut places = own.places(path).into_iter().map(under_root);
    let apart = places.find(|place| own.is_in(place));
    Told {
        has_names: apart.is_some(),
        apart,
    }
}

/// A file's build id, the name that it gives for what was taken out of it, and whether it has names itself.
struct Wanted {
    build_id: Vec<u8>,
    link: Option<String>,
    has_names: bool,
}

impl Wanted {
    fn of(file: &mut (impl Read + Seek)) -> Option<Self> {
        let cache = ReadCache::new(file);
        let elf = ElfFile64::<Endianness, _>::parse(&cache).ok()?;
        let has = |name: &str| {
            let section = elf.section_by_name(name);
            section.is_some_and(|section| section.file_range().is_some())
        };
        let link = elf.gnu_debuglink().ok().flatten();
        Some(Self {
            build_id: elf.build_id().ok().flatten().unwrap_or_default().to_vec(),
            link: link.map(|(name, _)| String::from_utf8_lossy(name).into_owned()),
            has_names: has(".symtab") || has(".debug_info"),
        })
    }

    fn places(&self, path: &Path) -> Vec<PathBuf> {
        let mut places = Vec::new();
        if let Some((folder, file)) = split(&self.build_id) {
            places.push(format!("{SYSTEM_FOLDER}/.build-id/{folder}/{file}.debug").into());
        }
        let folder = path.parent().unwrap_or(Path::new("/"));
        if let Some(link) = &self.link {
            places.push(folder.join(link));
            places.push(folder.join(".debug").join(link));
            let from_root = folder.strip_prefix("/").unwrap_or(folder);
            places.push(Path::new(SYSTEM_FOLDER).join(from_root).join(link));
        }
        places
    }

    fn is_in(&self, place: &Path) -> bool {
        let found = File::open(place)
            .ok()
            .and_then(|mut file| Self::of(&mut file));
        !self.build_id.is_empty()
            && found.is_some_and(|found| found.has_names && found.build_id == self.build_id)
    }
}

/// The first byte and the others, as file names have them.
fn split(build_id: &[u8]) -> Option<(String, String)> {
    let (first, others) = build_id.split_first()?;
    let others = others.iter().map(|byte| format!("{byte:02x}")).collect();
    Some((format!("{first:02x}"), others))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(build_id: &[u8], link: Option<&str>) -> Wanted {
        Wanted {
            build_id: build_id.to_vec(),
            link: link.map(str::to_owned),
            has_names: false,
        }
    }

    #[test]
    fn debug_information_is_looked_for_where_debuggers_look() {
        let places = wanted(&[0xab, 0x01, 0xff], Some("app.debug")).places(Path::new("/srv/app"));
        let expected = [
            "/usr/lib/debug/.build-id/ab/01ff.debug",
            "/srv/app.debug",
            "/srv/.debug/app.debug",
            "/usr/lib/debug/srv/app.debug",
        ];
        assert_eq!(places, expected.map(PathBuf::from));
        assert!(wanted(&[], None).places(Path::new("/srv/app")).is_empty());
    }

    #[test]
    fn another_build_says_nothing() {
        let own = std::env::current_exe().unwrap();
        let mut file = File::open(&own).unwrap();
        let told = Wanted::of(&mut file).unwrap();
        assert!(told.has_names && !told.build_id.is_empty());
        assert!(told.is_in(&own));
        assert!(!wanted(&[1, 2, 3], None).is_in(&own));
        assert!(!wanted(&[], None).is_in(&own));
    }
}
