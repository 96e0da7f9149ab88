//! A program that leaves one loop open and then runs another has one loop that runs and none that stalls.

use crate::loopscope;

const TWO_LOOPS: &str = "
import asyncio
async def turn(times):
    for _ in range(times):
        await asyncio.sleep(0.05)
first = asyncio.new_event_loop()
first.run_until_complete(turn(12))
def deeper(levels):
    if levels:
        return deeper(levels - 1)
    asyncio.run(turn(30))
deeper(30)
";

#[test]
fn a_loop_that_was_left_open_is_not_stalled() {
    let runtime = tempfile::tempdir().unwrap();
    let mut command = loopscope(&runtime.path().join("rt"));
    let output = command
        .args(["run", "--listen", "off", "--", "python3", "-c", TWO_LOOPS])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("0 stalls: nothing to report"), "{said}");
}
