//! A small shop on tokio: an HTTP API on a multi-thread runtime, a stock keeper on a current-thread one of its own.
//!
//! It looks like a service that works. Three of its handlers and one of its background jobs do something that a worker
//! of tokio must never do; each of them was written by somebody in a hurry. `loopscope demo --rust` runs it as a
//! process of its own, from this very program. It uses nothing of Loopscope.

use std::hint::black_box;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{self, LocalSet};
use tokio::time::sleep;

use crate::exit_codes::{HEALTHY, UNAVAILABLE};
use crate::messages::complain;

/// Serves until it is told to end.
pub(crate) fn run() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::from(HEALTHY),
        Err(error) => {
            complain(
                &format!("the sample service cannot serve ({error})"),
                "check the limits on processes and files with `ulimit -a`",
            );
            ExitCode::from(UNAVAILABLE)
        }
    }
}

fn serve() -> io::Result<()> {
    thread::Builder::new()
        .name("stock".into())
        .spawn(keep_stock)?;
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build()?;
    let served = runtime.block_on(async {
        let shop = Arc::new(Shop::open()?);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        writeln!(io::stdout(), "{port}")?;
        task::spawn(accept(listener, shop));
        let (mut interrupt, mut end) = (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        );
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = end.recv() => {}
        }
        Ok(())
    });
    // A worker may be blocked.
    runtime.shutdown_background();
    served
}

struct Shop {
    shelves: Mutex<Vec<u32>>,
    /// Taken by whoever prints, for as long as that takes.
    printer: tokio::sync::Mutex<u32>,
    warehouse: SocketAddr,
}

impl Shop {
    fn open() -> io::Result<Self> {
        Ok(Self {
            shelves: Mutex::new(vec![42; 12]),
            printer: tokio::sync::Mutex::new(0),
            warehouse: warehouse()?,
        })
    }

    async fn answer(self: Arc<Self>, path: &str) -> io::Result<String> {
        match path {
            "/orders" => Ok(orders(&self).await),
            "/receipt" => receipt(&self).await,
            "/invoice" => Ok(invoice().await),
            "/reserve" => reserve(self).await,
            "/export" => export(),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

async fn orders(shop: &Shop) -> String {
    let left = left_on_shelves(shop);
    sleep(Duration::from_millis(5)).await;
    format!("{{\"orders\": [{{\"id\": 7, \"total\": 42}}], \"left\": {left}}}")
}

#[inline(never)]
fn left_on_shelves(shop: &Shop) -> usize {
    shop.shelves.lock().map_or(0, |shelves| shelves.len())
}

/// What blocks is where it belongs, and the lock that is held meanwhile is one to await.
async fn receipt(shop: &Shop) -> io::Result<String> {
    let mut printed = shop.printer.lock().await;
    task::spawn_blocking(|| thread::sleep(Duration::from_millis(150))).await?;
    *printed += 1;
    Ok(format!("{{\"printed\": {printed}}}"))
}

async fn invoice() -> String {
    sleep(Duration::from_millis(10)).await;
    format!("{{\"total\": {}}}", 42.0 * fetch_rate())
}

fn fetch_rate() -> f64 {
    thread::sleep(Duration::from_millis(1200));
    1.08
}

/// What blocks is where it belongs, and has a lock with it that others do not await.
async fn reserve(shop: Arc<Shop>) -> io::Result<String> {
    let reserving = task::spawn_blocking(move || {
        let shelves = shop.shelves.lock();
        let confirmed = ask_warehouse(shop.warehouse)?;
        shelves.map_or(Ok(0), |mut shelves| {
            shelves.push(confirmed);
            Ok(shelves.len())
        })
    });
    let left: io::Result<usize> = reserving.await?;
    Ok(format!("{{\"left\": {}}}", left?))
}

fn ask_warehouse(warehouse: SocketAddr) -> io::Result<u32> {
    let mut stream = std::net::TcpStream::connect(warehouse)?;
    let mut confirmed = [0];
    stream.read_exact(&mut confirmed)?;
    Ok(confirmed[0].into())
}

fn export() -> io::Result<String> {
    let (done, exported) = mpsc::channel();
    thread::Builder::new().spawn(move || {
        thread::sleep(Duration::from_millis(6500));
        done.send(60_000)
    })?;
    let rows = exported.recv().unwrap_or(0);
    Ok(format!("{{\"exported\": {rows}}}"))
}

/// The two jobs of the stock keeper share a thread: while one counts, the other's labels are late.
fn keep_stock() -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let jobs = LocalSet::new();
    jobs.spawn_local(async {
        loop {
            sleep(Duration::from_millis(50)).await;
            print_label();
        }
    });
    runtime.block_on(jobs.run_until(async {
        loop {
            sleep(Duration::from_millis(2600)).await;
            count_shelves();
        }
    }))
}

fn print_label() {
    black_box("12.50".parse::<f64>()).unwrap_or_default();
}

fn count_shelves() {
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(500) {
        black_box(count_shelf());
    }
}

/// All of the work is on one line.
#[inline(never)]
#[rustfmt::skip]
fn count_shelf() -> u64 {
    let mut goods = 0;
    for place in 0..200_000_u64 { goods = black_box(goods + (place & 7)); }
    goods
}

/// A partner that takes its time: confirms whatever it is asked, over a connection for each question.
fn warehouse() -> io::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let confirm = move || {
        for mut stream in listener.incoming().flatten() {
            thread::sleep(Duration::from_millis(1500));
            // Who asked may have gone.
            let _ = stream.write_all(&[3]);
        }
    };
    thread::Builder::new()
        .name("warehouse".into())
        .spawn(confirm)?;
    Ok(address)
}

async fn accept(listener: TcpListener, shop: Arc<Shop>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shop = Arc::clone(&shop);
        task::spawn(async move {
            // Who asked may have gone.
            let _ = exchange(stream, shop).await;
        });
    }
}

/// One request and its answer.
async fn exchange(mut stream: TcpStream, shop: Arc<Shop>) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&head);
    let path = head.split(' ').nth(1).unwrap_or_default();
    let (status, body) = match shop.answer(path).await {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", "{\"error\": \"no such route\"}".into()),
    };
    let length = body.len();
    let answer =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).await
}
