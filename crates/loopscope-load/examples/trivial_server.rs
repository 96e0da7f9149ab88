//! What the benchmark sends to: answers every request at once, or after so many milliseconds, on one thread. Prints its
//! address, serves for ever.

#![expect(clippy::print_stdout, reason = "the benchmark reads it")]

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok";

fn main() -> io::Result<()> {
    let millis = std::env::args().nth(1).and_then(|word| word.parse().ok());
    let delay = Duration::from_millis(millis.unwrap_or(0));
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("http://{}/", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(serve(stream, delay));
        }
    })
}

async fn serve(mut stream: TcpStream, delay: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut asked = [0; 4096];
    loop {
        let mut length = 0;
        while !asked[..length].ends_with(b"\r\n\r\n") {
            match stream.read(&mut asked[length..]).await? {
                0 => return Ok(()),
                count => length += count,
            }
        }
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        stream.write_all(ANSWER).await?;
    }
}
