//! Source lines for people: short paths, and chains of them.

use loopscope_engine::dump::DumpFrame;

use crate::screen::Layout;

/// Links of a chain that are shown at either end of a long one.
const CHAIN_ENDS: usize = 5;

/// How paths are shortened.
#[derive(Clone, Copy)]
pub(super) struct Paths<'a> {
    folder: Option<&'a str>,
}

impl<'a> Paths<'a> {
    /// Paths below the process's working folder are shown from there on.
    pub(super) fn below(folder: Option<&'a str>) -> Self {
        Self {
            folder: folder.filter(|folder| *folder != "/"),
        }
    }

    /// `shop/orders.py`, `aiohttp/client.py`, `asyncio/queues.py`: no more than the file and its folder of
    /// the application's own; the whole path is in the JSON.
    pub(super) fn short<'p>(&self, path: &'p str) -> &'p str {
        let below = self
            .folder
            .and_then(|folder| path.strip_prefix(folder)?.strip_prefix('/'));
        below
            .filter(|rest| rest.matches('/').count() < 2)
            .or_else(|| in_library(path))
            .unwrap_or_else(|| last_two(path))
    }

    /// `shop/orders.py:31`.
    pub(super) fn line(&self, frame: &DumpFrame) -> String {
        let path = self.short(&frame.file);
        match frame.line {
            0 => path.to_owned(),
            line => format!("{path}:{line}"),
        }
    }

    /// `shop/orders.py:31 in charge`.
    pub(super) fn place(&self, frame: &DumpFrame) -> String {
        if frame.function.is_empty() {
            return self.line(frame);
        }
        format!("{} in {}", self.line(frame), frame.function)
    }

    /// An await chain, outermost first: `serve (app.py:80) → charge (app.py:31)`. The application's own
    /// innermost frame stands out, what belongs to libraries is dim.
    pub(super) fn chain(&self, frames: &[DumpFrame], first: &str, layout: &Layout) -> String {
        let own = frames.iter().rposition(|frame| frame.in_app);
        let link = |(index, frame): (usize, &DumpFrame)| {
            let link = format!("{} ({})", frame.function, self.line(frame));
            match (frame.in_app, own == Some(index)) {
                (true, true) => layout.title(&link),
                (true, false) => link,
                (false, _) => layout.dim(&link),
            }
        };
        let mut links: Vec<String> = frames.iter().enumerate().map(link).collect();
        if links.len() > 2 * CHAIN_ENDS + 1 {
            let left = links.len() - 2 * CHAIN_ENDS;
            let gap = format!("… {left} more …");
            links.splice(CHAIN_ENDS..CHAIN_ENDS + left, [gap]);
        }
        layout.pieces(first, " → ", links.iter().map(String::as_str))
    }
}

/// The path inside the folder of an installed package or of the standard library.
fn in_library(path: &str) -> Option<&str> {
    for marker in ["/site-packages/", "/dist-packages/"] {
        if let Some(at) = path.rfind(marker) {
            return Some(&path[at + marker.len()..]);
        }
    }
    let at = path.find("/lib/python3").or(path.find("/lib64/python3"))?;
    let rest = path[at + 1..].split_once('/')?.1;
    Some(rest.split_once('/')?.1)
}

fn last_two(path: &str) -> &str {
    let mut slashes = path.rmatch_indices('/').map(|(at, _)| at);
    let (Some(_), Some(second)) = (slashes.next(), slashes.next()) else {
        return path;
    };
    &path[second + 1..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_from_where_they_begin_to_say_something() {
        let paths = Paths::below(Some("/srv/shop"));
        for (path, short) in [
            ("/srv/shop/api/orders.py", "api/orders.py"),
            ("/srv/shop/app.py", "app.py"),
            ("/srv/shop/api/v2/orders.py", "v2/orders.py"),
            ("/srv/shopping/app.py", "shopping/app.py"),
            (
                "/srv/shop/.venv/lib/python3.12/site-packages/aiohttp/client.py",
                "aiohttp/client.py",
            ),
            ("/usr/lib/python3.11/asyncio/queues.py", "asyncio/queues.py"),
            ("/opt/python/lib64/python3.13/ssl.py", "ssl.py"),
            ("/home/me/tools/x.py", "tools/x.py"),
            ("x.py", "x.py"),
            ("/x.py", "/x.py"),
            ("<string>", "<string>"),
            ("", ""),
        ] {
            assert_eq!(paths.short(path), short);
        }
    }
}
