//! Configuration of mail, and the notifier that writes mails into a folder.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use hexabase_core::error::{Check, Error, Result};
use hexabase_core::id::MessageId;
use hexabase_core::name::Language;
use hexabase_core::notifier::{Envelope, Notifier};
use hexabase_core::secret::SecretString;
use hexabase_mail::{MailComposer, Sender, SmtpConfig};

/// Options of mail.
#[derive(Debug, Default)]
pub(crate) struct MailOptions {
    pub(crate) smtp_url: Option<SecretString>,
    pub(crate) smtp_ca: Option<PathBuf>,
    pub(crate) mail_from: Option<String>,
    pub(crate) mail_directory: Option<PathBuf>,
    pub(crate) mail_templates: Option<PathBuf>,
    pub(crate) mail_language: Option<String>,
    pub(crate) product_name: Option<String>,
}

/// Configuration of mail.
#[derive(Debug, Clone)]
pub(crate) struct MailConfig {
    /// Destination of mails; `None` sends no mail.
    pub(crate) transport: Option<MailTransport>,
    /// Sender of all mails.
    pub(crate) sender: Sender,
    /// Directory with templates that replace the built-in ones.
    pub(crate) templates: Option<PathBuf>,
    /// Language of all mails.
    pub(crate) language: Language,
    /// Name of the product in mails.
    pub(crate) product_name: String,
}

/// Destination of mails.
#[derive(Debug, Clone)]
pub(crate) enum MailTransport {
    /// SMTP server.
    Smtp(SmtpConfig),
    /// Directory, one file per mail.
    Directory(PathBuf),
}

impl MailOptions {
    /// Validates the options. `default_directory` is the directory of mails if neither a server nor a directory is
    /// configured. `None` if a violation was recorded.
    pub(crate) fn resolve(self, default_directory: Option<PathBuf>, check: &mut Check) -> Option<MailConfig> {
        let smtp = self.smtp_url.map(|url| smtp(&url, self.smtp_ca.as_deref()));
        let smtp = smtp.transpose().map_err(|error| record(check, &error)).ok()?;
        if smtp.is_some() {
            check.require(self.mail_from.is_some(), "mail_from", "is missing: it is required with smtp_url");
            let message = "must not be set together with smtp_url";
            check.require(self.mail_directory.is_none(), "mail_directory", message);
        }
        let transport = match (smtp, self.mail_directory.or(default_directory)) {
            (Some(smtp), _) => Some(MailTransport::Smtp(smtp)),
            (None, directory) => directory.map(MailTransport::Directory),
        };
        let sender = self.mail_from.as_deref().unwrap_or("noreply@localhost");
        let sender = Sender::parse(sender).map_err(|error| record(check, &error)).ok();
        let language = self.mail_language.as_deref().map_or(Ok(Language::default()), Language::parse);
        let language = check.field("mail_language", language);
        Some(MailConfig {
            transport,
            sender: sender?,
            templates: self.mail_templates,
            language: language?,
            product_name: self.product_name.unwrap_or_else(|| "Hexabase".to_owned()),
        })
    }
}

/// Records the violations of an error whose fields have the names of the options.
fn record(check: &mut Check, error: &Error) {
    for violation in error.violations() {
        check.refuse(violation.field.clone(), violation.message.clone());
    }
}

/// Parses the URL of an SMTP server, and reads the CA certificates.
fn smtp(url: &SecretString, authority: Option<&Path>) -> Result<SmtpConfig> {
    let unreadable = |file: &Path, error: std::io::Error| {
        Error::invalid("smtp_ca", format!("{} cannot be read: {error}", file.display()))
    };
    let authority = authority.map(|file| std::fs::read(file).map_err(|error| unreadable(file, error)));
    let mut config = SmtpConfig::parse(url)?;
    config.authority = authority.transpose()?;
    Ok(config)
}

