use std::path::Path;

use serde_json::Value;

use crate::certificates::Certificates;
use crate::peers::python;
use crate::process::{Server, directory, free_port};

/// Encryption that an SMTP server offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpMode {
    /// `STARTTLS`, which the server requires.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// None; the server offers no `STARTTLS`.
    Plain,
}

/// Third-party SMTP server (`aiosmtpd` from PyPI) that stores mails. It requires [`Self::CREDENTIALS`], except in the
/// mode [`SmtpMode::Plain`]. It rejects mails to `unknown@…` for good and to `busy@…` for now, and the first mail to
/// `later@…` for now.
#[derive(Debug)]
pub struct SmtpPeer {
    server: Server,
    mails: tempfile::TempDir,
}

impl SmtpPeer {
    /// User name and password, in the form of a URL.
    pub const CREDENTIALS: &str = "hexabase:s3cr3t";

    /// Starts a server with a certificate.
    ///
    /// # Panics
    /// If it is not installed; the message says how to install it.
    #[must_use]
    pub fn start(mode: SmtpMode, certificates: &Certificates) -> Self {
        let (interpreter, folder) = python();
        let (port, mails) = (free_port(), directory(None));
        let mode = match mode {
            SmtpMode::StartTls => "starttls",
            SmtpMode::Tls => "tls",
            SmtpMode::Plain => "plain",
        };
        let path = |path: &Path| path.display().to_string();
        let arguments = vec![
            path(&folder.join("smtp.py")),
            port.to_string(),
            mode.to_owned(),
            path(&certificates.certificate()),
            path(&certificates.key()),
            path(mails.path()),
        ];
        Self { server: Server::start(interpreter, arguments, (None, directory(None)), port, "KILL"), mails }
    }

    /// Port on the loopback address.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.server.port()
    }

    /// Accepted mails, oldest first, with the fields `from`, `to`, `user`, `tls`, `headers`, `text`, `html` and `raw`.
    #[must_use]
    pub fn mails(&self) -> Vec<Value> {
        self.read("mail-")
    }

    /// Mails that were rejected after their content was received.
    #[must_use]
    pub fn rejected(&self) -> Vec<Value> {
        self.read("rejected-")
    }

    /// Recipients of all attempts, also of rejected ones.
    #[must_use]
    pub fn recipients(&self) -> Vec<String> {
        let recipients = std::fs::read_to_string(self.mails.path().join("recipients"));
        recipients.unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn read(&self, prefix: &str) -> Vec<Value> {
        let entries = std::fs::read_dir(self.mails.path()).expect("the mails cannot be listed");
        let mut files: Vec<_> = entries.map(|entry| entry.expect("a mail cannot be listed").path()).collect();
        files.retain(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)));
        files.sort();
        let parse = |file: &std::path::PathBuf| {
            let text = std::fs::read_to_string(file).expect("a mail cannot be read");
            serde_json::from_str(&text).expect("a mail is not JSON")
        };
        files.iter().map(parse).collect()
    }

    /// Stops the server.
    pub fn stop(&mut self) {
        self.server.end("KILL");
    }

    /// Starts the server again on the same port.
    pub fn resume(&mut self) {
        self.server.resume();
    }
}
