//! The seam to people's mailboxes.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::name::Email;

/// Sends mail: invitations, and later dunning and alerts.
///
/// A mail can hold a secret (an invitation's token): implementations never log its text.
#[async_trait]
pub trait Notifier: fmt::Debug + Send + Sync + 'static {
    /// Sends a mail. It may arrive twice when the sender dies half-way.
    ///
    /// # Errors
    /// - `Invalid` when the mailbox can never be reached; it is not tried again.
    /// - `Unavailable` when it may work later.
    async fn send(&self, mail: &Mail) -> Result<()>;
}

/// A mail.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// To whom.
    pub to: Email,
    /// What it is about.
    pub subject: String,
    /// What it says, as plain text.
    pub text: String,
}

impl fmt::Debug for Mail {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Mail").field("subject", &self.subject).finish_non_exhaustive()
    }
}
