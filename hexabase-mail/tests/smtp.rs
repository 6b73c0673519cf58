//! The SMTP notifier, tested on a third-party SMTP server: encryption, authentication, and the kinds of its errors.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use hexabase_core::error::{Error, ErrorKind, Result};
use hexabase_core::fixture::id;
use hexabase_core::name::{Email, Language};
use hexabase_core::notifier::{Envelope, Notification, Notifier as _};
use hexabase_mail::{MailComposer, Sender, SmtpConfig, SmtpNotifier, TemplateConfig, Templates};
use hexabase_test_servers::{Certificates, SmtpMode, SmtpPeer};

fn notifier(url: &str, configure: impl FnOnce(&mut SmtpConfig)) -> SmtpNotifier {
    notifier_of("Hexabase <noreply@hexabase.example>", url, configure)
}

fn notifier_of(sender: &str, url: &str, configure: impl FnOnce(&mut SmtpConfig)) -> SmtpNotifier {
    let templates = Templates::new(TemplateConfig::new("https://hexabase.example")).unwrap();
    let sender = Sender::parse(sender).unwrap();
    let mut config = SmtpConfig::parse(&url.into()).unwrap();
    configure(&mut config);
    SmtpNotifier::new(config, MailComposer::new(Arc::new(templates), sender)).unwrap()
}

/// Notifier that trusts the authority of these certificates.
fn trusting(url: &str, certificates: &Certificates) -> SmtpNotifier {
    let authority = std::fs::read(certificates.authority()).unwrap();
    notifier(url, |config| config.authority = Some(authority))
}

async fn send(notifier: &SmtpNotifier, to: &str) -> Result<()> {
    let envelope = Envelope {
        id: id("mail"),
        to: Email::parse(to).unwrap(),
        language: Language::parse("ja").unwrap(),
        created_at: jiff::Timestamp::UNIX_EPOCH,
        notification: Notification::samples().remove(0),
    };
    notifier.send(&envelope).await
}

/// Checks that an error is retried, and that it shows no password.
fn assert_unavailable(error: &Error, expected: &str) {
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(error.is_retryable() && format!("{error:?}").contains(expected), "{error:?}");
    assert!(!format!("{error:?}").contains("s3cr3t"), "{error:?}");
}

#[tokio::test]
async fn mail_is_sent_with_starttls_or_tls_and_authentication() {
    let certificates = Certificates::new();
    for (mode, scheme) in [(SmtpMode::StartTls, "smtp"), (SmtpMode::Tls, "smtps")] {
        let peer = SmtpPeer::start(mode, &certificates);
        let url = format!("{scheme}://{}@127.0.0.1:{}", SmtpPeer::CREDENTIALS, peer.port());
        send(&trusting(&url, &certificates), "bob@example.com").await.unwrap();
        let mails = peer.mails();
        assert_eq!(mails.len(), 1);
        assert_eq!((&mails[0]["tls"], &mails[0]["user"]), (&true.into(), &"hexabase".into()));
        assert_eq!(mails[0]["from"], "noreply@hexabase.example");
        assert_eq!(mails[0]["to"], serde_json::json!(["bob@example.com"]));
        assert_eq!(mails[0]["hello"], "hexabase.example");
        let headers = &mails[0]["headers"];
        assert_eq!(headers["Subject"], "Hexabase の組織に招待されました");
        assert_eq!(headers["From"], "Hexabase <noreply@hexabase.example>");
        assert_eq!(headers["Auto-Submitted"], "auto-generated");
        for body in ["text", "html"] {
            assert!(
                mails[0][body].as_str().unwrap().contains("オーナーとして招待されました"),
                "{}",
                mails[0]
            );
        }
    }
}

#[tokio::test]
async fn no_mail_and_no_password_is_sent_without_the_required_encryption() {
    let certificates = Certificates::new();
    let plain = SmtpPeer::start(SmtpMode::Plain, &certificates);
    let address = format!("{}@127.0.0.1:{}", SmtpPeer::CREDENTIALS, plain.port());
    let error = send(&trusting(&format!("smtp://{address}"), &certificates), "bob@example.com").await;
    assert_unavailable(&error.unwrap_err(), "STARTTLS is not supported");
    let error = send(&trusting(&format!("smtps://{address}"), &certificates), "bob@example.com").await;
    assert_unavailable(&error.unwrap_err(), "Connection error");
    assert!(plain.recipients().is_empty());
    // The same server accepts mail if the configuration says that nothing is encrypted.
    let url = format!("smtp://127.0.0.1:{}?tls=none", plain.port());
    send(&notifier(&url, |_| {}), "bob@example.com").await.unwrap();
    assert_eq!(plain.mails()[0]["tls"], false);
}

