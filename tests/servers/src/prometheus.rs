use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process::{Server, directory, find, free_port};

/// Directory of the database.
const DATA: &str = "data";
/// Maximum time until a started server has loaded its data.
const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// Prometheus server: one without scrape targets that has imported measurements, or one with a configuration.
#[derive(Debug)]
pub struct Prometheus {
    url: String,
    _process: Server,
}

impl Prometheus {
    /// Starts a server with these measurements, in the OpenMetrics format with a timestamp on every line.
    ///
    /// # Panics
    /// If Prometheus is not installed, with a message that says how to install it, and for invalid measurements.
    #[must_use]
    pub fn with(measurements: &str) -> Self {
        Self::with_measurements(measurements, &serde_json::json!({ "scrape_configs": [] }))
    }

    /// Starts a server with a configuration and these measurements.
    ///
    /// # Panics
    /// As [`Self::with`] and [`Self::with_config`].
    #[must_use]
    pub fn with_measurements(measurements: &str, config: &serde_json::Value) -> Self {
        let promtool = find("promtool", &[], "prometheus");
        let directory = directory(None);
        let (file, data) = (directory.path().join("measurements"), directory.path().join(DATA));
        std::fs::write(&file, measurements).expect("the measurements cannot be written");
        let imported = Command::new(promtool)
            .args(["tsdb", "create-blocks-from", "openmetrics"])
            .args([&file, &data])
            .stdout(Stdio::null())
            .output()
            .expect("promtool cannot be started");
        assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
        Self::launch(directory, config)
    }

    /// Starts a server with a configuration and an empty database.
    ///
    /// # Panics
    /// If Prometheus is not installed, with a message that says how to install it, and for an invalid configuration.
    #[must_use]
    pub fn with_config(config: &serde_json::Value) -> Self {
        Self::launch(directory(None), config)
    }

    fn launch(directory: TempDir, config: &serde_json::Value) -> Self {
        let program = find("prometheus", &[], "prometheus");
        let (port, file) = (free_port(), directory.path().join("prometheus.yml"));
        // JSON is YAML.
        std::fs::write(&file, config.to_string()).expect("the configuration cannot be written");
        let arguments = vec![
            format!("--config.file={}", file.display()),
            format!("--storage.tsdb.path={}", directory.path().join(DATA).display()),
            "--storage.tsdb.retention.time=100y".to_owned(),
            format!("--web.listen-address=127.0.0.1:{port}"),
            "--log.level=error".to_owned(),
        ];
        let process = Server::start(program, arguments, (None, directory), port, "KILL");
        wait_until_ready("Prometheus", port, READY_TIMEOUT);
        Self { url: format!("http://127.0.0.1:{port}"), _process: process }
    }

    /// URL of the server.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// Runs unit tests of expressions and rules with `promtool test rules`, which needs no server.
///
/// # Panics
/// If Prometheus is not installed, and with promtool's output if a test fails.
pub fn run_rule_tests(tests: &serde_json::Value) {
    let directory = directory(None);
    // JSON is YAML.
    let file = directory.path().join("tests.yaml");
    std::fs::write(&file, tests.to_string()).expect("the tests cannot be written");
    run_rule_test_file(&file);
}

/// Runs a file of unit tests with `promtool test rules`. Its paths of rules are relative to the file.
///
/// # Panics
/// If Prometheus is not installed, and with promtool's output if a test fails.
pub fn run_rule_test_file(file: &Path) {
    run("promtool", "prometheus", &["test", "rules"], file);
}

/// Checks a rules file with `promtool check rules`.
///
/// # Panics
/// If Prometheus is not installed, and with promtool's output if the file is invalid.
pub fn check_rules(file: &Path) {
    run("promtool", "prometheus", &["check", "rules"], file);
}

/// Checks a configuration of Prometheus, and the files that it names, with `promtool check config`.
///
/// # Panics
/// If Prometheus is not installed, and with promtool's output if the file is invalid.
pub fn check_prometheus_config(file: &Path) {
    run("promtool", "prometheus", &["check", "config"], file);
}

/// Checks a configuration of Alertmanager with `amtool check-config`.
///
/// # Panics
/// If Alertmanager is not installed, and with amtool's output if the file is invalid.
pub fn check_alertmanager_config(file: &Path) {
    run("amtool", "prometheus-alertmanager", &["check-config"], file);
}

/// Runs a tool of a package on a file.
fn run(tool: &str, package: &str, arguments: &[&str], file: &Path) {
    let output = Command::new(find(tool, &[], package)).args(arguments).arg(file).output();
    let output = output.unwrap_or_else(|error| panic!("{tool} cannot be started: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

/// Returns the body of the response to a `GET` request.
///
/// # Panics
/// If the server does not respond, or responds with an error.
pub async fn fetch(url: &str) -> String {
    let response = reqwest::get(url).await.and_then(reqwest::Response::error_for_status);
    response.expect("the request failed").text().await.expect("the response cannot be read")
}

/// Waits until a server has loaded its data; it listens before that.
pub(crate) fn wait_until_ready(name: &str, port: u16, timeout: Duration) {
    let deadline = Instant::now() + timeout;
    while !is_ready(port).unwrap_or(false) {
        assert!(Instant::now() < deadline, "{name} is not ready after {timeout:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_ready(port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.write_all(b"GET /-/ready HTTP/1.0\r\n\r\n")?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    Ok(response.split(' ').nth(1) == Some("200"))
}
