use crate::Certificates;
use crate::process::{Server, directory, find, free_port};

/// Redis server.
#[derive(Debug)]
pub struct Redis {
    url: String,
    process: Option<Server>,
}

impl Redis {
    /// Returns the server at `HEXABASE_TEST_REDIS_URL`, or starts one. Tests are separated by key prefixes.
    ///
    /// # Panics
    /// If Redis is not installed; the message says how to install it.
    #[must_use]
    pub fn shared() -> Self {
        match std::env::var("HEXABASE_TEST_REDIS_URL") {
            Ok(url) => Self { url, process: None },
            Err(_) => Self::start(&[]),
        }
    }

    /// Starts a server with additional arguments.
    ///
    /// # Panics
    /// If Redis is not installed; the message says how to install it.
    #[must_use]
    pub fn start(extra: &[&str]) -> Self {
        let port = free_port();
        Self::launch("redis", port, &["--port", &port.to_string()], extra)
    }

    /// Starts a server that accepts only TLS connections.
    ///
    /// # Panics
    /// If Redis is not installed; the message says how to install it.
    #[must_use]
    pub fn with_tls(certificates: &Certificates) -> Self {
        let port = free_port();
        let (certificate, key) = (certificates.certificate(), certificates.key());
        let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
        let listen = ["--port", "0", "--tls-port", &port.to_string(), "--tls-auth-clients", "no"];
        let files =
            ["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", &certificate];
        Self::launch("rediss", port, &listen, &files)
    }

    fn launch(scheme: &str, port: u16, listen: &[&str], extra: &[&str]) -> Self {
        let program = find("redis-server", &[], "redis-server");
        // An empty list of save points disables snapshots.
        let plain = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        let arguments =
            listen.iter().chain(&plain).chain(extra).map(|argument| (*argument).to_owned()).collect();
        let process = Server::start(program, arguments, (None, directory(None)), port, "KILL");
        Self { url: format!("{scheme}://127.0.0.1:{port}"), process: Some(process) }
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

    /// Id of the server's process; `None` for a shared or stopped server.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().and_then(Server::pid)
    }

    /// Stops the server; its data is lost. Does nothing to a shared server.
    pub fn stop(&mut self) {
        if let Some(process) = &mut self.process {
            process.end("KILL");
        }
    }

    /// Starts the server again, without data.
    pub fn resume(&mut self) {
        if let Some(process) = &mut self.process {
            process.resume();
        }
    }

    /// Suspends the process without ending it, like an overloaded machine, or continues it.
    pub fn freeze(&self, frozen: bool) {
        if let Some(process) = &self.process {
            process.signal(if frozen { "STOP" } else { "CONT" });
        }
    }
}
