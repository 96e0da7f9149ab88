//! The picture of a dump: what is wrong first, then loops with their tasks, then threads.
//!
//! Pure: a report and a layout in, text out. The report's strings are safe by now. However large the
//! process is, the picture stays readable: groups instead of tasks, and lists that say how much they leave
//! out.

mod findings;
mod head;
mod loops;
mod place;
mod tasks;
mod threads;
mod tree;
mod wait;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

use loopscope_engine::dump::{DumpReport, DumpTask, DumpThread};

use crate::screen::Layout;
use place::Paths;

/// What to draw, and how.
pub(super) struct Drawing<'a> {
    /// The report, its strings made safe.
    pub(super) report: &'a DumpReport,
    /// Where it goes.
    pub(super) layout: Layout,
    /// Tasks as a tree instead of groups.
    pub(super) tree: bool,
}

impl Drawing<'_> {
    /// The whole picture.
    pub(super) fn text(&self) -> String {
        let mut sections = vec![self.head(), self.findings()];
        sections.extend(self.loops());
        if self.tree {
            sections.push(self.task_tree());
        }
        sections.push(self.threads());
        sections.push(self.problems());
        sections.retain(|section| !section.is_empty());
        sections.join("\n")
    }

    fn paths(&self) -> Paths<'_> {
        Paths::below(self.report.process.working_folder.as_deref())
    }

    fn thread(&self, index: usize) -> Option<&DumpThread> {
        self.report.threads.get(index)
    }

    fn task(&self, index: usize) -> Option<&DumpTask> {
        self.report.tasks.get(index)
    }

    /// A task's name, or its address where that could not be read.
    fn task_name(&self, index: usize) -> String {
        match self.task(index) {
            Some(DumpTask {
                name: Some(name), ..
            }) => shortened(name, MAX_NAME_CHARS),
            Some(task) => task.address.to_string(),
            None => "?".to_owned(),
        }
    }

    /// Tasks in the order of their names, numbers in them by their size.
    fn by_name(&self, tasks: &[usize]) -> Vec<usize> {
        self.first_by_name(tasks, tasks.len())
    }

    /// The first of them; of ten thousand only these are sorted.
    fn first_by_name(&self, tasks: &[usize], most: usize) -> Vec<usize> {
        let name = |index: usize| {
            let name = self.task(index).and_then(|task| task.name.as_deref());
            name.unwrap_or_default()
        };
        // The same order each time for those of one name.
        let order = |a: &usize, b: &usize| natural(name(*a)).cmp(natural(name(*b))).then(a.cmp(b));
        let mut sorted = tasks.to_vec();
        if most < sorted.len() {
            sorted.select_nth_unstable_by(most, order);
            sorted.truncate(most);
        }
        sorted.sort_unstable_by(order);
        sorted
    }

    /// The first names of some tasks, and a sign where there are more.
    fn task_names(&self, tasks: &[usize], most: usize) -> String {
        let mut names: Vec<String> = self
            .first_by_name(tasks, most)
            .iter()
            .map(|index| self.task_name(*index))
            .collect();
        if tasks.len() > most {
            names.push("…".to_owned());
        }
        names.join(", ")
    }

    fn problems(&self) -> String {
        const MOST: usize = 10;
        let problems = &self.report.problems;
        if problems.is_empty() {
            return String::new();
        }
        let mut text = format!("{}\n", self.layout.title("Not read"));
        for problem in problems.iter().take(MOST) {
            text.push_str(&self.layout.item("  - ", problem));
        }
        text.push_str(&self.more(problems.len(), MOST));
        text
    }

    /// The line that says how much a list leaves out.
    fn more(&self, all: usize, shown: usize) -> String {
        if all <= shown {
            return String::new();
        }
        let left = crate::screen::format::number((all - shown) as u64);
        self.layout
            .dim(&format!("  … and {left} more; `--json` has them all\n"))
    }
}

/// The longest name that is shown whole.
const MAX_NAME_CHARS: usize = 60;

/// What a name sorts by: its letters, and its numbers by their length and digits.
fn natural(name: &str) -> impl Iterator<Item = (bool, usize, &str)> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let is_number = rest.chars().next()?.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != is_number);
        let (run, others) = rest.split_at(end.unwrap_or(rest.len()));
        rest = others;
        Some((is_number, if is_number { run.len() } else { 0 }, run))
    })
}

/// The beginning of a long text.
fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
