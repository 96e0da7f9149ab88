//! A service in Rust that does each thing that is to be found, beside a twin of it that is healthy: `service WHAT`.
//!
//! It says where `/health` answers, natively and on a route of its own, does what WHAT says, and ends when its standard
//! input does. Each fault is on a line that it declares first. What Loopscope tells by `tracing` it prints.
#![expect(clippy::print_stdout, reason = "a program that speaks to a test")]
#![expect(clippy::unwrap_used, reason = "a program of a test fails as tests do")]

use std::fmt::Write;
use std::io::Read;
use std::thread;
use std::time::Duration;

use deadpool_postgres::{Config, Pool, PoolConfig, Runtime, Timeouts};
use loopscope::{Scope, WatchedPool, track_call};
use tokio::time::sleep;
use tokio_postgres::NoTls;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

/// Connections that the pool has.
const CONNECTIONS: usize = 3;

/// Threads for work that blocks.
const BLOCKING_THREADS: usize = 4;

/// How long whoever holds them does so.
const HELD: Duration = Duration::from_secs(4);

fn main() {
    tracing::subscriber::set_global_default(Printing).unwrap();
    let scope = loopscope::install(loopscope::Config::from_env().service("service")).unwrap();
    let mut builder = scope.runtime_builder("main");
    let runtime = builder
        .worker_threads(2)
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
        .unwrap();
    println!("{}", scope.address().unwrap());
    let what = std::env::args().nth(1).unwrap_or_default();
    let _kept = runtime.block_on(async {
        serve(&scope).await;
        sleep(Duration::from_millis(100)).await;
        match what.as_str() {
            "calls" => calls(&scope).await,
            "tasks" => tasks(&scope).await,
            "blocking" => blocking(&scope).await,
            "pool" => return Some(pool(&scope).await),
            "healthy" => return Some(healthy(&scope).await),
            _ => panic!("no such fault: {what}"),
        }
        None
    });
    println!("done");
    let mut rest = Vec::new();
    std::io::stdin().read_to_end(&mut rest).unwrap();
    runtime.shutdown_timeout(Duration::from_millis(100));
}

/// Answers on a route of its own.
async fn serve(scope: &Scope) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    let app = axum::Router::new().nest("/internal", scope.health_routes());
    tokio::spawn(async move { axum::serve(listener, app).await });
}

/// Prints what Loopscope says.
struct Printing;

impl Subscriber for Printing {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "loopscope"
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(format!("event {}", event.metadata().level()));
        event.record(&mut line);
        println!("{}", line.0);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

/// Says on which line it will be found.
fn declare(what: &str, line: u32) {
    println!("{what} {line}");
}

#[derive(Debug)]
struct NoAgent;

impl std::fmt::Display for NoAgent {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("no agent answers")
    }
}

const ASK_LINE: u32 = line!() + 3;

#[track_call("faulty")]
async fn ask(answers: bool) -> Result<u32, NoAgent> {
    sleep(Duration::from_millis(1)).await;
    if answers { Ok(42) } else { Err(NoAgent) }
}

const BLOCK_LINE: u32 = line!() + 3;

#[track_call("faulty")]
fn blocks() {
    thread::sleep(Duration::from_millis(400));
}

const SLOW_LINE: u32 = line!() + 3;

#[track_call("faulty")]
async fn is_slow() {
    sleep(Duration::from_millis(2_200)).await;
}

async fn calls(scope: &Scope) {
    declare("ask", ASK_LINE);
    declare("blocks", BLOCK_LINE);
    declare("is_slow", SLOW_LINE);
    for _ in 0..6 {
        ask(false).await.unwrap_err();
    }
    scope.spawn("blocks", async { blocks() }).await.unwrap();
    is_slow().await;
}

