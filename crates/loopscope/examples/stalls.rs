//! A program that stalls by known amounts and says so: `stalls WHAT FLAVOUR [installed]`.
//!
//! WHAT is names of stalls below with commas between, `all` of the flavour's one after the other, or `healthy`; FLAVOUR is
//! `multi` or `current`. With `installed` it watches its runtime by the crate, else it knows nothing of Loopscope. It
//! prints one JSON object a line, see `tests/fixtures/declare.py` of the command line: when it is ready, and each stall
//! with its exact times.
#![expect(clippy::print_stdout, reason = "a program that speaks to a test")]
#![expect(clippy::unwrap_used, reason = "a program of a test fails as tests do")]

use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Write, pipe};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use loopscope::{Config, Scope};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task;
use tokio::time::sleep;

/// How long each stall lasts.
const STALL: Duration = Duration::from_millis(400);

/// How long healthy programs work.
const HEALTHY: Duration = Duration::from_secs(2);

const WORKERS: usize = 2;

fn main() {
    let mut words = std::env::args().skip(1);
    let what = words.next().unwrap_or_default();
    let is_multi = words.next().unwrap_or_default() == "multi";
    let scope = match words.next() {
        Some(_) => loopscope::install(Config::from_env().service("stalls")).unwrap(),
        None => Scope::unwatched(),
    };
    if let Some(address) = scope.address() {
        println!("{{\"address\": \"{address}\"}}");
    }
    for problem in scope.problems() {
        println!("{{\"problem\": \"{problem}\"}}");
    }
    let runtime = runtime(&scope, is_multi);
    runtime.block_on(run(what, is_multi, scope));
    runtime.shutdown_timeout(Duration::from_millis(100));
}

fn runtime(scope: &Scope, is_multi: bool) -> Runtime {
    let is_watched = std::env::args().nth(3).is_some();
    if is_watched && is_multi {
        let mut builder = scope.runtime_builder("main");
        return builder
            .worker_threads(WORKERS)
            .enable_all()
            .build()
            .unwrap();
    }
    if is_watched {
        return scope
            .current_thread_builder("main")
            .enable_all()
            .build()
            .unwrap();
    }
    let mut builder = if is_multi {
        Builder::new_multi_thread()
    } else {
        Builder::new_current_thread()
    };
    builder
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .unwrap()
}

async fn run(what: String, is_multi: bool, scope: Scope) {
    // Something that waits for events all the while, as a server does.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let serving = task::spawn(async move { while listener.accept().await.is_ok() {} });
    for _ in 0..30 {
        sleep(Duration::from_millis(20)).await;
    }
    println!(
        "{{\"ready\": true, \"pid\": {}, \"thread_id\": {}}}",
        std::process::id(),
        thread_id()
    );
    if what == "healthy" {
        healthy(is_multi).await;
    } else {
        let of_one = if is_multi {
            [].as_slice()
        } else {
            &OF_ONE_THREAD
        };
        let all = STALLS.iter().chain(of_one);
        let all = all.filter(|name| what == "all" || what.split(',').any(|one| one == **name));
        for name in all {
            match *name {
                "local" => local().await,
                "crowd" => crowd().await,
                // A task of its own: what a runtime with workers was given to run is none of theirs.
                name => scope.spawn("stalls", stall(name)).await.unwrap(),
            }
            sleep(Duration::from_millis(200)).await;
        }
    }
    sleep(Duration::from_millis(300)).await;
    serving.abort();
}

/// Says what happened between the start and now, and on which lines it may be seen.
fn declare(what: &str, function: &str, line: u32, start: f64, waited: f64) {
    println!(
        "{{\"stall\": \"{what}\", \"start_monotonic\": {start}, \"end_monotonic\": {}, \"waited_seconds\": {}, \
         \"file\": \"{}\", \"lines\": [{line}], \"function\": \"{function}\", \"pid\": {}, \"thread_id\": {}}}",
        monotonic(),
        waited_seconds() - waited,
        concat!(env!("CARGO_MANIFEST_DIR"), "/examples/stalls.rs"),
        std::process::id(),
        thread_id()
    );
    std::io::stdout().flush().unwrap();
}

