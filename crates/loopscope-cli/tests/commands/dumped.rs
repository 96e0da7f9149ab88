//! Dumps of a process that a run watches: it stands still for each, and the run goes on.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};

use crate::loopscope;

/// Says its id and ends with 7 at the end of its input, while its loop turns.
const TARGET: &str = "
import asyncio, os, sys
async def main():
    ticks = asyncio.create_task(tick(), name='ticks')
    print(os.getpid(), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
async def tick():
    while True:
        await asyncio.sleep(0.01)
asyncio.run(main())
sys.exit(7)
";

fn first_line(child: &mut Child) -> (String, BufReader<ChildStdout>) {
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    (line.trim_end().to_owned(), output)
}

#[test]
fn a_run_goes_on_while_its_program_is_dumped_and_passes_the_exit_code_on() {
    let runtime = tempfile::tempdir().unwrap();
    let folder = runtime.path().join("rt");
    let mut command = loopscope(&folder);
    command.args(["run", "--listen", "off", "--", "python3", "-c", TARGET]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut run = command.stderr(Stdio::piped()).spawn().unwrap();
    let (pid, _output) = first_line(&mut run);
    for dump in 0..60 {
        let mode = if dump % 6 == 0 { "snapshot" } else { "stop" };
        let mut command = loopscope(&folder);
        let dumped = command.args(["dump", &pid, "--mode", mode]).output();
        let dumped = dumped.unwrap();
        let shown = String::from_utf8_lossy(&dumped.stdout);
        assert!(dumped.status.success(), "{dumped:?}");
        assert!(shown.contains("main"), "{shown}");
        assert_eq!(run.try_wait().unwrap(), None, "after dump {dump}");
    }
    drop(run.stdin.take());
    let ended = run.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(7), "{said}");
    assert!(!said.contains("cannot wait"), "{said}");
}