async fn tasks(scope: &Scope) {
    let line = line!() + 1;
    drop(scope.spawn_fallible("polls updates", async { ask(false).await.map(drop) }));
    declare("polls updates", line);
    let taken = scope.spawn_fallible("is awaited", async { ask(false).await });
    taken.await.unwrap().unwrap_err();
    let aborted = scope.spawn_fallible("is aborted", std::future::pending::<Result<(), NoAgent>>());
    aborted.abort();
    drop(aborted);
    scope
        .spawn_fallible("ends well", async { ask(true).await })
        .await
        .unwrap()
        .unwrap();
}

/// Keeps every thread that may block, while more work wants one.
async fn blocking(scope: &Scope) {
    let line = line!() + 1;
    let keep = |_| scope.spawn_blocking("keep", || thread::sleep(HELD));
    declare("keep", line);
    let kept: Vec<_> = (0..BLOCKING_THREADS).map(keep).collect();
    scope.spawn_blocking("waits", || {}).await.unwrap();
    for one in kept {
        one.await.unwrap();
    }
}

/// To the server that the tests have started.
fn connect(scope: &Scope, name: &str, size: usize) -> WatchedPool<Pool> {
    let mut config = Config::new();
    config.host = Some("127.0.0.1".into());
    config.port = std::env::var("DB_PORT")
        .ok()
        .and_then(|port| port.parse().ok());
    (config.user, config.dbname) = (Some("tester".into()), Some("postgres".into()));
    config.pool = Some(PoolConfig {
        timeouts: Timeouts {
            wait: Some(HELD * 3 / 4),
            ..Timeouts::default()
        },
        ..PoolConfig::new(size)
    });
    let pool = config.create_pool(Some(Runtime::Tokio1), NoTls).unwrap();
    scope.watch_pool(name, &pool)
}

async fn answer(pool: &WatchedPool<Pool>) -> i32 {
    let connection = pool.acquire().await.unwrap();
    connection.query_one("SELECT 42", &[]).await.unwrap().get(0)
}

async fn pool(scope: &Scope) -> WatchedPool<Pool> {
    let pool = connect(scope, "db", CONNECTIONS);
    assert_eq!(answer(&pool).await, 42);
    let mut held = Vec::new();
    let line = line!() + 2;
    for _ in 0..CONNECTIONS {
        held.push(pool.acquire().await.unwrap());
    }
    declare("held", line);
    // One waits until it gives up, another until it gets one.
    let other = pool.clone();
    let line = line!() + 1;
    let waits = scope.spawn("waits", async move { other.acquire().await.is_err() });
    declare("waits", line);
    assert!(waits.await.unwrap());
    let other = pool.clone();
    let gets = scope.spawn("gets one", async move { answer(&other).await });
    sleep(HELD / 4).await;
    drop(held);
    assert_eq!(gets.await.unwrap(), 42);
    pool
}

/// The same functions and pools as above, as much as there is to do, and nothing that is wrong.
async fn healthy(scope: &Scope) -> WatchedPool<Pool> {
    let pool = connect(scope, "db", CONNECTIONS);
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let pool = pool.clone();
        clients.push(scope.spawn_fallible("client", async move {
            for _ in 0..200 {
                ask(true).await?;
                answer(&pool).await;
            }
            Ok::<(), NoAgent>(())
        }));
    }
    for client in clients {
        client.await.unwrap().unwrap();
    }
    // What blocks where that is right, and more of it than there are threads.
    let keep = |_| scope.spawn_blocking("blocks", blocks);
    let kept: Vec<_> = (0..BLOCKING_THREADS * 2).map(keep).collect();
    for one in kept {
        one.await.unwrap();
    }
    let aside = scope.spawn("steps aside", async { tokio::task::block_in_place(blocks) });
    aside.await.unwrap();
    // One failure among many calls is no fault, and one that is handled none at all.
    ask(false).await.unwrap_err();
    let handled = scope.spawn_fallible("is handled", async { ask(false).await });
    handled.await.unwrap().unwrap_err();
    pool
}
