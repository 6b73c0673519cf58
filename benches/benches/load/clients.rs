//! 200 clients with one connection each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) const CLIENTS: usize = 200;

/// Sends requests for this time, each client the next one as soon as it has received a response. Returns the response
/// times.
pub(crate) async fn run_clients(address: &str, requests: &[String], duration: Duration) -> Vec<Duration> {
    let stopped = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let request = requests[number % requests.len()].clone();
            let (address, stopped) = (address.to_owned(), stopped.clone());
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (mut buffer, mut times) = (vec![0; 16 * 1024], Vec::new());
                while !stopped.load(Ordering::Relaxed) {
                    let started = Instant::now();
                    stream.write_all(request.as_bytes()).await.unwrap();
                    read_response(&mut stream, &mut buffer).await;
                    times.push(started.elapsed());
                }
                times
            })
        })
        .collect();
    tokio::time::sleep(duration).await;
    stopped.store(true, Ordering::Relaxed);
    let mut all = Vec::new();
    for client in clients {
        all.extend(client.await.unwrap());
    }
    all
}

/// Reads one response with little effort, because the client shares the machine with the server.
async fn read_response(stream: &mut TcpStream, buffer: &mut [u8]) {
    let mut filled = 0;
    loop {
        let more = stream.read(&mut buffer[filled..]).await.unwrap();
        assert!(more > 0, "the server closed the connection");
        filled += more;
        let text = std::str::from_utf8(&buffer[..filled]).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        assert!(head.starts_with("HTTP/1.1 200"), "{text}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() >= length.parse().unwrap() {
            return;
        }
    }
}
