//! A program that works when it is told to: `loopscope-bench-tokio WORK WATCHED-BY`.
//!
//! WORK is `storm` (tasks that end at once), `yields` (eight tasks that yield and yield), `axum` (a server), or `stalls`
//! and a number of them. Each prints a line when it is ready. The first two then do a slice of their work for each line
//! of stdin, and print how many nanoseconds one operation took; the server's first line is its pid and port. Wiring
//! only.

mod slices;
mod stalls;
mod variant;
mod web;

use std::io::{self, BufRead, Write};

use variant::{Running, Variant};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let work = words.next().unwrap_or_default();
    let variant: Variant = words.next().unwrap_or_default().parse()?;
    let count = words.next().map_or(Ok(0), |count| count.parse())?;
    let running = Running::start(variant)?;
    // A task of its own: what a runtime is given to run is on none of its workers.
    let task = match work.as_str() {
        "storm" => running.spawn(asked(variant, slices::storm)),
        "yields" => running.spawn(asked(variant, slices::yields)),
        "axum" => running.spawn(web::serve(variant)),
        "stalls" => running.spawn(stalls::stall(count, running.address())),
        other => return Err(format!("no such work: {other}").into()),
    };
    let done = running.block_on(task)?;
    running.end();
    done
}

/// A slice of work for each line that is asked for.
async fn asked<F>(variant: Variant, slice: fn(Variant) -> F) -> Result<()>
where
    F: Future<Output = f64> + Send + 'static,
{
    say("ready")?;
    // No worker waits for the next line, and nothing is measured meanwhile.
    let next = || io::stdin().lock().lines().next();
    while let Some(line) = tokio::task::spawn_blocking(next).await? {
        line?;
        say(&format!("{:.2}", slice(variant).await))?;
    }
    Ok(())
}

fn say(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}