const STALLS: [&str; 8] = [
    "sleep",
    "spin",
    "mutex",
    "file",
    "socket",
    "recv",
    "unyielding",
    "nested",
];

/// Stalls of a runtime with one thread only.
const OF_ONE_THREAD: [&str; 2] = ["local", "crowd"];

async fn stall(what: &str) {
    match what {
        "sleep" => sleeps(),
        "spin" => spins(),
        "mutex" => locks(),
        "file" => reads_a_file(),
        "socket" => reads_a_socket(),
        "recv" => receives(),
        "unyielding" => never_yields().await,
        "nested" => runs_a_runtime(),
        _ => panic!("no such stall: {what}"),
    }
}

#[inline(never)]
fn sleeps() {
    let (start, waited) = (monotonic(), waited_seconds());
    thread::sleep(STALL);
    declare("sleep", "stalls::sleeps", line!() - 1, start, waited);
}

#[inline(never)]
fn spins() {
    let (start, waited) = (monotonic(), waited_seconds());
    compute(STALL);
    declare("spin", "stalls::compute", COMPUTING_LINE, start, waited);
}

const COMPUTING_LINE: u32 = line!() + 8;

/// One line does all of the work.
#[inline(never)]
#[rustfmt::skip]
fn compute(time: Duration) {
    let began = Instant::now();
    let mut sum = 0_u64;
    while began.elapsed() < time { for number in 0..10_000_u64 { sum = black_box(sum.wrapping_mul(31).wrapping_add(number)); } }
    black_box(sum);
}

#[inline(never)]
fn locks() {
    let shared = Arc::new(Mutex::new(0));
    let (told, taken) = mpsc::channel();
    let other = Arc::clone(&shared);
    let holder = thread::spawn(move || {
        let guard = other.lock().unwrap();
        told.send(()).unwrap();
        thread::sleep(STALL);
        drop(guard);
    });
    taken.recv().unwrap();
    let (start, waited) = (monotonic(), waited_seconds());
    let guard = shared.lock().unwrap();
    declare("mutex", "stalls::locks", line!() - 1, start, waited);
    drop(guard);
    holder.join().unwrap();
}

#[inline(never)]
fn reads_a_file() {
    let (reader, mut writer) = pipe().unwrap();
    let mut file = File::from(OwnedFd::from(reader));
    let late = thread::spawn(move || {
        thread::sleep(STALL);
        writer.write_all(b"late").unwrap();
    });
    let mut bytes = [0; 4];
    let (start, waited) = (monotonic(), waited_seconds());
    file.read_exact(&mut bytes).unwrap();
    declare("file", "stalls::reads_a_file", line!() - 1, start, waited);
    late.join().unwrap();
}

#[inline(never)]
fn reads_a_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let late = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        thread::sleep(STALL);
        stream.write_all(b"late").unwrap();
    });
    let mut stream = TcpStream::connect(address).unwrap();
    let mut bytes = [0; 4];
    let (start, waited) = (monotonic(), waited_seconds());
    let line = line!() + 1;
    stream.read_exact(&mut bytes).unwrap();
    declare("socket", "stalls::reads_a_socket", line, start, waited);
    late.join().unwrap();
}

#[inline(never)]
fn receives() {
    let (sender, receiver) = mpsc::channel();
    let late = thread::spawn(move || {
        thread::sleep(STALL);
        sender.send(1).unwrap();
    });
    let (start, waited) = (monotonic(), waited_seconds());
    let received: i32 = receiver.recv().unwrap();
    declare("recv", "stalls::receives", line!() - 1, start, waited);
    late.join().unwrap();
    black_box(received);
}

/// Awaits, and what it awaits is always ready.
async fn never_yields() {
    let (start, waited) = (monotonic(), waited_seconds());
    let began = Instant::now();
    while began.elapsed() < STALL {
        std::future::ready(work()).await;
    }
    declare("unyielding", "stalls::work", WORKING_LINE, start, waited);
}

