use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::process::{Server, directory, find, free_port};

/// How long it may take until it knows its data.
const PATIENCE: Duration = Duration::from_secs(30);

/// A Prometheus that scrapes nobody and knows what it was given.
#[derive(Debug)]
pub struct Prometheus {
    url: String,
    _own: Server,
}

impl Prometheus {
    /// A server of its own with these measurements, in OpenMetrics with a time on every line.
    ///
    /// # Panics
    /// When there is none, saying how to install it, and for measurements that make no sense.
    #[must_use]
    pub fn with(measurements: &str) -> Self {
        let program = find("prometheus", &[], "prometheus");
        let import = find("promtool", &[], "prometheus");
        let (port, directory) = (free_port(), directory(None));
        let (file, config) = (directory.path().join("measurements"), directory.path().join("prometheus.yml"));
        std::fs::write(&file, measurements).expect("the measurements are written");
        std::fs::write(&config, "scrape_configs: []\n").expect("the configuration is written");
        let data = directory.path().join("data");
        let imported = Command::new(import)
            .args(["tsdb", "create-blocks-from", "openmetrics"])
            .args([&file, &data])
            .stdout(Stdio::null())
            .output()
            .expect("promtool runs");
        assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
        let arguments = vec![
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", data.display()),
            "--storage.tsdb.retention.time=100y".to_owned(),
            format!("--web.listen-address=127.0.0.1:{port}"),
            "--log.level=error".to_owned(),
        ];
        let own = Server::start(program, arguments, (None, directory), port, "KILL");
        wait_until_ready(port);
        Self { url: format!("http://127.0.0.1:{port}"), _own: own }
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// It listens before it knows its data.
fn wait_until_ready(port: u16) {
    let deadline = Instant::now() + PATIENCE;
    while !is_ready(port).unwrap_or(false) {
        assert!(Instant::now() < deadline, "Prometheus is not ready after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_ready(port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.write_all(b"GET /-/ready HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.split(' ').nth(1) == Some("200"))
}
