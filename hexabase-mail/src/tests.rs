use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use hexabase_core::error::{ErrorKind, Result};
use hexabase_core::fixture::id;
use hexabase_core::name::{DisplayName, Email, Language};
use hexabase_core::notifier::{Envelope, Notification, PlainName};
use jiff::Timestamp;
use proptest::prelude::*;

use crate::{MailComposer, MailRenderer, RenderedMail, Sender, TemplateConfig, Templates};

fn config() -> TemplateConfig {
    TemplateConfig::new("https://hexabase.example/")
}

fn envelope(language: &str, notification: Notification) -> Envelope {
    Envelope {
        id: id("mail"),
        to: Email::parse("bob@example.com").unwrap(),
        language: Language::parse(language).unwrap(),
        created_at: Timestamp::UNIX_EPOCH,
        notification,
    }
}

fn resumed(name: &str) -> Notification {
    Notification::Resumed { organization: PlainName::from(&DisplayName::parse(name).unwrap()) }
}

fn composer(renderer: impl MailRenderer) -> MailComposer {
    MailComposer::new(Arc::new(renderer), Sender::parse("Hexabase <noreply@hexabase.example>").unwrap())
}

/// Renderer with a fixed result.
#[derive(Debug)]
struct Fixed(RenderedMail);

impl MailRenderer for Fixed {
    fn render(&self, _: &Envelope) -> Result<RenderedMail> {
        Ok(self.0.clone())
    }
}

fn fixed(subject: &str, text: &str) -> Fixed {
    Fixed(RenderedMail { subject: subject.to_owned(), text: text.to_owned(), html: None })
}

/// Text of a mail as it is sent.
fn sent(composer: &MailComposer, envelope: &Envelope) -> String {
    String::from_utf8(composer.compose(envelope).unwrap().formatted()).unwrap()
}

#[test]
fn every_kind_is_rendered_in_every_language() {
    let templates = Templates::new(config()).unwrap();
    for language in ["en", "ja"] {
        let mut kinds = BTreeSet::new();
        for sample in Notification::samples() {
            let kind = sample.kind();
            if !kinds.insert(kind) {
                continue;
            }
            let RenderedMail { subject, text, html } = templates.render(&envelope(language, sample)).unwrap();
            let mail = format!("{subject}\n\n{text}\n---\n{}", html.unwrap());
            insta::assert_snapshot!(format!("{language}_{kind}"), mail);
        }
    }
}

/// Templates that do not use a value withhold it from the recipient.
#[test]
fn every_value_of_a_notification_appears_in_both_bodies() {
    let templates = Templates::new(config()).unwrap();
    for language in ["en", "ja"] {
        for sample in Notification::samples() {
            let expected: Vec<&str> = match &sample {
                Notification::Invitation { .. } => vec!["Söhne", "hxi_sample", "#token=", "2027"],
                Notification::PaymentFailed { .. } | Notification::GraceEnds { .. } => {
                    vec!["Söhne", "2027", "billing"]
                }
                Notification::OrganizationSuspended { reason: Some(_), .. } => vec!["Söhne", "abuse of"],
                Notification::Resumed { .. }
                | Notification::OrganizationSuspended { .. }
                | Notification::OrganizationResumed { .. } => vec!["Söhne"],
                Notification::IncludedUsage { percent: 100, .. } => {
                    vec!["Söhne", "500", "12.50 USD", "billing"]
                }
                Notification::IncludedUsage { .. } => vec!["Söhne", "80", "500", "12.50 USD", "billing"],
                Notification::Budget { percent: 100, .. } => {
                    vec!["Söhne", "100.00 USD", "80.50 USD", "billing"]
                }
                Notification::Budget { .. } => vec!["Söhne", "80", "100.00 USD", "80.50 USD", "billing"],
                Notification::Alert { condition, .. } if condition.metric.quota_resource().is_some() => {
                    vec!["Söhne", "shop", "usage-high", "warning", "80", "2027"]
                }
                Notification::Alert { .. } => {
                    vec!["Söhne", "shop", "usage-high", "warning", "1500m", "2027"]
                }
                _ => vec!["Söhne", "billing"],
            };
            let mail = templates.render(&envelope(language, sample)).unwrap();
            for body in [mail.text, mail.html.unwrap()] {
                for value in &expected {
                    assert!(body.contains(value), "{language}: {value} is missing in {body}");
                }
            }
        }
    }
}

