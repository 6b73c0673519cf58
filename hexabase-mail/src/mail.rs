//! Mails: the rendered content of a notification, with the headers of a message.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use hexabase_core::error::{Error, Result};
use hexabase_core::name::Email;
use hexabase_core::notifier::Envelope;
use lettre::message::header::{ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, Message, MultiPart, SinglePart};

/// Maximum number of characters of a subject.
const MAX_SUBJECT_CHARACTERS: usize = 160;
/// Maximum length of a line, in bytes.
const MAX_LINE_BYTES: usize = 998;
/// Maximum number of characters of the name of a sender.
const MAX_NAME_CHARACTERS: usize = 64;

/// Turns notifications into mails. [`Templates`](crate::Templates) is the implementation of this crate.
pub trait MailRenderer: fmt::Debug + Send + Sync + 'static {
    /// Renders the content of a mail.
    ///
    /// # Errors
    /// Any kind except `Invalid`, which would mean that the recipient can never be reached.
    fn render(&self, envelope: &Envelope) -> Result<RenderedMail>;
}

/// Content of a mail. It can contain a secret, so it has no `Debug` output.
#[derive(Clone, PartialEq, Eq)]
pub struct RenderedMail {
    /// Subject. Control characters are removed, and it is cut to 160 characters, when the mail is composed.
    pub subject: String,
    /// Body as plain text.
    pub text: String,
    /// Body as HTML; `None` for a mail of plain text.
    pub html: Option<String>,
}

impl fmt::Debug for RenderedMail {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RenderedMail").finish_non_exhaustive()
    }
}

/// Sender of mails: an address, or a name and an address as in `Hexabase <noreply@hexabase.example>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender(Mailbox);

impl Sender {
    /// Parses a sender.
    ///
    /// # Errors
    /// `Invalid` for the field `mail_from`, if the address is invalid, or the name is longer than 64 characters or has
    /// control characters.
    pub fn parse(text: &str) -> Result<Self> {
        let rule =
            "must be an address in ASCII, or a name and an address as in Hexabase <noreply@hexabase.example>";
        let invalid = || Error::invalid("mail_from", rule);
        let mailbox: Mailbox = text.parse().map_err(|_| invalid())?;
        let address = Email::parse(mailbox.email.as_ref()).map_err(|_| invalid())?;
        let is_valid = |name: &String| {
            name.chars().count() <= MAX_NAME_CHARACTERS && !name.chars().any(char::is_control)
        };
        if text.chars().any(char::is_control) || !mailbox.name.as_ref().is_none_or(is_valid) {
            return Err(invalid());
        }
        Ok(Self(Mailbox::new(mailbox.name, address.as_str().parse().map_err(|_| invalid())?)))
    }

    /// Returns the domain of the address.
    pub(crate) fn domain(&self) -> &str {
        self.0.email.domain()
    }
}

/// Composes the mails of a sender.
#[derive(Debug, Clone)]
pub struct MailComposer {
    renderer: Arc<dyn MailRenderer>,
    sender: Sender,
}

impl MailComposer {
    /// Creates a composer.
    #[must_use]
    pub fn new(renderer: Arc<dyn MailRenderer>, sender: Sender) -> Self {
        Self { renderer, sender }
    }

    pub(crate) const fn sender(&self) -> &Sender {
        &self.sender
    }

    /// Composes a mail as the content of an `.eml` file. Its bodies are UTF-8 text without further encoding, so that a
    /// person can read it in an editor.
    ///
    /// # Errors
    /// Errors of the renderer, and `Invalid` if the recipient's address cannot be used.
    pub fn compose_file(&self, envelope: &Envelope) -> Result<Vec<u8>> {
        Ok(self.message(envelope, unencoded)?.formatted())
    }

    /// Composes a mail for transport, in which everything is encoded as ASCII.
    pub(crate) fn compose(&self, envelope: &Envelope) -> Result<Message> {
        self.message(envelope, Body::new::<String>)
    }

    fn message(&self, envelope: &Envelope, encode: impl Fn(String) -> Body) -> Result<Message> {
        let RenderedMail { subject, text, html } = self.renderer.render(envelope)?;
        let to = envelope.to.as_str().parse().map_err(|error: lettre::address::AddressError| {
            Error::invalid("to", "is no address that mail can be sent to").caused_by(error)
        })?;
        let date = SystemTime::UNIX_EPOCH + since_epoch(envelope.created_at);
        // Both follow from the id, so that a receiver recognizes a mail that is delivered twice.
        let message_id = format!("<{}@{}>", envelope.id, self.sender.domain());
        let boundary = format!("part_{}", envelope.id);
        let message = Message::builder()
            .from(self.sender.0.clone())
            .to(Mailbox::new(None, to))
            .subject(one_line(&subject))
            .date(date)
            .message_id(Some(message_id))
            .header(AutoSubmitted);
        let part = |content_type: ContentType, text: String| {
            SinglePart::builder().content_type(content_type).body(encode(text))
        };
        let plain = part(ContentType::TEXT_PLAIN, text);
        let composed = match html {
            None => message.singlepart(plain),
            Some(html) => {
                let alternative = MultiPart::alternative().boundary(boundary).singlepart(plain);
                message.multipart(alternative.singlepart(part(ContentType::TEXT_HTML, html)))
            }
        };
        composed.map_err(|error| Error::unexpected("composing the mail failed").caused_by(error))
    }
}

/// Body of UTF-8 text without further encoding, unless a line is too long for that (RFC 5322 section 2.1.1).
fn unencoded(text: String) -> Body {
    if text.contains(['\0', '\r']) || text.lines().any(|line| line.len() > MAX_LINE_BYTES) {
        return Body::new(text);
    }
    let lines = text.replace('\n', "\r\n").into_bytes();
    Body::dangerous_pre_encoded(lines, ContentTransferEncoding::EightBit)
}

/// Time since the Unix epoch in whole seconds, which is the precision of the header `Date`.
fn since_epoch(at: jiff::Timestamp) -> std::time::Duration {
    std::time::Duration::from_secs(u64::try_from(at.as_second()).unwrap_or(0))
}

/// Subject on one line within the maximum length. A header ends at a line break, so control characters must not remain.
fn one_line(subject: &str) -> String {
    let without_controls: String =
        subject.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let words: Vec<&str> = without_controls.split_whitespace().collect();
    let subject = words.join(" ");
    if subject.chars().count() <= MAX_SUBJECT_CHARACTERS {
        return subject;
    }
    let kept: String = subject.chars().take(MAX_SUBJECT_CHARACTERS - 1).collect();
    format!("{}…", kept.trim_end())
}

/// Header `Auto-Submitted` (RFC 3834 section 5), which keeps automatic responders from replying.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> std::result::Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}
