//! Looks at each thread of a Python process: `cargo run --release --example look -- PID [LOOKS]`.
//!
//! Prints what was seen, and how long attaching and a look took.

#![expect(
    clippy::print_stdout,
    reason = "an example shows what it found on the terminal"
)]

use std::error::Error;
use std::time::Instant;

use loopscope_inspect::{Inspector, kernel};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let pid: u32 = arguments.next().ok_or("usage: look PID [LOOKS]")?.parse()?;
    let looks: usize = arguments.next().map_or(Ok(1000), |count| count.parse())?;
    let started = Instant::now();
    let mut inspector = Inspector::attach(pid)?;
    println!(
        "Python {}, attached in {:?}",
        inspector.python_version(),
        started.elapsed()
    );
    for tid in kernel::thread_ids(pid) {
        println!("thread {tid}: {:?}", kernel::thread_state(pid, tid));
        let started = Instant::now();
        let sample = inspector.sample_thread(tid)?;
        println!("first look: {:?}\n{sample:#?}", started.elapsed());
        measure(&mut inspector, tid, looks)?;
    }
    Ok(())
}

fn measure(inspector: &mut Inspector, tid: u32, looks: usize) -> Result<(), Box<dyn Error>> {
    let mut micros = Vec::with_capacity(looks);
    let mut torn = 0;
    for _ in 0..looks {
        let started = Instant::now();
        let sample = inspector.sample_thread(tid)?;
        micros.push(started.elapsed().as_micros());
        torn += usize::from(sample.torn);
    }
    micros.sort_unstable();
    let at = |share: usize| micros.get(looks * share / 100).copied().unwrap_or_default();
    println!(
        "{looks} looks: median {} µs, p99 {} µs, {torn} torn\n",
        at(50),
        at(99)
    );
    Ok(())
}
