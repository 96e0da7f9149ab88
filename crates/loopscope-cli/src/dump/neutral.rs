//! A report's strings made safe for a terminal, all in one place, before anything is drawn from it.
//!
//! Names, paths and messages come from the process. JSON keeps them as they are; a screen must not act on
//! them.

use std::sync::Arc;

use loopscope_engine::dump::{
    DumpFinding, DumpFrame, DumpGil, DumpLoop, DumpProcess, DumpReport, DumpTask, DumpThread,
    DumpThreadState,
};

use crate::screen::Text;

/// Neutralises every string.
pub(super) fn neutralise(report: &mut DumpReport) {
    process(&mut report.process);
    report.findings.iter_mut().for_each(finding);
    report.loops.iter_mut().for_each(event_loop);
    report.tasks.iter_mut().for_each(task);
    report.threads.iter_mut().for_each(thread);
    for group in &mut report.task_groups {
        optional_frame(&mut group.at);
        optional(&mut group.waits_for);
    }
    for native in &mut report.native_threads {
        optional(&mut native.name);
        kernel(&mut native.kernel);
    }
    report.problems.iter_mut().for_each(string);
    string(&mut report.version);
    if let Some(error) = &mut report.error {
        string(&mut error.message);
        string(&mut error.hint);
    }
    if let Some(reading) = &mut report.reading {
        string(&mut reading.python_version);
        reading.approximate.iter_mut().for_each(string);
    }
}

fn process(process: &mut DumpProcess) {
    string(&mut process.name);
    process.command_line.iter_mut().for_each(string);
    optional(&mut process.working_folder);
    optional(&mut process.user);
}

fn finding(finding: &mut DumpFinding) {
    string(&mut finding.summary);
    optional_frame(&mut finding.culprit);
    optional(&mut finding.call);
    optional(&mut finding.replacement);
    finding.steps.iter_mut().for_each(string);
    if let Some(DumpGil::Thread { at, .. }) = &mut finding.gil {
        optional_frame(at);
    }
}

fn event_loop(event_loop: &mut DumpLoop) {
    shared(&mut event_loop.type_name);
    optional_frame(&mut event_loop.at);
    optional(&mut event_loop.problem);
}

fn task(task: &mut DumpTask) {
    optional(&mut task.name);
    shared(&mut task.type_name);
    task.exception.iter_mut().for_each(shared);
    optional(&mut task.exception_message);
    task.await_chain.iter_mut().for_each(frame);
    optional(&mut task.problem);
    if let Some(wait) = &mut task.waits_for {
        wait.future_type.iter_mut().for_each(shared);
        if let Some(primitive) = &mut wait.primitive {
            shared(&mut primitive.kind);
            optional(&mut primitive.detail);
        }
    }
}

fn thread(thread: &mut DumpThread) {
    optional(&mut thread.name);
    kernel(&mut thread.kernel);
    thread.frames.iter_mut().for_each(frame);
    optional(&mut thread.problem);
}

fn kernel(state: &mut DumpThreadState) {
    optional(&mut state.syscall);
}

fn frame(frame: &mut DumpFrame) {
    shared(&mut frame.file);
    shared(&mut frame.function);
}

fn optional_frame(at: &mut Option<DumpFrame>) {
    at.iter_mut().for_each(frame);
}

fn optional(text: &mut Option<String>) {
    text.iter_mut().for_each(string);
}

fn string(text: &mut String) {
    if !is_plain(text) {
        *text = Text::new(text).to_string();
    }
}

fn shared(text: &mut Arc<str>) {
    if !is_plain(text) {
        *text = Text::new(text).as_str().into();
    }
}

/// Nearly all strings are; ten thousand tasks have a hundred thousand of them.
fn is_plain(text: &str) -> bool {
    text.len() < 1_000 && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}
