use crate::Certificates;
use crate::process::{Server, directory, find, free_port};

/// A Redis server, empty.
#[derive(Debug)]
pub struct Redis {
    url: String,
    own: Option<Server>,
}

impl Redis {
    /// The server that `HEXABASE_TEST_REDIS_URL` names, or one of its own. Keep apart from others by a prefix.
    ///
    /// # Panics
    /// When there is none, saying how to install it.
    #[must_use]
    pub fn shared() -> Self {
        match std::env::var("HEXABASE_TEST_REDIS_URL") {
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
        let port = free_port();
        Self::listening("redis", port, &["--port", &port.to_string()], more)
    }

    /// A server of its own that speaks TLS and nothing else.
    ///
    /// # Panics
    /// When there is none, saying how to install it.
    #[must_use]
    pub fn with_tls(certificates: &Certificates) -> Self {
        let port = free_port();
        let (certificate, key) = (certificates.certificate(), certificates.key());
        let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
        let listen = ["--port", "0", "--tls-port", &port.to_string(), "--tls-auth-clients", "no"];
        let files =
            ["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", &certificate];
        Self::listening("rediss", port, &listen, &files)
    }

    fn listening(scheme: &str, port: u16, listen: &[&str], more: &[&str]) -> Self {
        let program = find("redis-server", &[], "redis-server");
        // Nothing is saved: the times at which to do so are none.
        let plain = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        let arguments =
            listen.iter().chain(&plain).chain(more).map(|argument| (*argument).to_owned()).collect();
        let own = Server::start(program, arguments, (None, directory(None)), port, "KILL");
        Self { url: format!("{scheme}://127.0.0.1:{port}"), own: Some(own) }
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The port that it listens on, if it is its own.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.own.as_ref().map(Server::port)
    }

    /// Ends it; what was in it is lost. Does nothing to a shared one.
    pub fn stop(&mut self) {
        if let Some(own) = &mut self.own {
            own.end("KILL");
        }
    }

    /// Starts it again, empty.
    pub fn resume(&mut self) {
        if let Some(own) = &mut self.own {
            own.resume();
        }
    }

    /// Stops it from answering without ending it, as an overloaded machine does, or lets it go on.
    pub fn freeze(&self, frozen: bool) {
        if let Some(own) = &self.own {
            own.signal(if frozen { "STOP" } else { "CONT" });
        }
    }
}