const WORKING_LINE: u32 = line!() + 7;

/// About a millisecond's work.
#[inline(never)]
#[rustfmt::skip]
fn work() -> u64 {
    let mut sum = 0_u64;
    for number in 0..100_000_u64 { sum = black_box(sum.wrapping_mul(31).wrapping_add(number)); }
    sum
}

/// Waits for a runtime inside of a runtime.
#[inline(never)]
fn runs_a_runtime() {
    let inner = thread::spawn(|| {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { sleep(STALL).await });
    });
    let (start, waited) = (monotonic(), waited_seconds());
    let line = line!() + 1;
    inner.join().unwrap();
    declare("nested", "stalls::runs_a_runtime", line, start, waited);
}

/// A task of a set whose tasks all run on this thread.
async fn local() {
    let set = task::LocalSet::new();
    set.run_until(async { task::spawn_local(async { sleeps_locally() }).await.unwrap() })
        .await;
}

#[inline(never)]
fn sleeps_locally() {
    let (start, waited) = (monotonic(), waited_seconds());
    let line = line!() + 1;
    thread::sleep(STALL);
    declare("local", "stalls::sleeps_locally", line, start, waited);
}

/// So many short tasks at once that a runtime with one thread gets to nothing else.
async fn crowd() {
    let (start, waited) = (monotonic(), waited_seconds());
    let mut tasks = task::JoinSet::new();
    for _ in 0..50 {
        tasks.spawn(async { compute(STALL / 50) });
    }
    while tasks.join_next().await.is_some() {}
    declare("crowd", "stalls::crowd", COMPUTING_LINE, start, waited);
}

/// As much as there is to do, and nothing that keeps a worker for long.
async fn healthy(is_multi: bool) {
    let until = Instant::now() + HEALTHY;
    let is_on = move || Instant::now() < until;
    let mut tasks = task::JoinSet::new();
    // Computes, and lets others in: the same task is polled again and again.
    tasks.spawn(async move {
        while is_on() {
            compute(Duration::from_millis(4));
            task::yield_now().await;
        }
    });
    // Two that hand something to and fro, without ever waiting for events.
    let (there, mut here) = tokio::sync::mpsc::channel::<u32>(1);
    let (back, mut again) = tokio::sync::mpsc::channel::<u32>(1);
    tasks.spawn(async move {
        while let Some(number) = here.recv().await {
            if back.send(number).await.is_err() {
                return;
            }
        }
    });
    tasks.spawn(async move {
        while is_on() {
            let _ = there.send(1).await;
            again.recv().await;
            task::yield_now().await;
        }
    });
    // Many short ones.
    tasks.spawn(async move {
        while is_on() {
            for _ in 0..20 {
                drop(task::spawn(async { compute(Duration::from_micros(50)) }));
            }
            sleep(Duration::from_millis(2)).await;
        }
    });
    // Blocking work where it belongs, and a future that is waited for there.
    tasks.spawn(async move {
        let handle = Handle::current();
        while is_on() {
            task::spawn_blocking(|| thread::sleep(STALL)).await.unwrap();
            let handle = handle.clone();
            let waiting = task::spawn_blocking(move || handle.block_on(sleep(STALL)));
            waiting.await.unwrap();
        }
    });
    if is_multi {
        tasks.spawn(async move {
            while is_on() {
                task::block_in_place(|| thread::sleep(STALL));
                task::block_in_place(|| Handle::current().block_on(sleep(STALL)));
                sleep(Duration::from_millis(20)).await;
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}

/// `CLOCK_MONOTONIC` in seconds.
fn monotonic() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

fn thread_id() -> i32 {
    rustix::thread::gettid().as_raw_nonzero().get()
}

/// How long this thread has been ready to run without a processor, by the kernel's own account.
fn waited_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let waited = text
        .split(' ')
        .nth(1)
        .and_then(|nanos| nanos.parse::<f64>().ok());
    waited.unwrap_or(0.0) / 1e9
}
