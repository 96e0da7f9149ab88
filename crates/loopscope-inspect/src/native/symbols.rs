//! From addresses to functions, files and lines, with what was inlined.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use addr2line::Loader;

use super::NativeFrame;
use super::modules::{Module, Modules};
use super::names::{module_of, plain};
use super::unwind::Step;

/// Addresses that are remembered. A stall meets some dozens; a program that is forgotten is met again.
const MOST_REMEMBERED: usize = 4096;

/// A frame, and which of the unwound ones it belongs to.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) frame: NativeFrame,
    /// The unwound frame that it is, or was inlined into.
    pub(super) step: usize,
}

/// What the files of a process say, as far as it was asked for.
#[derive(Default)]
pub(super) struct Symbols {
    /// By the path under which a file is opened; `None` for one that says nothing.
    loaders: HashMap<PathBuf, Option<Loader>>,
    /// Of an address, innermost first.
    remembered: HashMap<u64, Arc<[NativeFrame]>>,
}

impl Symbols {
    /// Nothing holds any more that was remembered of addresses: other files are mapped there.
    pub(super) fn forget(&mut self) {
        self.remembered.clear();
    }

    /// The frames of a stack, innermost first.
    pub(super) fn frames(&mut self, modules: &Modules, steps: &[Step]) -> Vec<Placed> {
        let mut placed = Vec::with_capacity(steps.len() * 2);
        for (step, Step { address, .. }) in steps.iter().enumerate() {
            let known = self.known(modules, *address);
            placed.extend(known.iter().map(|frame| Placed {
                frame: frame.clone(),
                step,
            }));
        }
        placed
    }

    fn known(&mut self, modules: &Modules, address: u64) -> Arc<[NativeFrame]> {
        if let Some(known) = self.remembered.get(&address) {
            return known.clone();
        }
        if self.remembered.len() >= MOST_REMEMBERED {
            self.remembered.clear();
        }
        let known = self.look_up(modules, address);
        self.remembered.insert(address, known.clone());
        known
    }

    fn look_up(&mut self, modules: &Modules, address: u64) -> Arc<[NativeFrame]> {
        let Some(module) = modules.at(address) else {
            return [NativeFrame::unknown()].into();
        };
        let in_file = module.in_file(address);
        let loader = self
            .loaders
            .entry(module.told_by.clone())
            .or_insert_with(|| Loader::new(&module.told_by).ok());
        let Some(loader) = loader else {
            return [NativeFrame::without_name(module, in_file)].into();
        };
        let name = loader.find_symbol(in_file).map(demangled);
        let mut frames = lines(loader, in_file);
        match (frames.last_mut(), name) {
            // With line tables alone, debug information has the last part of the name only.
            (Some(outermost), Some(name)) => outermost.function = name,
            (Some(_), None) => {}
            (None, Some(function)) => frames.push(NativeFrame {
                function,
                ..NativeFrame::unknown()
            }),
            (None, None) => frames.push(NativeFrame::without_name(module, in_file)),
        }
        frames.into()
    }
}

impl NativeFrame {
    fn unknown() -> Self {
        Self {
            file: "".into(),
            line: 0,
            function: "".into(),
            is_inlined: false,
        }
    }

    /// `shop+0x4f3a1`: where it is in the file, from which the debug information of the build has the line.
    fn without_name(module: &Module, in_file: u64) -> Self {
        let file = module.path.file_name().unwrap_or_default();
        let function = format!("{}+{in_file:#x}", file.to_string_lossy()).into();
        Self {
            function,
            ..Self::unknown()
        }
    }
}

/// The frames that the debug information tells of an address, innermost first; none where it has none.
fn lines(loader: &Loader, in_file: u64) -> Vec<NativeFrame> {
    let Ok(mut found) = loader.find_frames(in_file) else {
        return Vec::new();
    };
    let mut frames = Vec::new();
    while let Ok(Some(frame)) = found.next() {
        let (file, line) = frame.location.map_or(("", 0), |location| {
            (location.file.unwrap_or(""), location.line.unwrap_or(0))
        });
        let name = frame.function.as_ref();
        let name = name.and_then(|name| name.raw_name().ok());
        let name = name.map(|raw| demangled(&raw));
        frames.push(NativeFrame {
            file: file.into(),
            line,
            function: qualified(name.unwrap_or_else(|| "".into()), file),
            is_inlined: true,
        });
    }
    if let Some(outermost) = frames.last_mut() {
        outermost.is_inlined = false;
    }
    let says_nothing = |frame: &NativeFrame| frame.file.is_empty() && frame.function.is_empty();
    if frames.iter().all(says_nothing) {
        frames.clear();
    }
    frames
}

fn demangled(raw: &str) -> Arc<str> {
    plain(&addr2line::demangle_auto(raw.into(), None)).into()
}

/// Puts the module in front of a name that stands alone: with line tables only, an inlined function has no more.
fn qualified(name: Arc<str>, file: &str) -> Arc<str> {
    if name.is_empty() || name.contains("::") {
        return name;
    }
    module_of(file).map_or(name.clone(), |module| {
        plain(&format!("{module}::{name}")).into()
    })
}
