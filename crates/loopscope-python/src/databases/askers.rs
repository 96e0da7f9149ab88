//! Who asked for a connection: the innermost line of the program itself on the way there.

use std::ops::ControlFlow;
use std::ptr::NonNull;

use pyo3::ffi::PyObject;
use pyo3::prelude::*;

use crate::frames::{Place, Walker};
use crate::gil::GilCell;
use crate::hash::AddressMap;
use crate::tasks::{function_of, is_own_file, text, walker};

/// Frames that are looked at.
const MOST_FRAMES: usize = 48;

/// Code objects that are kept alive so that their addresses mean something. Programs that make code without end
/// are told no asker of the further ones.
const MOST_CODES: usize = 4096;

/// Folders of packages that stand between a program and its connections, and are never who asked.
const DRIVERS: [&str; 6] = [
    "/asyncpg/",
    "/psycopg/",
    "/psycopg2/",
    "/psycopg_pool/",
    "/sqlalchemy/",
    "/greenlet/",
];

static ASKERS: GilCell<Askers> = GilCell::new(Askers {
    codes: AddressMap::with_hasher(std::hash::BuildHasherDefault::new()),
    library: None,
});

/// What is known of code objects.
struct Askers {
    codes: AddressMap<usize, Known>,
    /// The folder of the standard library.
    library: Option<String>,
}

struct Known {
    _kept: Py<PyAny>,
    kind: Kind,
    file: String,
    function: String,
}

/// Whose a code object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Program,
    /// An installed package's, which asks where nobody else does.
    Package,
    /// The interpreter's, a driver's or ours.
    Between,
}

/// A line that asked.
#[derive(Debug, Default)]
pub(super) struct Asker {
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) function: String,
}

