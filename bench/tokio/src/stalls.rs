//! Stalls of a worker, at times that are told.

use std::hint::black_box;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::sleep;

use crate::{Result, say};

const STALL: Duration = Duration::from_millis(300);

/// Stalls so many times, and says when each began. Its first line is where Loopscope answers in this process.
pub(crate) async fn stall(count: usize, address: Option<SocketAddr>) -> Result<()> {
    say(&address.map_or_else(|| "nowhere".to_owned(), |address| address.to_string()))?;
    sleep(Duration::from_secs(1)).await;
    for (number, block) in BLOCKS.iter().enumerate().take(count) {
        // Uneven, so that no period of the observer's own stays in step.
        sleep(Duration::from_millis(200 + number as u64 * 37 % 100)).await;
        let now = clock_gettime(ClockId::Monotonic);
        block();
        say(&format!(
            "{:.6}",
            now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
        ))?;
    }
    Ok(())
}

/// Functions that do the same: each stall is to be a finding of its own.
macro_rules! blocks {
    ($($name:ident)*) => {
        $(
            #[inline(never)]
            fn $name() {
                thread::sleep(STALL);
                black_box(stringify!($name));
            }
        )*
        const BLOCKS: &[fn()] = &[$($name),*];
    };
}

blocks! {
    stall_0 stall_1 stall_2 stall_3 stall_4 stall_5 stall_6 stall_7 stall_8 stall_9
    stall_10 stall_11 stall_12 stall_13 stall_14 stall_15 stall_16 stall_17 stall_18 stall_19
    stall_20 stall_21 stall_22 stall_23 stall_24 stall_25 stall_26 stall_27 stall_28 stall_29
}
