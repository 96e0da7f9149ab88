//! What is wrong, each with the way to it and what to do.

use anstyle::AnsiColor;
use loopscope_engine::dump::{DumpFinding, DumpFindingKind, DumpGil};

use super::Drawing;

/// Findings shown. The rest is counted.
const MOST_FINDINGS: usize = 12;
/// Tasks of one finding that are shown.
const MOST_TASKS: usize = 6;

impl Drawing<'_> {
    pub(super) fn findings(&self) -> String {
        let findings = &self.report.findings;
        if findings.is_empty() {
            return String::new();
        }
        let mut text = format!("{}\n", self.layout.title("What is wrong"));
        for finding in findings.iter().take(MOST_FINDINGS) {
            text.push_str(&self.finding(finding));
        }
        text.push_str(&self.more(findings.len(), MOST_FINDINGS));
        text
    }

    fn finding(&self, finding: &DumpFinding) -> String {
        let colour = match finding.kind {
            DumpFindingKind::LoopStalled | DumpFindingKind::FailedTasks => AnsiColor::Yellow,
            _ => AnsiColor::Red,
        };
        let bar = self.layout.paint(colour.on_default().bold(), "▌");
        let mut text = self
            .layout
            .item(&format!("  {bar} "), &self.layout.title(&finding.summary));
        match finding.kind {
            DumpFindingKind::LoopBlocked | DumpFindingKind::LoopStalled => {
                text.push_str(&self.stuck(finding));
            }
            DumpFindingKind::Deadlock => text.push_str(&self.circle(finding)),
            DumpFindingKind::OrphanedTasks | DumpFindingKind::FailedTasks => {
                let names = self.task_names(&finding.task_indexes, MOST_TASKS);
                text.push_str(&self.layout.item("      tasks  ", &names));
            }
            DumpFindingKind::ProcessStopped => {}
        }
        text.push_str(&self.advice(finding));
        text
    }

    /// The task of a loop that does not turn, its way to the line, and the interpreter's lock.
    fn stuck(&self, finding: &DumpFinding) -> String {
        let mut text = String::new();
        if let Some(index) = finding.task_indexes.first() {
            let name = self.task_name(*index);
            text.push_str(&self.layout.item("       task  ", &name));
            if let Some(task) = self
                .task(*index)
                .filter(|task| !task.await_chain.is_empty())
            {
                let chain = self
                    .paths()
                    .chain(&task.await_chain, "        via  ", &self.layout);
                text.push_str(&chain);
            }
        }
        if let Some(lock) = finding.gil.as_ref().map(|gil| self.lock(gil)) {
            text.push_str(&self.layout.item("       lock  ", &lock));
        }
        text
    }

    fn lock(&self, gil: &DumpGil) -> String {
        match gil {
            DumpGil::Own => {
                "it holds the interpreter's lock: no other Python thread runs".to_owned()
            }
            DumpGil::Free => "nobody holds the interpreter's lock".to_owned(),
            DumpGil::Thread { thread_index, at } => {
                let holder = self.thread_name(*thread_index);
                let place = at
                    .as_ref()
                    .map_or_else(String::new, |at| format!(", at {}", self.paths().place(at)));
                format!("{holder} holds the interpreter's lock{place}")
            }
        }
    }

    /// Each task of a circle and where it waits for the next.
    fn circle(&self, finding: &DumpFinding) -> String {
        let tasks = &finding.task_indexes;
        let next = tasks.iter().cycle().skip(1);
        let mut text = String::new();
        for (index, next) in tasks.iter().zip(next).take(MOST_TASKS) {
            let place = self
                .task(*index)
                .and_then(|task| telling(&task.await_chain))
                .map_or_else(String::new, |at| format!(" at {}", self.paths().place(at)));
            let line = format!(
                "{}{place} waits for {}",
                self.task_name(*index),
                self.task_name(*next)
            );
            text.push_str(&self.layout.item("       task  ", &line));
        }
        text
    }

    fn advice(&self, finding: &DumpFinding) -> String {
        if let Some(code) = &finding.replacement {
            let code = self.layout.paint(AnsiColor::Green.on_default(), code);
            return self.layout.item("      write  ", &code);
        }
        let step = finding.steps.first();
        step.map_or_else(String::new, |step| self.layout.item("         do  ", step))
    }
}

/// The innermost frame of the application's own code, or the innermost.
pub(super) fn telling(
    chain: &[loopscope_engine::dump::DumpFrame],
) -> Option<&loopscope_engine::dump::DumpFrame> {
    chain.iter().rfind(|frame| frame.in_app).or(chain.last())
}
