use crate::Certificates;
use crate::process::{Server, directory, find, free_port};

/// NATS server with JetStream.
#[derive(Debug)]
pub struct Nats {
    url: String,
    process: Option<Server>,
}

impl Nats {
    /// Returns the server at `HEXABASE_TEST_NATS_URL`, or starts one. Tests are separated by the names of their
    /// streams.
    ///
    /// # Panics
    /// If NATS is not installed; the message says how to install it.
    #[must_use]
    pub fn shared() -> Self {
        match std::env::var("HEXABASE_TEST_NATS_URL") {
            Ok(url) => Self { url, process: None },
            Err(_) => Self::start(&[]),
        }
    }

    /// Starts a server with additional arguments.
    ///
    /// # Panics
    /// If NATS is not installed; the message says how to install it.
    #[must_use]
    pub fn start(extra: &[&str]) -> Self {
        Self::launch("nats", extra)
    }

    /// Starts a server that accepts only TLS connections.
    ///
    /// # Panics
    /// If NATS is not installed; the message says how to install it.
    #[must_use]
    pub fn with_tls(certificates: &Certificates) -> Self {
        let (certificate, key) = (certificates.certificate(), certificates.key());
        let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
        Self::launch("tls", &["--tls", "--tlscert", &certificate, "--tlskey", &key])
    }

    fn launch(scheme: &str, extra: &[&str]) -> Self {
        let program = find("nats-server", &[], "nats-server");
        let (port, directory) = (free_port(), directory(None));
        let data = directory.path().join("data");
        let plain = format!("--addr 127.0.0.1 --port {port} --jetstream --store_dir {}", data.display());
        let mut arguments: Vec<String> = plain.split(' ').map(str::to_owned).collect();
        arguments.extend(extra.iter().map(|argument| (*argument).to_owned()));
        let process = Server::start(program, arguments, (None, directory), port, "KILL");
        Self { url: format!("{scheme}://127.0.0.1:{port}"), process: Some(process) }
    }

    /// Returns a free port for the routes of a cluster.
    #[must_use]
    pub fn free_port() -> u16 {
        free_port()
    }

    /// URL of the server.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Port of the server; `None` for a shared server.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.process.as_ref().map(Server::port)
    }

    /// Announces to all clients that the server will stop (lame duck mode). Does nothing to a shared server.
    pub fn announce_stop(&self) {
        if let Some(process) = &self.process {
            process.signal("USR2");
        }
    }

    /// Stops the server; acknowledged messages are on disk. Does nothing to a shared server.
    pub fn stop(&mut self) {
        if let Some(process) = &mut self.process {
            process.end("TERM");
        }
    }

    /// Kills the server, like a power failure. Does nothing to a shared server.
    pub fn crash(&mut self) {
        if let Some(process) = &mut self.process {
            process.end("KILL");
        }
    }

    /// Starts the server again, on the same port and with the same data.
    pub fn resume(&mut self) {
        if let Some(process) = &mut self.process {
            process.resume();
        }
    }
}
