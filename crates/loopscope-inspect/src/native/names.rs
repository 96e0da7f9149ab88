//! Names of functions as people write them.
//!
//! A compiler's name says more than that: type parameters, hashes, and the state machine that an `async fn` is
//! made into. Two builds of one function, and two uses of a generic one, are to have one name.

/// A demangled name without type parameters, hashes and closures of `async fn`.
///
/// `<alloc::vec::Vec<T> as core::ops::Drop>::drop` becomes `alloc::vec::Vec::drop`.
pub(super) fn plain(demangled: &str) -> String {
    let name = without_parameters(&without_hash(demangled).replace("->", ""));
    let name = without_crate_hashes(&name);
    let kept: Vec<&str> = name
        .split("::")
        .filter(|segment| !is_closure(segment))
        .collect();
    if kept.is_empty() {
        // All that debug information without full names has of a closure.
        return name;
    }
    kept.join("::")
}

/// The module that a source file of a library is, by its path: of the standard library, and of what Cargo downloads.
///
/// `/rustc/0123/library/std/src/thread/functions.rs` is `std::thread::functions`.
pub(super) fn module_of(file: &str) -> Option<String> {
    let (folder, within) = file.rsplit_once("/src/")?;
    let folder = folder.rsplit('/').next()?;
    let is_of_toolchain = file.starts_with("/rustc/") || file.contains("/rustlib/");
    let is_downloaded = file.contains("/registry/src/") || file.contains("/git/checkouts/");
    let library = match folder.rsplit_once('-') {
        Some((name, version))
            if is_downloaded && version.starts_with(|c: char| c.is_ascii_digit()) =>
        {
            name
        }
        _ if is_of_toolchain => folder,
        _ => return None,
    };
    let within = within.strip_suffix(".rs")?;
    let within = within.strip_suffix("/mod").unwrap_or(within);
    let within = if within == "lib" { "" } else { within };
    let path = format!("{}/{within}", library.replace('-', "_"));
    Some(path.trim_end_matches('/').replace('/', "::"))
}

/// `std[e28293b1aa0f68bd]::io` becomes `std::io`.
fn without_crate_hashes(name: &str) -> String {
    let mut kept = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(open) = rest.find('[') {
        let (before, from) = rest.split_at(open);
        let close = from.find(']').unwrap_or(from.len());
        let inner = from.get(1..close).unwrap_or_default();
        let is_hash = (8..=16).contains(&inner.len()) && is_hexadecimal(inner);
        let until = if is_hash { close + 1 } else { 1 };
        kept.push_str(before);
        kept.push_str(if is_hash { "" } else { "[" });
        rest = from.get(until..).unwrap_or_default();
    }
    kept.push_str(rest);
    kept
}

/// `::h` and sixteen digits, as the older scheme has it.
fn without_hash(name: &str) -> &str {
    let is_hash =
        |hash: &str| hash.len() == 17 && hash.starts_with('h') && is_hexadecimal(&hash[1..]);
    match name.rsplit_once("::") {
        Some((rest, hash)) if is_hash(hash) => rest,
        _ => name,
    }
}

fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `{{closure}}` of the older scheme, `{closure#0}` of the newer one, and what is left where parameters were.
fn is_closure(segment: &str) -> bool {
    segment.is_empty() || segment.starts_with('{')
}

/// Takes out what stands in angle brackets, but for the type of an `impl`, which stands at the start of a path.
fn without_parameters(name: &str) -> String {
    let mut kept = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(open) = rest.find('<') {
        let (before, from) = rest.split_at(open);
        kept.push_str(before);
        let inner_length = matching(from);
        let inner = from.get(1..inner_length).unwrap_or_default();
        if is_at_start(&kept) {
            kept.push_str(&without_parameters(implementing(inner)));
        }
        rest = from.get(inner_length + 1..).unwrap_or_default();
    }
    kept.push_str(rest);
    kept
}

/// Whether a path begins here: brackets then hold a type, else its parameters.
fn is_at_start(kept: &str) -> bool {
    kept.is_empty() || kept.ends_with(['&', '*', ' ', '(', '['])
}

/// `T` of `T as Trait`, without references.
fn implementing(inner: &str) -> &str {
    let mut depth = 0;
    let mut end = inner.len();
    for (at, letter) in inner.char_indices() {
        match letter {
            '<' => depth += 1,
            '>' => depth -= 1,
            ' ' if depth == 0 && inner[at..].starts_with(" as ") => {
                end = at;
                break;
            }
            _ => {}
        }
    }
    let kept = inner[..end].trim_start_matches(['&', '*']);
    kept.trim_start_matches("mut ").trim_start_matches("impl ")
}

/// Where the bracket that opens the text is closed.
fn matching(text: &str) -> usize {
    let mut depth = 0;
    for (at, letter) in text.char_indices() {
        match letter {
            '<' => depth += 1,
            '>' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_loses_its_hash_its_parameters_and_its_closures() {
        let names = [
            ("app::nap::h0123456789abcdef", "app::nap"),
            (
                "app::handler::{{closure}}::h0123456789abcdef",
                "app::handler",
            ),
            ("app::handler::{closure#0}::{closure#1}", "app::handler"),
            (
                "tokio::runtime::task::raw::poll::<app::f::{closure#0}, S>",
                "tokio::runtime::task::raw::poll",
            ),
            (
                "<alloc::vec::Vec<T> as core::ops::Drop>::drop",
                "alloc::vec::Vec::drop",
            ),
            (
                "<std::fs::File as std::io::Read>::read",
                "std::fs::File::read",
            ),
            (
                "std::sync::poison::mutex::Mutex<T>::lock",
                "std::sync::poison::mutex::Mutex::lock",
            ),
            ("<&mut F as core::future::Future>::poll", "F::poll"),
            (
                "<tokio::runtime::scheduler::multi_thread::worker::Context>::run_task",
                "tokio::runtime::scheduler::multi_thread::worker::Context::run_task",
            ),
            ("<F as core::ops::FnOnce<(A,)>>::call_once", "F::call_once"),
            ("clock_nanosleep", "clock_nanosleep"),
            (
                "<std[e28293b1aa0f68bd]::sys::thread::unix::Thread>::new::thread_start",
                "std::sys::thread::unix::Thread::new::thread_start",
            ),
            ("<[u8] as app::Shown>::show", "[u8]::show"),
            ("app::shop::<impl app::Shop>::serve", "app::shop::serve"),
            ("{async_fn#0}", "{async_fn#0}"),
            ("", ""),
            ("<<<", ""),
        ];
        for (full, expected) in names {
            assert_eq!(plain(full), expected, "{full}");
        }
    }

    #[test]
    fn a_library_tells_its_modules_by_its_paths() {
        let registry = "/home/me/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f";
        let modules = [
            (
                "/rustc/5980/library/std/src/thread/functions.rs".to_owned(),
                Some("std::thread::functions"),
            ),
            (
                "/rustc/5980/library/core/src/iter/mod.rs".to_owned(),
                Some("core::iter"),
            ),
            (
                format!("{registry}/tokio-1.54.1/src/runtime/task/raw.rs"),
                Some("tokio::runtime::task::raw"),
            ),
            (
                format!("{registry}/http-body-1.0.0/src/lib.rs"),
                Some("http_body"),
            ),
            ("/srv/app/src/main.rs".to_owned(), None),
            ("".to_owned(), None),
        ];
        for (file, expected) in modules {
            assert_eq!(module_of(&file).as_deref(), expected, "{file}");
        }
    }
}