impl Asker {
    /// Who asks now; empty where nobody is found.
    pub(super) fn now(py: Python<'_>) -> Self {
        let walker = walker(py).unwrap_or_else(|| Walker::new(py));
        let mut places = Vec::with_capacity(MOST_FRAMES);
        walker.walk(py, |place| {
            places.push(place);
            if places.len() < MOST_FRAMES {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        let codes = places.iter().map(|place| place.code);
        if let Some(index) = first_asker(py, codes) {
            return Self::at(py, places[index].code, line_of(&walker, places[index]));
        }
        Self::beyond_greenlet(py).unwrap_or_default()
    }

    /// Where SQLAlchemy goes between coroutines and plain functions the stack ends, and goes on in the greenlet
    /// that waits for this one.
    fn beyond_greenlet(py: Python<'_>) -> Option<Self> {
        let modules = py.import("sys").ok()?.getattr("modules").ok()?;
        let greenlet = modules.get_item("greenlet").ok()?;
        let parent = greenlet.call_method0("getcurrent").ok()?.getattr("parent");
        let mut next = parent.ok()?.getattr("gr_frame").ok();
        let (mut frames, mut codes) = (Vec::new(), Vec::new());
        while let Some(frame) = next.filter(|frame| !frame.is_none() && frames.len() < MOST_FRAMES)
        {
            codes.push(frame.getattr("f_code").ok()?);
            next = frame.getattr("f_back").ok();
            frames.push(frame);
        }
        let addresses = codes.iter().filter_map(|code| NonNull::new(code.as_ptr()));
        let index = first_asker(py, addresses)?;
        let line = frames[index].getattr("f_lineno").ok()?.extract().ok()?;
        Some(Self::at(py, NonNull::new(codes[index].as_ptr())?, line))
    }

    fn at(py: Python<'_>, code: NonNull<PyObject>, line: u32) -> Self {
        let texts = ASKERS.with(py, |askers| {
            let known = askers.codes.get(&code.addr().get())?;
            Some((known.file.clone(), known.function.clone()))
        });
        let (file, function) = texts.flatten().unwrap_or_default();
        Self {
            file,
            line,
            function,
        }
    }
}

/// Which of these code objects of living frames, innermost first, is the program's own; a package's where the
/// program has none.
fn first_asker(py: Python<'_>, codes: impl Iterator<Item = NonNull<PyObject>>) -> Option<usize> {
    let mut package = None;
    for (index, code) in codes.enumerate() {
        match kind_of(py, code) {
            Some(Kind::Program) => return Some(index),
            Some(Kind::Package) => package = package.or(Some(index)),
            Some(Kind::Between) | None => {}
        }
    }
    package
}

#[expect(unsafe_code, reason = "the place is on the stack")]
fn line_of(walker: &Walker, place: Place) -> u32 {
    // SAFETY: a frame of the running thread's stack has the code object; found by this walker.
    unsafe { walker.line(place) }
}

fn kind_of(py: Python<'_>, code: NonNull<PyObject>) -> Option<Kind> {
    let known = |askers: &mut Askers| {
        let known = askers.codes.get(&code.addr().get());
        (known.map(|known| known.kind), askers.codes.len())
    };
    match ASKERS.with(py, known)? {
        (Some(kind), _) => Some(kind),
        (None, number) if number < MOST_CODES => judge(py, code),
        (None, _) => None,
    }
}

#[cold]
#[expect(unsafe_code, reason = "takes a code object from a living frame")]
fn judge(py: Python<'_>, code: NonNull<PyObject>) -> Option<Kind> {
    // SAFETY: a living frame has it.
    let code = unsafe { Bound::from_borrowed_ptr(py, code.as_ptr()) };
    let file = text(&code, "co_filename");
    let kind = match library(py) {
        Some(library) => kind_of_file(&file, &library),
        None => Kind::Between,
    };
    let known = Known {
        kind,
        file,
        function: function_of(&code),
        _kept: code.clone().unbind(),
    };
    ASKERS.with(py, |askers| {
        askers.codes.insert(code.as_ptr().addr(), known)
    })?;
    Some(kind)
}

fn kind_of_file(file: &str, library: &str) -> Kind {
    let is_installed = file.contains("/site-packages/") || file.contains("/dist-packages/");
    // What CPython puts around the call of a class's `__init__` calls itself a file of that name.
    let is_between = file.starts_with('<')
        || file == "__init__"
        || is_own_file(file)
        || (is_installed && DRIVERS.iter().any(|driver| file.contains(driver)));
    match (is_between, is_installed) {
        (true, _) => Kind::Between,
        (false, true) => Kind::Package,
        (false, false) if is_under(file, library) => Kind::Between,
        (false, false) => Kind::Program,
    }
}

fn is_under(file: &str, folder: &str) -> bool {
    let rest = file.strip_prefix(folder);
    rest.is_some_and(|rest| rest.starts_with('/'))
}

/// The folder of the standard library; asked for once.
fn library(py: Python<'_>) -> Option<String> {
    let known = ASKERS.with(py, |askers| askers.library.clone()).flatten();
    known.or_else(|| {
        let file: String = py
            .import("os")
            .ok()?
            .getattr("__file__")
            .ok()?
            .extract()
            .ok()?;
        let folder = file.rsplit_once('/')?.0.to_owned();
        ASKERS.with(py, |askers| askers.library = Some(folder.clone()))?;
        Some(folder)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_told_from_what_it_uses() {
        let of = |file: &str| kind_of_file(file, "/usr/lib/python3.12");
        assert_eq!(of("/srv/app/orders.py"), Kind::Program);
        assert_eq!(of("/usr/lib/python3.12/contextlib.py"), Kind::Between);
        assert_eq!(of("/usr/lib/python3.12x/orders.py"), Kind::Program);
        let packages = "/usr/lib/python3.12/site-packages";
        assert_eq!(of(&format!("{packages}/agno/db.py")), Kind::Package);
        assert_eq!(of(&format!("{packages}/asyncpg/pool.py")), Kind::Between);
        assert_eq!(of("/srv/sqlalchemy/orders.py"), Kind::Program);
        assert_eq!(of("<frozen runpy>"), Kind::Between);
        assert_eq!(of("__init__"), Kind::Between);
    }
}
