//! Notifications by mail: templates, and a [`Notifier`](hexabase_core::notifier::Notifier) for SMTP.
//!
//! [`Templates`] turn a notification into a subject, a text and an HTML body. English and Japanese are built in:
//!
//! ```
//! use std::sync::Arc;
//!
//! use hexabase_core::Platform;
//! use hexabase_mail::{MailComposer, Sender, SmtpConfig, SmtpNotifier, TemplateConfig, Templates};
//!
//! # fn main() -> hexabase_core::Result<()> {
//! let url = "https://shop.example";
//! let config = TemplateConfig { product_name: "Shop Cloud".to_owned(), ..TemplateConfig::new(url) };
//! let templates = Templates::new(config)?;
//! assert_eq!(templates.languages().collect::<Vec<_>>(), ["en", "ja"]);
//!
//! let sender = Sender::parse("Shop Cloud <noreply@shop.example>")?;
//! let composer = MailComposer::new(Arc::new(templates), sender);
//! let smtp = SmtpConfig::parse(&"smtps://shop:password@mail.example".into())?;
//! let platform = Platform::builder(url)
//!     # .with_plans(vec![hexabase_core::fixture::plan("small")])
//!     .with_notifier(Arc::new(SmtpNotifier::new(smtp, composer)?))
//!     .build()?;
//! # Ok(()) }
//! ```
//!
//! To change texts, put files of the same names into a directory and use [`Templates::with_directory`]. To replace the
//! template engine, implement [`MailRenderer`]. The language of notifications and the pages that they link to are part
//! of the [configuration of the platform](hexabase_core::notifier::NotificationConfig).
//!
//! [`SmtpNotifier`] sends no mail over a connection that is not encrypted as configured. A mail keeps its `Message-ID`
//! over all attempts.

mod embedded;
mod mail;
mod smtp;
mod smtp_config;
mod templates;
#[cfg(test)]
mod tests;

pub use mail::{MailComposer, MailRenderer, RenderedMail, Sender};
pub use smtp::SmtpNotifier;
pub use smtp_config::{SmtpConfig, SmtpSecurity};
pub use templates::{TemplateConfig, Templates};
