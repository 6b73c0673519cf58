use std::sync::Mutex;

use async_trait::async_trait;
use hexabase_core::error::Result;
use hexabase_core::notifier::{Envelope, Notification, Notifier};
use hexabase_core::secret::ExposeSecret as _;

/// Notifier that stores all notifications in memory.
#[derive(Debug, Default)]
pub struct SentMails(Mutex<Vec<Envelope>>);

impl SentMails {
    /// Notifications to an address, oldest first.
    #[must_use]
    pub fn notifications(&self, email: &str) -> Vec<Notification> {
        let envelopes = self.0.lock().unwrap();
        let to_address = envelopes.iter().filter(|envelope| envelope.to.as_str() == email);
        to_address.map(|envelope| envelope.notification.clone()).collect()
    }

    /// Kinds of the notifications to an address, oldest first.
    #[must_use]
    pub fn kinds(&self, email: &str) -> Vec<&'static str> {
        self.notifications(email).iter().map(Notification::kind).collect()
    }

    /// Invitation token in the newest invitation to an address.
    #[must_use]
    pub fn token_for(&self, email: &str) -> Option<String> {
        self.notifications(email).into_iter().rev().find_map(|notification| match notification {
            Notification::Invitation { token, .. } => Some(token.expose_secret().to_owned()),
            _ => None,
        })
    }
}

#[async_trait]
impl Notifier for SentMails {
    async fn send(&self, envelope: &Envelope) -> Result<()> {
        self.0.lock().unwrap().push(envelope.clone());
        Ok(())
    }
}
