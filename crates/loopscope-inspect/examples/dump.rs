//! Dumps a Python process: `cargo run --release --example dump -- PID [stop|snapshot|live] [TIMES]`.
//!
//! Prints the last of the dumps, and how long each took.

#![expect(
    clippy::print_stdout,
    reason = "an example shows what it found on the terminal"
)]

use std::error::Error;
use std::time::{Duration, Instant};

use loopscope_inspect::{Dump, DumpMode, Inspector};
use rustix::time::{ClockId, clock_gettime};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let pid: u32 = arguments
        .next()
        .ok_or("usage: dump PID [MODE] [TIMES]")?
        .parse()?;
    let mode = match arguments.next().as_deref() {
        Some("live") => DumpMode::Live,
        Some("snapshot") => DumpMode::Snapshot,
        _ => DumpMode::Stop,
    };
    let times: usize = arguments.next().map_or(Ok(1), |count| count.parse())?;
    let started = Instant::now();
    let mut inspector = Inspector::attach(pid)?;
    println!("attached in {:?}", started.elapsed());
    let mut last = None;
    for _ in 0..times {
        let (started, worked) = (Instant::now(), processor_time());
        let dump = inspector.dump(mode)?;
        println!(
            "{} tasks in {:?}, {:?} of work, paused {:?}",
            dump.tasks.len(),
            started.elapsed(),
            processor_time() - worked,
            dump.pause
        );
        last = Some(dump);
    }
    if let Some(dump) = last {
        show(&dump);
    }
    Ok(())
}

/// The time that this thread was on a processor, which other load on the machine does not stretch.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32)
}

fn show(dump: &Dump) {
    for thread in &dump.threads {
        println!("{thread:?}");
    }
    for event_loop in &dump.loops {
        println!("{event_loop:?}");
    }
    for task in dump.tasks.iter().take(100) {
        println!(
            "{:?} {} {:?} by {:?} {:?}",
            task.name, task.type_name, task.state, task.awaited_by, task.orphan
        );
        for frame in &task.await_chain {
            println!("    {} {}:{}", frame.function, frame.file, frame.line);
        }
        println!("    {:?} {:?}", task.waits_for, task.problem);
    }
    println!("deadlocks {:?}", dump.deadlocks);
    println!("problems {:?}", dump.problems);
}
