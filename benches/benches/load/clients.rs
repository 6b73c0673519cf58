//! Two hundred clients, each with a connection of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) const CLIENTS: usize = 200;

/// Everybody asks the same again as soon as they are answered: how long each answer took.
pub(crate) async fn ask(address: &str, requests: &[String], span: Duration) -> Vec<Duration> {
    let over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let request = requests[number % requests.len()].clone();
            let (address, over) = (address.to_owned(), over.clone());
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (mut buffer, mut times) = (vec![0; 16 * 1024], Vec::new());
                while !over.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    stream.write_all(request.as_bytes()).await.unwrap();
                    answer(&mut stream, &mut buffer).await;
                    times.push(begun.elapsed());
                }
                times
            })
        })
        .collect();
    tokio::time::sleep(span).await;
    over.store(true, Ordering::Relaxed);
    let mut all = Vec::new();
    for client in clients {
        all.extend(client.await.unwrap());
    }
    all
}

/// Reads one answer, as little of it as will do: the client shares the machine with the server.
async fn answer(stream: &mut TcpStream, buffer: &mut [u8]) {
    let mut filled = 0;
    loop {
        let more = stream.read(&mut buffer[filled..]).await.unwrap();
        assert!(more > 0, "the server hung up");
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
