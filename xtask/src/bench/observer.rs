//! What the supervisor itself uses while the loops it watches are idle.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::Setting;
use super::child::{Running, cpu_seconds, rss_mib};

/// Processes, and loops in each.
const SHAPES: [(u32, u32); 5] = [(1, 1), (1, 20), (20, 1), (1, 200), (20, 10)];

/// Measures every shape.
pub(crate) fn run(setting: &Setting) -> Result<()> {
    println!("the supervisor while all loops are idle (each wakes once a second)");
    for (processes, loops) in SHAPES {
        let arguments = [processes.to_string(), loops.to_string()];
        let command = setting.program("idle.py", &arguments.each_ref().map(String::as_str));
        let mut running = Running::watched(setting, &command)?;
        running.line()?;
        thread::sleep(Duration::from_secs(3));
        let time = setting.choose(Duration::from_secs(20), Duration::from_secs(5));
        let before = cpu_seconds(running.pid())?;
        thread::sleep(time);
        let cpu = (cpu_seconds(running.pid())? - before) / time.as_secs_f64() * 100.0;
        println!(
            "{:4} loops in {processes:2} processes:  {cpu:5.2} % of a core   {:5.1} MiB resident",
            processes * loops,
            rss_mib(running.pid())?
        );
    }
    Ok(())
}
