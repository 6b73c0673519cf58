use crate::Certificates;
use crate::process::{Server, directory, find, free_port};

/// A NATS server with JetStream.
#[derive(Debug)]
pub struct Nats {
    url: String,
    own: Option<Server>,
}

impl Nats {
    /// The server that `HEXABASE_TEST_NATS_URL` names, or one of its own. Keep apart from others by the names of
    /// streams.
    ///
    /// # Panics
    /// When there is none, saying how to install it.
    #[must_use]
    pub fn shared() -> Self {
        match std::env::var("HEXABASE_TEST_NATS_URL") {
            Ok(url) => Self { url, own: None },
            Err(_) => Self::start(&[]),
        }
    }

    /// A server of its own, with more arguments.
    ///
    /// # Panics
    /// When there is none, saying how to install it.
    #[must_use]
    pub fn start(more: &[&str]) -> Self {
        Self::listening("nats", more)
    }

    /// A server of its own that speaks TLS and nothing else.
    ///
    /// # Panics
    /// When there is none, saying how to install it.
    #[must_use]
    pub fn with_tls(certificates: &Certificates) -> Self {
        let (certificate, key) = (certificates.certificate(), certificates.key());
        let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
        Self::listening("tls", &["--tls", "--tlscert", &certificate, "--tlskey", &key])
    }

    fn listening(scheme: &str, more: &[&str]) -> Self {
        let program = find("nats-server", &[], "nats-server");
        let (port, directory) = (free_port(), directory(None));
        let data = directory.path().join("data");
        let plain = format!("--addr 127.0.0.1 --port {port} --jetstream --store_dir {}", data.display());
        let mut arguments: Vec<String> = plain.split(' ').map(str::to_owned).collect();
        arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        let own = Server::start(program, arguments, (None, directory), port, "KILL");
        Self { url: format!("{scheme}://127.0.0.1:{port}"), own: Some(own) }
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends it; what it acknowledged is on disk. Does nothing to a shared one.
    pub fn stop(&mut self) {
        if let Some(own) = &mut self.own {
            own.end("TERM");
        }
    }

    /// Ends it as a power cut would. Does nothing to a shared one.
    pub fn crash(&mut self) {
        if let Some(own) = &mut self.own {
            own.end("KILL");
        }
    }

    /// Starts it again where it was.
    pub fn resume(&mut self) {
        if let Some(own) = &mut self.own {
            own.resume();
        }
    }
}
