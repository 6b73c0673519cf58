//! Notifier that sends mails to an SMTP server.

use std::fmt;

use async_trait::async_trait;
use hexabase_core::error::{Error, Result};
use hexabase_core::notifier::{Envelope, Notifier};
use hexabase_core::secret::ExposeSecret as _;
use lettre::Message;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters, TlsParametersBuilder,
};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::mail::MailComposer;
use crate::smtp_config::{SmtpConfig, SmtpSecurity};

/// Maximum number of characters of a server's response in an error.
const MAX_RESPONSE_CHARACTERS: usize = 200;

/// Start of a certificate in a PEM file.
const PEM_CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// Sends notifications as mails to an SMTP server.
///
/// Each mail has a connection of its own: a connection that is interrupted in the middle of a mail is in no state to be
/// used for another one. A permanent rejection (5xx) of the recipient is `Invalid`; everything else that fails, including a
/// rejected sender, which the operator can correct for all mails, is `Unavailable` and is retried.
pub struct SmtpNotifier {
    config: SmtpConfig,
    composer: MailComposer,
    tls: Option<TlsParameters>,
    credentials: Option<Credentials>,
    connections: Semaphore,
}

impl fmt::Debug for SmtpNotifier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SmtpNotifier").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Part of the delivery in which an error occurred.
enum DeliveryError {
    /// The connection, its encryption or the authentication.
    Connection(SmtpError),
    /// The recipient.
    Recipient(SmtpError),
    /// The sender, or the content of the mail.
    Mail(SmtpError),
}

impl SmtpNotifier {
    /// Creates a notifier. The first mail connects to the server.
    ///
    /// # Errors
    /// `Invalid` if the CA certificates cannot be read, or the number of connections is 0.
    pub fn new(config: SmtpConfig, composer: MailComposer) -> Result<Self> {
        if config.connections == 0 {
            return Err(Error::invalid("connections", "must be at least 1"));
        }
        let tls = match config.security {
            SmtpSecurity::None => None,
            SmtpSecurity::Tls | SmtpSecurity::StartTls => Some(tls_parameters(&config)?),
        };
        let credentials = config.credentials.as_ref().map(|credentials| {
            let text = |secret: &hexabase_core::secret::SecretString| secret.expose_secret().to_owned();
            Credentials::new(text(&credentials.user), text(&credentials.password))
        });
        let connections = Semaphore::new(config.connections);
        Ok(Self { config, composer, tls, credentials, connections })
    }

    async fn deliver(&self, message: &Message) -> Result<AsyncSmtpConnection, DeliveryError> {
        let mut connection = self.connect().await.map_err(DeliveryError::Connection)?;
        let sender = Mail::new(message.envelope().from().cloned(), Vec::new());
        connection.command(sender).await.map_err(DeliveryError::Mail)?;
        for recipient in message.envelope().to() {
            let recipient = Rcpt::new(recipient.clone(), Vec::new());
            connection.command(recipient).await.map_err(DeliveryError::Recipient)?;
        }
        connection.command(Data).await.map_err(DeliveryError::Mail)?;
        connection.message(&message.formatted()).await.map_err(DeliveryError::Mail)?;
        Ok(connection)
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SmtpError> {
        let SmtpConfig { host, port, security, .. } = &self.config;
        let client = ClientId::Domain(self.composer.sender().domain().to_owned());
        let implicit = self.tls.clone().filter(|_| *security == SmtpSecurity::Tls);
        let connect_timeout = Some(self.config.connect_timeout);
        let server = (host.as_str(), *port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, connect_timeout, &client, implicit, None).await?;
        if let Some(tls) = self.tls.clone().filter(|_| *security == SmtpSecurity::StartTls) {
            connection.starttls(tls, &client).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }
}

#[async_trait]
impl Notifier for SmtpNotifier {
    async fn send(&self, envelope: &Envelope) -> Result<()> {
        let message = self.composer.compose(envelope)?;
        let unavailable = |message: &str| Error::unavailable(message).with("server", &self.config.host);
        let permit = timeout(self.config.connection_wait, self.connections.acquire()).await;
        let _permit = permit
            .map_err(|_| unavailable("all connections to the mail server are in use"))?
            .map_err(|error| Error::unexpected("connections were closed").caused_by(error))?;
        let delivered = timeout(self.config.send_timeout, self.deliver(&message)).await;
        let mut connection = delivered
            .map_err(|_| unavailable("the mail server did not accept the mail in time"))?
            .map_err(|error| failure(&error, envelope).with("server", &self.config.host))?;
        // The server has accepted the mail; how the connection ends is of no importance.
        drop(timeout(self.config.connect_timeout, connection.quit()).await);
        Ok(())
    }
}

fn tls_parameters(config: &SmtpConfig) -> Result<TlsParameters> {
    let unusable =
        |error: SmtpError| Error::invalid("smtp_ca", "must be a PEM file with certificates").caused_by(error);
    let has_certificate = |pem: &[u8]| pem.windows(PEM_CERTIFICATE.len()).any(|part| part == PEM_CERTIFICATE);
    if config.authority.as_deref().is_some_and(|pem| !has_certificate(pem)) {
        return Err(Error::invalid("smtp_ca", "must be a PEM file with certificates"));
    }
    let builder = TlsParametersBuilder::new(config.host.clone());
    let builder = match &config.authority {
        None => builder,
        Some(pem) => builder
            .certificate_store(CertificateStore::None)
            .add_root_certificate(Certificate::from_pem(pem).map_err(unusable)?),
    };
    builder.build().map_err(unusable)
}

/// Returns the error of a failed delivery.
fn failure(error: &DeliveryError, envelope: &Envelope) -> Error {
    let (DeliveryError::Connection(cause) | DeliveryError::Recipient(cause) | DeliveryError::Mail(cause)) =
        error;
    let response = bounded_response(&cause.to_string(), envelope);
    let failure = match error {
        DeliveryError::Connection(_) => {
            Error::unavailable("the mail server cannot be used as configured; no mail was sent")
        }
        DeliveryError::Recipient(cause) if cause.status().is_some_and(is_final) => {
            let rule = "the mail server rejects mail to this recipient; check the address, then retry";
            return Error::invalid("to", rule).with("response", response);
        }
        DeliveryError::Recipient(_) | DeliveryError::Mail(_) => {
            Error::unavailable("the mail server did not accept the mail")
        }
    };
    failure.with("response", response)
}

/// `true` for a rejection of the recipient. The code 530 rejects a client without authentication, and 521 any client, which
/// the operator can change for all mails.
fn is_final(code: lettre::transport::smtp::response::Code) -> bool {
    let code = u16::from(code);
    (500..600).contains(&code) && ![521, 530].contains(&code)
}

/// Response of the server on one line, within a maximum length and without the recipient's address.
fn bounded_response(response: &str, envelope: &Envelope) -> String {
    let printable = response.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    let line: String = printable.collect();
    // Shortened last: a part of the address would remain otherwise. Servers may write it in other letters.
    let (lower, address) = (line.to_ascii_lowercase(), envelope.to.as_str().to_ascii_lowercase());
    let (mut hidden, mut rest) = (String::new(), 0);
    for (start, found) in lower.match_indices(&address) {
        hidden.push_str(&line[rest..start]);
        hidden.push_str("RECIPIENT");
        rest = start + found.len();
    }
    hidden.push_str(&line[rest..]);
    hidden.chars().take(MAX_RESPONSE_CHARACTERS).collect()
}
