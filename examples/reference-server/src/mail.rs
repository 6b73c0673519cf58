//! Notifier that writes mails into a folder, for development and for external delivery.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use hexabase_core::clock::Clock;
use hexabase_core::error::{Error, Result};
use hexabase_core::id_source::IdSource;
use hexabase_core::notifier::{Mail, Notifier};

/// Writes each mail to a file that only the owner of the process can read. The names of the files sort in the order in
/// which the mails were sent.
#[derive(Debug)]
pub(crate) struct MailFolder {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

impl MailFolder {
    /// Creates a notifier for a folder, which is created with the first mail.
    pub(crate) fn new(folder: PathBuf, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Self {
        Self { folder, clock, ids }
    }

    async fn write(&self, mail: &Mail) -> std::io::Result<()> {
        use tokio::io::AsyncWriteExt as _;
        tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).await?;
        let now = self.clock.now();
        let text = format!(
            "To: {}\nDate: {}\nSubject: {}\n\n{}\n",
            mail.to,
            jiff::fmt::rfc2822::to_string(&now.to_zoned(jiff::tz::TimeZone::UTC))
                .map_err(std::io::Error::other)?,
            mail.subject,
            mail.text
        );
        let name = self.ids.uuid(now).to_string();
        let (temporary, complete) =
            (self.folder.join(format!(".{name}")), self.folder.join(format!("{name}.eml")));
        let mut file =
            tokio::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary).await?;
        file.write_all(text.as_bytes()).await?;
        file.sync_all().await?;
        // A program that watches the folder sees complete mails only.
        tokio::fs::rename(temporary, complete).await
    }
}

#[async_trait]
impl Notifier for MailFolder {
    async fn send(&self, mail: &Mail) -> Result<()> {
        self.write(mail).await.map_err(|error| {
            Error::unavailable("the mail cannot be written to its folder")
                .with("folder", self.folder.display())
                .caused_by(error)
        })
    }
}