#[test]
fn values_are_escaped_in_html_only() {
    let templates = Templates::new(config()).unwrap();
    for sample in Notification::samples() {
        let mail = templates.render(&envelope("en", sample)).unwrap();
        assert!(mail.text.contains("Müller & Söhne"), "{}", mail.text);
        let html = mail.html.unwrap();
        assert!(html.contains("Müller &amp; Söhne") && !html.contains("Müller & Söhne"), "{html}");
    }
    let hostile = TemplateConfig { product_name: "<script>alert(1)</script>".to_owned(), ..config() };
    let mail = Templates::new(hostile).unwrap().render(&envelope("en", resumed("a"))).unwrap();
    assert!(!mail.html.unwrap().contains("<script"));
}

#[test]
fn a_language_without_templates_is_rendered_in_english() {
    let templates = Templates::new(config()).unwrap();
    let english = templates.render(&envelope("en", resumed("a"))).unwrap();
    assert_eq!(templates.render(&envelope("de", resumed("a"))).unwrap().text, english.text);
}

#[test]
fn the_product_name_is_checked() {
    for name in ["", "a\r\nBcc: eve@evil.example", &"a".repeat(65)] {
        let config = TemplateConfig { product_name: name.to_owned(), ..config() };
        let error = Templates::new(config).unwrap_err();
        assert_eq!(error.violations()[0].field, "product_name");
    }
}

#[test]
fn files_in_a_directory_replace_templates() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
        std::fs::write(folder.path().join(name), text).unwrap();
    };
    write(
        "en/resumed.txt",
        "Subject: Welcome back, {{ organization }}\r\n\r\nHello from {{ product_name }}.\r\n",
    );
    write("layout.html", "<main>{% block content %}{% endblock %}</main>");
    write("README.md", "{{ no template }}");
    let templates = Templates::with_directory(config(), folder.path()).unwrap();
    let mail = templates.render(&envelope("en", resumed("Acme"))).unwrap();
    assert_eq!((mail.subject.as_str(), mail.text.as_str()), ("Welcome back, Acme", "Hello from Hexabase."));
    assert!(mail.html.unwrap().starts_with("<main>"));

    // A further language needs all templates.
    write("de/resumed.txt", "Subject: Es geht weiter\n\nHallo {{ organization }}.\n");
    assert_template_error(folder.path(), "every language needs de/invitation.txt");
    std::fs::remove_dir_all(folder.path().join("de")).unwrap();
    for (broken, expected) in [
        ("Subject: {{ unknown }}\n\ntext", "en/suspended.txt line 1: undefined value"),
        ("Subject: {{ organization }\n\ntext", "en/suspended.txt line 1: syntax error"),
        ("Subject: {{ organization | date('%Y') }}\n\ntext", "en/suspended.txt line 1: invalid operation"),
        ("no subject\n\ntext", "must begin with a line \"Subject: …\""),
        ("Subject: no body\n", "must begin with a line \"Subject: …\""),
        ("Subject:\n\ntext", "must begin with a line \"Subject: …\""),
    ] {
        write("en/suspended.txt", broken);
        assert_template_error(folder.path(), expected);
    }
    write("en/suspended.txt", &"a".repeat(300_000));
    assert_template_error(folder.path(), "must not be larger than");
    assert_template_error(Path::new("/does/not/exist"), "/does/not/exist");
}

fn assert_template_error(directory: &Path, expected: &str) {
    let error = Templates::with_directory(config(), directory).unwrap_err();
    assert_eq!(error.violations()[0].field, "mail_templates");
    assert!(error.to_string().contains(expected), "{error} does not contain {expected}");
}