#[tokio::test]
async fn a_server_with_an_untrusted_certificate_receives_nothing() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    for (mode, scheme) in [(SmtpMode::StartTls, "smtp"), (SmtpMode::Tls, "smtps")] {
        let peer = SmtpPeer::start(mode, &certificates);
        let url = |host: &str| format!("{scheme}://{}@{host}:{}", SmtpPeer::CREDENTIALS, peer.port());
        let untrusted = send(&trusting(&url("127.0.0.1"), &others), "bob@example.com").await;
        assert_unavailable(&untrusted.unwrap_err(), "certificate");
        // Trusted by no authority of the system, either.
        let of_system = send(&notifier(&url("127.0.0.1"), |_| {}), "bob@example.com").await;
        assert_unavailable(&of_system.unwrap_err(), "certificate");
        assert!(peer.recipients().is_empty());
        // Of a trusted authority, but for another name.
        let elsewhere = Certificates::for_name("mail.example");
        let peer = SmtpPeer::start(mode, &elsewhere);
        let url = format!("{scheme}://{}@127.0.0.1:{}", SmtpPeer::CREDENTIALS, peer.port());
        let wrong_name = send(&trusting(&url, &elsewhere), "bob@example.com").await;
        assert_unavailable(&wrong_name.unwrap_err(), "certificate");
        assert!(peer.recipients().is_empty());
    }
}

#[tokio::test]
async fn only_a_rejected_recipient_is_not_retried() {
    let certificates = Certificates::new();
    let mut peer = SmtpPeer::start(SmtpMode::StartTls, &certificates);
    let url = |credentials: &str| format!("smtp://{credentials}127.0.0.1:{}", peer.port());
    let wrong = trusting(&url("hexabase:wrong-s3cr3t@"), &certificates);
    assert_unavailable(&send(&wrong, "bob@example.com").await.unwrap_err(), "535");
    let none = trusting(&url(""), &certificates);
    assert_unavailable(&send(&none, "bob@example.com").await.unwrap_err(), "530");
    let right = trusting(&url(&format!("{}@", SmtpPeer::CREDENTIALS)), &certificates);
    assert_unavailable(&send(&right, "busy@example.com").await.unwrap_err(), "451");
    let rejected = send(&right, "unknown@example.com").await.unwrap_err();
    assert_eq!((rejected.kind(), rejected.is_retryable()), (ErrorKind::Invalid, false));
    let shown = rejected.to_string();
    assert!(shown.contains("550") && shown.contains("no mailbox"), "{shown}");
    assert!(!shown.contains("unknown@example.com"), "the address is not shown: {shown}");
    let forbidden =
        notifier_of("forbidden@hexabase.example", &url(&format!("{}@", SmtpPeer::CREDENTIALS)), |config| {
            config.authority = Some(std::fs::read(certificates.authority()).unwrap());
        });
    assert_unavailable(&send(&forbidden, "bob@example.com").await.unwrap_err(), "553");
    // A connection after an error is a new one.
    send(&right, "bob@example.com").await.unwrap();
    peer.stop();
    assert_unavailable(&send(&right, "bob@example.com").await.unwrap_err(), "Connection");
    assert_eq!(peer.mails().len(), 1);
}

#[tokio::test]
async fn a_retried_mail_keeps_its_message_id() {
    let certificates = Certificates::new();
    let peer = SmtpPeer::start(SmtpMode::StartTls, &certificates);
    let url = format!("smtp://{}@127.0.0.1:{}", SmtpPeer::CREDENTIALS, peer.port());
    let notifier = trusting(&url, &certificates);
    assert_unavailable(&send(&notifier, "later@example.com").await.unwrap_err(), "452");
    send(&notifier, "later@example.com").await.unwrap();
    let (rejected, mails) = (peer.rejected(), peer.mails());
    assert_eq!((rejected.len(), mails.len()), (1, 1));
    assert_eq!(mails[0]["raw"], rejected[0]["raw"], "a retry sends the same bytes");
    assert!(mails[0]["headers"]["Message-ID"].as_str().unwrap().ends_with("@hexabase.example>"));
}

/// A server that accepts connections and never responds costs a bounded number of connections and a bounded time.
#[tokio::test]
async fn a_silent_server_costs_bounded_time_and_connections() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let notifier = notifier(&url, |config| {
        config.connections = 1;
        config.connection_wait = Duration::from_millis(50);
        config.send_timeout = Duration::from_millis(500);
    });
    let (first, second) =
        tokio::join!(send(&notifier, "bob@example.com"), send(&notifier, "eve@example.com"));
    assert_unavailable(&first.unwrap_err(), "in time");
    assert_unavailable(&second.unwrap_err(), "in use");
    // The connection of the first mail is free again.
    assert_unavailable(&send(&notifier, "bob@example.com").await.unwrap_err(), "in time");
}
