//! Extension point for notifications by mail.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::name::Email;

/// Sends mails, such as invitations and billing notifications.
///
/// A mail can contain a secret (the token of an invitation), so implementations must not log its text.
#[async_trait]
pub trait Notifier: fmt::Debug + Send + Sync + 'static {
    /// Sends a mail. It may be delivered twice if the sender fails during the call.
    ///
    /// # Errors
    /// - `Invalid` if the mailbox can never be reached; the mail is not retried.
    /// - `Unavailable` if a retry may succeed.
    async fn send(&self, mail: &Mail) -> Result<()>;
}

/// Mail to one recipient.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// Recipient.
    pub to: Email,
    /// Subject line.
    pub subject: String,
    /// Body, as plain text.
    pub text: String,
}

impl fmt::Debug for Mail {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Mail").field("subject", &self.subject).finish_non_exhaustive()
    }
}