#[test]
fn a_mail_has_its_headers_and_both_bodies() {
    let composer = composer(Templates::new(config()).unwrap());
    let envelope = envelope("ja", resumed("Müller & Söhne"));
    let mail = sent(&composer, &envelope);
    assert!(mail.is_ascii(), "{mail}");
    for line in [
        "From: Hexabase <noreply@hexabase.example>",
        "To: bob@example.com",
        "Date: Thu, 01 Jan 1970 00:00:00 +0000",
        &format!("Message-ID: <{}@hexabase.example>", envelope.id),
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
    ] {
        assert!(mail.lines().any(|found| found == line), "{line} is missing in {mail}");
    }
    assert!(mail.contains("Subject: =?utf-8?b?"), "{mail}");
    assert!(mail.contains("multipart/alternative"), "{mail}");
    assert!(mail.contains("Content-Type: text/plain; charset=utf-8"), "{mail}");
    assert!(mail.contains("Content-Type: text/html; charset=utf-8"), "{mail}");
    assert_eq!(sent(&composer, &envelope), mail, "every attempt sends the same bytes");
}

#[test]
fn a_mail_in_a_file_is_readable() {
    let from_templates = composer(Templates::new(config()).unwrap());
    for sample in Notification::samples() {
        let file = from_templates.compose_file(&envelope("ja", sample)).unwrap();
        let text = String::from_utf8(file).unwrap();
        assert!(text.contains("Content-Transfer-Encoding: 8bit"), "{text}");
        assert!(text.contains("Müller & Söhne"), "{text}");
    }
    let long_line = fixed("a", &"a".repeat(2_000));
    let file = composer(long_line).compose_file(&envelope("en", resumed("a"))).unwrap();
    assert!(String::from_utf8(file).unwrap().lines().all(|line| line.len() <= 998));
}

#[test]
fn a_subject_injects_no_header_and_is_bounded() {
    let injected = fixed("Hi\r\nBcc: eve@evil.example\r\n\r\nbody\u{0}\u{85}end", "text");
    let mail = sent(&composer(injected), &envelope("en", resumed("a")));
    assert!(!mail.lines().any(|line| line.starts_with("Bcc")), "{mail}");
    assert!(mail.contains("Subject: Hi Bcc: eve@evil.example body end"), "{mail}");

    let long = fixed(&"word ".repeat(1_000), "text");
    let mail = sent(&composer(long), &envelope("en", resumed("a")));
    assert!(mail.lines().all(|line| line.len() <= 998), "{mail}");
    assert!(mail.len() < 2_000, "{mail}");
}

#[test]
fn a_sender_is_an_address_with_an_optional_name() {
    for good in
        ["noreply@hexabase.example", "Hexabase <noreply@hexabase.example>", "ヘキサベース <a@b.example>"]
    {
        assert!(Sender::parse(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "Hexabase",
        "Hexabase <noreply>",
        "a@b.example, c@d.example",
        "дом@b.example",
        "a@müller.example",
        "Hexabase\r\nBcc: eve@evil.example <a@b.example>",
        "a@b.example\r\n",
        &format!("{} <a@b.example>", "n".repeat(65)),
    ] {
        let error = Sender::parse(bad).unwrap_err();
        assert_eq!((error.kind(), error.violations()[0].field.as_str()), (ErrorKind::Invalid, "mail_from"));
    }
    let sender = Sender::parse("ヘキサベース <a@b.example>").unwrap();
    let composer = MailComposer::new(Arc::new(fixed("a", "b")), sender);
    assert!(sent(&composer, &envelope("en", resumed("a"))).contains("From: =?utf-8?b?"));
}

proptest! {
    #[test]
    fn every_name_and_address_leads_to_a_mail_without_further_headers(
        name in "\\PC{1,128}",
        mailbox in "[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,40}(\\.[a-z0-9]{1,9})?",
    ) {
        let templates = Templates::new(config()).unwrap();
        if let (Ok(_), Ok(to)) = (DisplayName::parse(&name), Email::parse(&format!("{mailbox}@example.com"))) {
            let envelope = Envelope { to: to.clone(), ..envelope("en", resumed(&name)) };
            let mail = sent(&composer(templates), &envelope);
            let header = mail.split("\r\n\r\n").next().unwrap_or_default();
            let names: Vec<&str> = header
                .lines()
                .filter(|line| !line.starts_with(' '))
                .map(|line| line.split(':').next().unwrap_or_default())
                .collect();
            prop_assert_eq!(
                names,
                ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"],
                "{}", mail
            );
        }
    }
}
