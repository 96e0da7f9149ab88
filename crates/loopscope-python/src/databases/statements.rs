//! The counters of statements, by the objects that hold their texts.
//!
//! A text is looked at once. Those that were used lately are kept, with the counter of what is left of them
//! without literals; two generations of them, of which the older is thrown away when the younger is full.

use std::mem;
use std::sync::Arc;

use loopscope_recorder::statement::{Dialect, Statement};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::calls::Call;
use crate::hash::AddressMap;

/// Texts of one generation.
const MOST: usize = 512;

/// Longer texts are looked at each time: they are seldom the same twice, and would take up memory.
const LONGEST: usize = 2048;

/// The name of a statement that is no text and cannot be made one.
const NAMELESS: &str = "(statement)";

/// See the module.
pub(super) struct Statements {
    dialect: Dialect,
    young: AddressMap<u64, Kept>,
    old: AddressMap<u64, Kept>,
}

/// A text and its counter.
pub(super) struct Kept {
    text: Py<PyAny>,
    call: Arc<Call>,
}

impl Statements {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            young: AddressMap::default(),
            old: AddressMap::default(),
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The counter of a text that was used lately. Runs nothing that is written in Python.
    #[inline]
    pub(super) fn find(&mut self, statement: &Bound<'_, PyAny>) -> Option<Arc<Call>> {
        let hash = hash_of(statement)?;
        if let Some(found) = self.young.get(&hash) {
            return found.is(statement).then(|| Arc::clone(&found.call));
        }
        self.find_old(hash, statement)
    }

    #[cold]
    fn find_old(&mut self, hash: u64, statement: &Bound<'_, PyAny>) -> Option<Arc<Call>> {
        let found = self.old.remove(&hash)?;
        let call = found.is(statement).then(|| Arc::clone(&found.call));
        if self.young.len() < MOST {
            self.young.insert(hash, found);
        } else {
            self.old.insert(hash, found);
        }
        call
    }

    /// Keeps the counter of a text. Returns those that are not kept any more.
    pub(super) fn keep(
        &mut self,
        statement: &Bound<'_, PyAny>,
        call: &Arc<Call>,
    ) -> Option<AddressMap<u64, Kept>> {
        let hash = hash_of(statement)?;
        if statement.len().is_ok_and(|length| length > LONGEST) {
            return None;
        }
        let mut left = None;
        if self.young.len() >= MOST {
            let full = mem::take(&mut self.young);
            left = Some(mem::replace(&mut self.old, full));
        }
        let kept = Kept {
            text: statement.clone().unbind(),
            call: Arc::clone(call),
        };
        self.young.insert(hash, kept);
        left
    }
}

impl Kept {
    #[inline]
    fn is(&self, statement: &Bound<'_, PyAny>) -> bool {
        let text = self.text.bind(statement.py());
        text.is(statement) || text.eq(statement).unwrap_or(false)
    }
}

/// The hash that a text keeps in itself; `None` for what is no plain text.
#[inline]
fn hash_of(statement: &Bound<'_, PyAny>) -> Option<u64> {
    let is_plain =
        statement.is_exact_instance_of::<PyString>() || statement.is_exact_instance_of::<PyBytes>();
    let hash = is_plain.then(|| statement.hash().ok()).flatten()?;
    Some(hash as u64)
}

/// What is left of a statement without its literals. `render` makes a text of one that is none.
pub(super) fn name_of(
    statement: &Bound<'_, PyAny>,
    render: &Py<PyAny>,
    dialect: Dialect,
) -> String {
    if let Some(name) = name_of_text(statement, dialect) {
        return name;
    }
    let rendered = render.bind(statement.py()).call1((statement,));
    let name = rendered.ok().and_then(|text| name_of_text(&text, dialect));
    name.unwrap_or_else(|| NAMELESS.to_owned())
}

fn name_of_text(statement: &Bound<'_, PyAny>, dialect: Dialect) -> Option<String> {
    let name = if let Ok(text) = statement.cast::<PyString>() {
        without_literals(&text.to_string_lossy(), dialect)
    } else {
        let bytes = statement.cast::<PyBytes>().ok()?;
        without_literals(&String::from_utf8_lossy(bytes.as_bytes()), dialect)
    };
    Some(if name.is_empty() {
        NAMELESS.to_owned()
    } else {
        name
    })
}

pub(super) fn without_literals(text: &str, dialect: Dialect) -> String {
    Statement::of(text, dialect).as_str().to_owned()
}

/// A dialect by its name in Python.
pub(super) fn dialect(name: &str) -> Option<Dialect> {
    match name {
        "standard" => Some(Dialect::Standard),
        "sqlite" => Some(Dialect::Sqlite),
        "backslash" => Some(Dialect::Backslash),
        _ => None,
    }
}
