//! The tasks as a tree: at the roots those that nobody awaits, below each what it waits for.
//!
//! The graph is no tree. A task that several await is shown once and referred to after; a circle is cut
//! where it closes, and said. Siblings whose subtrees look alike are folded into one with their number.

mod graph;

use std::collections::HashSet;

use anstyle::AnsiColor;
use loopscope_engine::dump::{DumpTask, DumpWaitKind};

use super::Drawing;
use super::findings::telling;
use super::tasks::{ailments, state};
use crate::screen::format;
use graph::Graph;

/// Lines shown. The rest is counted.
const MOST_LINES: usize = 400;
/// How deep the tree is drawn. Deeper than this nothing can be read on a screen.
const MOST_DEEP: usize = 48;
/// Names of folded tasks that are given as examples.
const EXAMPLES: usize = 3;

impl Drawing<'_> {
    pub(super) fn task_tree(&self) -> String {
        if self.report.tasks.is_empty() {
            return String::new();
        }
        let graph = Graph::of(self.report);
        let mut drawn = Drawn {
            drawing: self,
            graph: &graph,
            text: format!(
                "{}\n",
                self.layout.title("Tasks, each above what it waits for")
            ),
            lines: 0,
            told: HashSet::new(),
            path: Vec::new(),
        };
        drawn.siblings(&graph.roots, "  ", true);
        drawn.text
    }
}

/// A tree being drawn.
struct Drawn<'a> {
    drawing: &'a Drawing<'a>,
    graph: &'a Graph,
    text: String,
    lines: usize,
    /// Tasks that several await and that were shown.
    told: HashSet<usize>,
    /// From the root to where the drawing is.
    path: Vec<usize>,
}

impl Drawn<'_> {
    fn siblings(&mut self, tasks: &[usize], indent: &str, are_roots: bool) {
        let folded = self.graph.folded(&self.drawing.by_name(tasks));
        let last = folded.len().saturating_sub(1);
        for (position, members) in folded.iter().enumerate() {
            if self.lines >= MOST_LINES {
                let left: usize = folded[position..].iter().map(Vec::len).sum();
                return self.more(left, indent);
            }
            let (branch, below) = match (are_roots, position == last) {
                (true, _) => ("", ""),
                (false, true) => ("└─ ", "   "),
                (false, false) => ("├─ ", "│  "),
            };
            self.entry(
                members,
                &format!("{indent}{branch}"),
                &format!("{indent}{below}"),
            );
        }
    }

    fn entry(&mut self, members: &[usize], first: &str, indent: &str) {
        let Some(&index) = members.first() else {
            return;
        };
        self.lines += 1;
        if self.path.contains(&index) {
            return self.circle(index, first);
        }
        if self.graph.is_shared(index) && !self.told.insert(index) {
            let line = format!("{}, shown above", self.drawing.task_name(index));
            let line = self.drawing.layout.dim(&line);
            self.text.push_str(&self.drawing.layout.item(first, &line));
            return;
        }
        let line = self.label(index, members);
        self.text.push_str(&self.drawing.layout.item(first, &line));
        let children = self.graph.children(index);
        if children.is_empty() {
            return;
        }
        if self.path.len() >= MOST_DEEP {
            let line = self.drawing.layout.dim("… and deeper");
            self.text.push_str(&format!("{indent}└─ {line}\n"));
            return;
        }
        self.path.push(index);
        self.siblings(children, indent, false);
        self.path.pop();
    }

    fn circle(&mut self, index: usize, first: &str) {
        let line = format!("{}, above: a circle", self.drawing.task_name(index));
        let line = self
            .drawing
            .layout
            .paint(AnsiColor::Red.on_default().bold(), &line);
        self.text.push_str(&self.drawing.layout.item(first, &line));
    }

    fn more(&mut self, left: usize, indent: &str) {
        let left = format::count(left as u64, "more task", "more tasks");
        let line = format!("… and {left}; `--json` has them all");
        let line = self.drawing.layout.dim(&line);
        self.text.push_str(&format!("{indent}{line}\n"));
    }

    /// `loader  waiting at load.py:3 in load: executor`, or `× 812  … (worker-1, worker-2, …)`.
    fn label(&self, index: usize, members: &[usize]) -> String {
        let layout = &self.drawing.layout;
        let Some(task) = self.drawing.task(index) else {
            return "?".to_owned();
        };
        let name = match members.len() {
            1 => layout.title(&self.drawing.task_name(index)),
            many => layout.title(&format!("× {}", format::number(many as u64))),
        };
        let mut label = format!("{name}  {}", state(task));
        if let Some(at) = telling(&task.await_chain) {
            label.push_str(&format!(" at {}", self.drawing.paths().place(at)));
        }
        if let Some(wait) = self.wait_beside_children(task) {
            label.push_str(&format!(": {wait}"));
        }
        label.push_str(&ailments(task, layout));
        if members.len() > 1 {
            let names = self.drawing.task_names(members, EXAMPLES);
            label.push_str(&format!("  {}", layout.dim(&format!("({names})"))));
        }
        label
    }

    /// What a task waits for, as far as the tasks below it do not say it.
    fn wait_beside_children(&self, task: &DumpTask) -> Option<String> {
        let wait = task.waits_for.as_ref()?;
        match wait.kind {
            DumpWaitKind::FirstStep | DumpWaitKind::NextStep => None,
            DumpWaitKind::Task | DumpWaitKind::Tasks => wait
                .primitive
                .as_ref()
                .map(|primitive| primitive.kind.to_string()),
            DumpWaitKind::Future | DumpWaitKind::Unknown => Some(self.drawing.wait(wait)),
        }
    }
}
