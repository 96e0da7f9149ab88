//! Who has the connections, and who waits for one, in words.

use super::words;
use crate::{
    observation::{EventFrame, HeldConnection},
    report::Culprit,
    summary::duration,
    time::Nanos,
};

/// Connections that were asked for by one line, the longest taken first.
pub(crate) struct Holders<'a> {
    /// As many of them.
    pub(crate) count: usize,
    /// The one that was taken first.
    pub(crate) oldest: &'a HeldConnection,
}

/// Groups connections by the line that asked for them: the line that has most first. Those of which that is not
/// known are left out.
pub(crate) fn by_line<'a>(held: impl Iterator<Item = &'a HeldConnection>) -> Vec<Holders<'a>> {
    let mut lines: Vec<Holders<'a>> = Vec::new();
    for one in held.filter(|one| one.asked_at.is_some()) {
        let known = lines
            .iter_mut()
            .find(|line| line.oldest.asked_at == one.asked_at);
        match known {
            Some(line) => {
                line.count += 1;
                if one.since < line.oldest.since {
                    line.oldest = one;
                }
            }
            None => lines.push(Holders {
                count: 1,
                oldest: one,
            }),
        }
    }
    lines.sort_by_key(|line| (std::cmp::Reverse(line.count), line.oldest.since));
    lines
}

/// `7 of them taken at orders.py:31 in buy, the first for 12.4 s, standing at orders.py:40 in charge`.
pub(crate) fn sentence(line: &Holders<'_>, now: Nanos) -> Option<String> {
    let asked_at = line.oldest.asked_at.as_ref()?;
    let (count, first) = match line.count {
        1 => ("one".to_owned(), ""),
        many => (many.to_string(), ", the first"),
    };
    let at = shown(asked_at);
    let since = since(line.oldest, now);
    Some(format!("{count} of them taken at {at}{first}{since}"))
}

/// `2 callers waiting at orders.rs:40`.
pub(crate) fn waiting(line: &Holders<'_>) -> Option<String> {
    let asked_at = line.oldest.asked_at.as_ref()?;
    let callers = words::count(line.count as u64, "caller");
    Some(format!("{callers} waiting at {}", shown(asked_at)))
}

/// ` for 12.4 s, standing at orders.py:40 in charge`, where that is known.
pub(crate) fn since(one: &HeldConnection, now: Nanos) -> String {
    let age = duration(now.since(one.since));
    let stands_at = one.stands_at.as_ref();
    let stands = stands_at.map_or_else(String::new, |at| format!(", standing at {}", shown(at)));
    format!(" for {age}{stands}")
}

/// The line that keeps a connection: where its holder stands, or where it was asked for.
pub(crate) fn culprit(one: &HeldConnection) -> Option<Culprit> {
    let at = one.stands_at.as_ref().or(one.asked_at.as_ref())?;
    Some(Culprit {
        file: at.file.clone(),
        line: at.line,
        function: at.function.clone(),
    })
}

pub(crate) fn shown(at: &EventFrame) -> String {
    words::place_in(&at.file, at.line, &at.function)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(line: u32, since: u64) -> HeldConnection {
        let frame = |line| EventFrame {
            file: "/srv/orders.py".into(),
            line,
            function: "buy".into(),
        };
        HeldConnection {
            since: Nanos::from_millis(since),
            asked_at: (line != 0).then(|| frame(line)),
            stands_at: (since < 5).then(|| frame(40)),
            ..HeldConnection::default()
        }
    }

    #[test]
    fn the_line_that_has_most_comes_first_with_its_oldest() {
        let held = [held(0, 0), held(31, 7), held(50, 3), held(31, 4)];
        let lines = by_line(held.iter());
        let counts: Vec<_> = lines.iter().map(|line| line.count).collect();
        assert_eq!(counts, [2, 1]);
        let now = Nanos::from_millis(12_004);
        assert_eq!(
            sentence(&lines[0], now).unwrap(),
            "2 of them taken at orders.py:31 in buy, the first for 12 s, standing at orders.py:40 in buy"
        );
        assert_eq!(culprit(lines[0].oldest).unwrap().line, 40);
        assert_eq!(culprit(&held[1]).unwrap().line, 31);
    }
}
