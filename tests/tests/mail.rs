//! Invitations over the HTTP API, delivered by a third-party SMTP server, and their dead letters.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use hexabase_core::clock::ManualClock;
use hexabase_mail::{MailComposer, Sender, SmtpConfig, SmtpNotifier, TemplateConfig, Templates};
use hexabase_test_servers::{Certificates, SmtpMode, SmtpPeer};
use hexabase_tests::TestApp;
use serde_json::{Value, json};

/// At least the longest back-off between two attempts.
const LONGEST_BACKOFF: Duration = Duration::from_secs(300);
/// Number of attempts to deliver a message.
const MAX_ATTEMPTS: usize = 20;

/// Platform that sends mail to an SMTP server, with an organization of Ann's.
struct Setup {
    app: TestApp,
    clock: Arc<ManualClock>,
    peer: SmtpPeer,
    organization: String,
    /// Files that the server reads again after a restart.
    _certificates: Certificates,
}

impl Setup {
    async fn new() -> Self {
        let certificates = Certificates::new();
        let peer = SmtpPeer::start(SmtpMode::StartTls, &certificates);
        let url = format!("smtp://{}@127.0.0.1:{}", SmtpPeer::CREDENTIALS, peer.port());
        let mut config = SmtpConfig::parse(&url.as_str().into()).unwrap();
        config.authority = Some(std::fs::read(certificates.authority()).unwrap());
        let templates = Templates::new(TemplateConfig::new("https://hexabase.example")).unwrap();
        let sender = Sender::parse("Hexabase <noreply@hexabase.example>").unwrap();
        let notifier = SmtpNotifier::new(config, MailComposer::new(Arc::new(templates), sender)).unwrap();
        let clock = Arc::new(ManualClock::default());
        let app =
            TestApp::with(|builder| builder.with_clock(clock.clone()).with_notifier(Arc::new(notifier)))
                .await;
        let ann = app.sign_in("ann").await;
        let organization = app.create_organization(&ann, "acme").await;
        Self { app, clock, peer, organization, _certificates: certificates }
    }

    async fn invite(&self, name: &str) {
        let path = format!("/api/v1/organizations/{}/invitations", self.organization);
        let email = format!("{name}@example.com");
        // The access token of an earlier time has expired.
        let ann = self.app.sign_in("ann").await;
        ann.client.create(&path, &json!({ "email": email, "role": "member" })).await;
        self.app.run_worker().await;
    }

    /// Dead letters, as an operator sees them.
    async fn dead_letters(&self) -> Vec<Value> {
        let operator = self.app.sign_in("operator").await;
        let queue = operator.client.get("/api/v1/admin/queue").await;
        queue["dead_letters"].as_array().unwrap().clone()
    }

    /// Lets all attempts to deliver a mail pass.
    async fn exhaust_attempts(&self) {
        for attempt in 1..MAX_ATTEMPTS {
            assert!(self.dead_letters().await.is_empty(), "a dead letter after {attempt} attempts");
            self.clock.advance(LONGEST_BACKOFF);
            self.app.run_worker().await;
        }
    }
}

#[tokio::test]
async fn an_invitation_is_delivered_once_and_accepted_with_its_token() {
    let setup = Setup::new().await;
    setup.invite("bob").await;
    setup.clock.advance(LONGEST_BACKOFF);
    setup.app.run_worker().await;
    let mails = setup.peer.mails();
    assert_eq!((mails.len(), setup.peer.recipients()), (1, vec!["bob@example.com".to_owned()]));
    let mail = &mails[0];
    assert_eq!((&mail["tls"], &mail["user"]), (&json!(true), &json!("hexabase")));
    assert_eq!(mail["headers"]["To"], "bob@example.com");
    assert_eq!(mail["headers"]["Subject"], "You are invited to an organization on Hexabase");
    let text = mail["text"].as_str().unwrap();
    assert!(text.contains("the organization \"acme\" on Hexabase as member"), "{text}");
    let link = text.lines().find(|line| line.starts_with("https://hexabase.example/invitations")).unwrap();
    let token = link.strip_prefix("https://hexabase.example/invitations#token=").unwrap();
    assert!(text.lines().any(|line| line == token), "the token is the fallback for the link: {text}");
    assert!(mail["html"].as_str().unwrap().contains(token));

    let bob = setup.app.sign_in("bob").await;
    let joined =
        bob.client.send_ok(Method::POST, "/api/v1/invitations/accept", &json!({ "token": token })).await;
    assert_eq!(joined["id"], setup.organization.as_str());
    assert!(setup.dead_letters().await.is_empty());
}

#[tokio::test]
async fn a_mail_that_no_server_accepts_is_retried_and_then_shown() {
    let mut setup = Setup::new().await;
    setup.peer.stop();
    setup.invite("bob").await;
    setup.exhaust_attempts().await;
    let letters = setup.dead_letters().await;
    assert_eq!((letters.len(), &letters[0]["topic"]), (1, &json!("mail")));
    assert_eq!(letters[0]["attempts"], MAX_ATTEMPTS);
    assert_eq!(letters[0]["organization_id"], setup.organization.as_str());
    let reason = letters[0]["reason"].as_str().unwrap();
    assert!(reason.contains("the mail server cannot be used as configured"), "{reason}");

    // The operator repairs the server and retries the mail.
    setup.peer.resume();
    let operator = setup.app.sign_in("operator").await;
    let retry = format!("/api/v1/admin/queue/dead-letters/{}/retry", letters[0]["id"].as_str().unwrap());
    operator.client.send_ok(Method::POST, &retry, &Value::Null).await;
    setup.app.run_worker().await;
    let mails = setup.peer.mails();
    assert_eq!(mails.len(), 1);
    let message_id = format!("<{}@hexabase.example>", letters[0]["id"].as_str().unwrap());
    assert_eq!(mails[0]["headers"]["Message-ID"], message_id.as_str());
    assert!(setup.dead_letters().await.is_empty());
}

#[tokio::test]
async fn a_mail_that_is_rejected_for_now_is_retried_and_then_shown() {
    let setup = Setup::new().await;
    setup.invite("busy").await;
    setup.exhaust_attempts().await;
    let letters = setup.dead_letters().await;
    assert_eq!((letters.len(), &letters[0]["attempts"]), (1, &json!(MAX_ATTEMPTS)));
    let reason = letters[0]["reason"].as_str().unwrap();
    assert!(reason.contains("451") && reason.contains("Greylisted"), "{reason}");
    assert_eq!(setup.peer.recipients().len(), MAX_ATTEMPTS);

    // A server that accepts the second attempt ends the retries.
    setup.invite("later").await;
    setup.clock.advance(LONGEST_BACKOFF);
    setup.app.run_worker().await;
    let (rejected, mails) = (setup.peer.rejected(), setup.peer.mails());
    assert_eq!((rejected.len(), mails.len()), (1, 1));
    assert_eq!(mails[0]["headers"]["Message-ID"], rejected[0]["headers"]["Message-ID"]);
    assert_eq!(setup.dead_letters().await.len(), 1);
}

#[tokio::test]
async fn a_rejected_recipient_is_shown_and_not_retried() {
    let setup = Setup::new().await;
    setup.invite("unknown").await;
    let letters = setup.dead_letters().await;
    assert_eq!((letters.len(), &letters[0]["attempts"]), (1, &json!(1)));
    let reason = letters[0]["reason"].as_str().unwrap();
    assert!(reason.contains("550") && reason.contains("has no mailbox"), "{reason}");
    setup.clock.advance(LONGEST_BACKOFF);
    setup.app.run_worker().await;
    assert_eq!(setup.peer.recipients().len(), 1);
}
