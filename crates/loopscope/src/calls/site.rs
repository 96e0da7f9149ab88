//! A function whose calls are tracked: looked up once, and then a few counters.

use std::borrow::Cow;
use std::sync::OnceLock;

use loopscope_recorder::layout::{CallKind, Coverage};
use loopscope_recorder::writer::{CallSpec, CallWriter};

use super::{Call, Place};
use crate::adapter::Adapter;

/// What a tracked function's calls are named.
#[derive(Clone, Copy, Debug)]
pub enum Name {
    /// This.
    Given(&'static str),
    /// As the function is named that this one stands in.
    Around(fn() -> &'static str),
}

/// A tracked function. What `#[track_call]` makes; not to be made by hand.
#[derive(Debug)]
pub struct CallSite {
    group: &'static str,
    name: Name,
    file: &'static str,
    line: u32,
    bound: OnceLock<Option<(&'static Adapter, CallWriter, &'static str)>>,
}

impl CallSite {
    /// A function that is tracked in this group.
    pub const fn new(group: &'static str, name: Name, file: &'static str, line: u32) -> Self {
        Self {
            group,
            name,
            file,
            line,
            bound: OnceLock::new(),
        }
    }

    /// A call of it that is awaited begins.
    #[inline]
    pub fn begin(&self) -> Call {
        self.begin_as(false)
    }

    /// A call of it begins that runs to its end on the calling thread.
    #[inline]
    pub fn begin_sync(&self) -> Call {
        self.begin_as(true)
    }

    #[inline]
    fn begin_as(&self, is_sync: bool) -> Call {
        match self.bound.get() {
            Some(Some((adapter, writer, name))) if adapter.recording().is_some() => {
                Call::begun(adapter, *writer, self.place(*name), is_sync)
            }
            _ => self.begin_unbound(is_sync),
        }
    }

    /// Before anything is installed, the first time after that, and in a forked child.
    #[cold]
    fn begin_unbound(&self, is_sync: bool) -> Call {
        let Some(adapter) = Adapter::current().filter(|adapter| adapter.recording().is_some())
        else {
            return Call::untracked();
        };
        self.bound.get_or_init(|| self.bind(adapter));
        let name = Cow::Owned(self.name());
        Call::begin(Some(adapter), self.group, self.place(name), is_sync)
    }

    fn bind(
        &self,
        adapter: &'static Adapter,
    ) -> Option<(&'static Adapter, CallWriter, &'static str)> {
        let name: &'static str = Box::leak(self.name().into_boxed_str());
        adapter.covers(Coverage::CALLS);
        let writer = adapter.recording()?.call(&CallSpec {
            kind: CallKind::Call,
            group: self.group,
            name,
        })?;
        Some((adapter, writer, name))
    }

    #[inline]
    fn place(&self, name: impl Into<Cow<'static, str>>) -> Place {
        Place {
            file: self.file,
            line: self.line,
            name: name.into(),
        }
    }

    fn name(&self) -> String {
        match self.name {
            Name::Given(name) => name.to_owned(),
            Name::Around(path) => name_around(path()),
        }
    }
}

/// The function that a path leads into, with its type in front where it has one: `Agent::ask` of
/// `bots::agents::Agent::ask::here`, of `<bots::Agent as bots::Ask>::ask::here` and of `bots::Agent<_>::ask::here`.
fn name_around(path: &str) -> String {
    let Some((function, _)) = path.rsplit_once("::") else {
        return path.to_owned();
    };
    // The body of one that is `async`.
    let function = function.trim_end_matches("::{{closure}}");
    let Some((before, own)) = split_last(function) else {
        return function.to_owned();
    };
    let of_trait = before
        .strip_prefix('<')
        .and_then(|inner| inner.split(" as ").next());
    let whose = of_trait.unwrap_or(before);
    let whose = whose.split('<').next().unwrap_or(whose);
    let whose = whose.rsplit("::").next().unwrap_or(whose);
    if whose.starts_with(|first: char| first.is_ascii_uppercase()) {
        format!("{whose}::{own}")
    } else {
        own.to_owned()
    }
}

/// The last part of a path without what is in its angle brackets, and what is before it.
fn split_last(path: &str) -> Option<(&str, &str)> {
    let mut depth = 0_u32;
    let begin = path.char_indices().rev().find(|(_, letter)| {
        match letter {
            '>' => depth += 1,
            '<' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    });
    let end = match begin {
        Some((index, '<')) => index,
        _ => path.len(),
    };
    path.get(..end)?.rsplit_once("::")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_named_after_its_function_and_its_type() {
        for (path, name) in [
            ("bots::ask::here", "ask"),
            ("bots::ask::{{closure}}::here", "ask"),
            ("bots::agents::ask::here", "ask"),
            ("bots::agents::Agent::ask::here", "Agent::ask"),
            (
                "<bots::agents::Agent as bots::Ask>::ask::here",
                "Agent::ask",
            ),
            (
                "<bots::agents::Agent<bots::Client>>::ask::here",
                "Agent::ask",
            ),
            ("bots::agents::Agent<T>::ask::here", "Agent::ask"),
            ("bots::ask<F>::here", "ask"),
            ("bots::Agent<T>::ask<bots::Client<F>>::here", "Agent::ask"),
            ("ask", "ask"),
        ] {
            assert_eq!(name_around(path), name, "{path}");
        }
    }
}
