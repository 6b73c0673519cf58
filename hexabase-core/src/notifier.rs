//! Extension point for notifications by mail.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::name::{DisplayName, Email};

/// Sends mails, such as invitations and billing notifications.
///
/// A mail can contain a secret (the token of an invitation), so implementations must not log its text.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
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

/// Maximum number of characters of a name in a mail.
const MAX_NAME_CHARACTERS: usize = 64;

/// Returns a display name for the text of a mail. A user chose the name and another one reads the mail, so it is
/// bounded, on one line, and has nothing that mail programs show as a link: no `/`, `:`, `@` and angle brackets, and
/// dots only at the end of a word.
#[must_use]
pub fn plain_name(name: &DisplayName) -> String {
    const DOTS: [char; 4] = ['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'];
    let characters: Vec<char> = name.as_str().chars().collect();
    let is_plain = |index: usize, character: char| {
        let ends_word = characters.get(index + 1).is_none_or(|next| next.is_whitespace());
        !(character.is_control() || "/\\:@<>\"".contains(character))
            && (ends_word || !DOTS.contains(&character))
    };
    let plain: String = characters
        .iter()
        .enumerate()
        .map(|(index, character)| if is_plain(index, *character) { *character } else { ' ' })
        .collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    words.join(" ").chars().take(MAX_NAME_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_a_mail_has_no_link_and_is_bounded() {
        let plain = |name: &str| plain_name(&DisplayName::parse(name).unwrap());
        for unchanged in ["Acme Inc.", "Müller & Söhne (2)", "St. Mary"] {
            assert_eq!(plain(unchanged), unchanged);
        }
        assert_eq!(plain("Win at https://evil.example/x now"), "Win at https evil example x now");
        assert_eq!(plain("evil\u{3002}example ann@evil.example"), "evil example ann evil example");
        assert_eq!(plain(&"a".repeat(128)).len(), MAX_NAME_CHARACTERS);
    }
}