/// Writes each mail to a file that only the owner of the process can read, for development and for external delivery.
/// The names of the files sort in the order in which the mails were ordered.
#[derive(Debug)]
pub(crate) struct MailFolder {
    folder: PathBuf,
    composer: MailComposer,
}

impl MailFolder {
    /// Creates a notifier for a folder, which is created with the first mail.
    pub(crate) const fn new(folder: PathBuf, composer: MailComposer) -> Self {
        Self { folder, composer }
    }

    /// Writes a mail under the id of its message, so that a repeated attempt replaces the file of the previous one.
    async fn write(&self, id: MessageId, mail: &[u8]) -> std::io::Result<()> {
        use tokio::io::AsyncWriteExt as _;
        tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).await?;
        let (temporary, complete) =
            (self.folder.join(format!(".{id}")), self.folder.join(format!("{id}.eml")));
        let mut options = tokio::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary).await?;
        file.write_all(mail).await?;
        file.sync_all().await?;
        // A program that watches the folder sees complete mails only.
        tokio::fs::rename(temporary, complete).await
    }
}

#[async_trait]
impl Notifier for MailFolder {
    async fn send(&self, envelope: &Envelope) -> Result<()> {
        let mail = self.composer.compose_file(envelope)?;
        self.write(envelope.id, &mail).await.map_err(|error| {
            Error::unavailable("the mail cannot be written to its folder")
                .with("folder", self.folder.display())
                .caused_by(error)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(options: MailOptions) -> Result<MailConfig> {
        let mut check = Check::default();
        let config = options.resolve(None, &mut check);
        check.all((config, Some(()))).map(|(config, ())| config)
    }

    fn violations(options: MailOptions) -> Vec<String> {
        let error = resolve(options).unwrap_err();
        error.violations().iter().map(|violation| violation.field.clone()).collect()
    }

    #[test]
    fn a_server_requires_a_sender_and_excludes_a_directory() {
        let with_server = || MailOptions {
            smtp_url: Some("smtps://mail.example".into()),
            mail_from: Some("Shop <noreply@shop.example>".to_owned()),
            ..MailOptions::default()
        };
        let config = resolve(with_server()).unwrap();
        assert!(matches!(config.transport, Some(MailTransport::Smtp(_))));
        assert_eq!(config.language.as_str(), "en");
        assert_eq!(violations(MailOptions { mail_from: None, ..with_server() }), ["mail_from"]);
        let directory = Some(PathBuf::from("mail"));
        assert_eq!(
            violations(MailOptions { mail_directory: directory, ..with_server() }),
            ["mail_directory"]
        );
        let authority = Some(PathBuf::from("/does/not/exist"));
        assert_eq!(violations(MailOptions { smtp_ca: authority, ..with_server() }), ["smtp_ca"]);
    }

    #[test]
    fn invalid_options_are_named() {
        let invalid = MailOptions {
            mail_from: Some("Hexabase".to_owned()),
            mail_language: Some("english".to_owned()),
            ..MailOptions::default()
        };
        assert_eq!(violations(invalid), ["mail_from", "mail_language"]);
        let url = MailOptions { smtp_url: Some("mail.example:25".into()), ..MailOptions::default() };
        assert_eq!(violations(url), ["smtp_url"]);
        assert!(resolve(MailOptions::default()).unwrap().transport.is_none());
    }

    #[test]
    fn a_default_directory_yields_to_a_server() {
        let default = Some(PathBuf::from("hexabase.mail"));
        let mut check = Check::default();
        let config = MailOptions::default().resolve(default.clone(), &mut check).unwrap();
        assert!(matches!(config.transport, Some(MailTransport::Directory(_))));
        let options = MailOptions {
            smtp_url: Some("smtp://mail.example".into()),
            mail_from: Some("a@b.example".to_owned()),
            ..MailOptions::default()
        };
        let config = options.resolve(default, &mut check).unwrap();
        assert!(matches!(config.transport, Some(MailTransport::Smtp(_))));
    }
}
