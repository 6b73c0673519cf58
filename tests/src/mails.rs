use std::sync::Mutex;

use async_trait::async_trait;
use hexabase_core::error::Result;
use hexabase_core::notifier::{Mail, Notifier};

/// Notifier that stores all mails in memory.
#[derive(Debug, Default)]
pub struct SentMails(Mutex<Vec<Mail>>);

impl SentMails {
    /// Subjects of the mails to an address, oldest first.
    #[must_use]
    pub fn subjects(&self, email: &str) -> Vec<String> {
        let mails = self.0.lock().unwrap();
        mails.iter().filter(|mail| mail.to.as_str() == email).map(|mail| mail.subject.clone()).collect()
    }

    /// Invitation token in the newest mail to an address.
    #[must_use]
    pub fn token_for(&self, email: &str) -> Option<String> {
        let mails = self.0.lock().unwrap();
        let mail = mails.iter().rev().find(|mail| mail.to.as_str() == email)?;
        let start = mail.text.find("hxi_")?;
        let rest = mail.text.get(start..)?;
        let end = rest.find(|char: char| !char.is_ascii_alphanumeric() && !"_-".contains(char));
        rest.get(..end.unwrap_or(rest.len())).map(str::to_owned)
    }
}

#[async_trait]
impl Notifier for SentMails {
    async fn send(&self, mail: &Mail) -> Result<()> {
        self.0.lock().unwrap().push(mail.clone());
        Ok(())
    }
}
