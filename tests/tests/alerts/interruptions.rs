//! Interruptions between Alertmanager, the store and the limits of mails.

use std::sync::Arc;

use async_trait::async_trait;
use axum::http::{Method, StatusCode};
use hexabase_core::alerts::{AlertSource, FiringAlert, MemoryAlerts, NewSilence, Silence, SilenceId};
use hexabase_core::clock::{Clock as _, SystemClock};
use hexabase_core::error::{Error, Result};
use hexabase_core::faults::{FaultPlan, FaultPoint, FaultyStore};
use hexabase_core::id::WorkspaceId;
use hexabase_core::store::MemoryStore;
use hexabase_tests::TestApp;
use serde_json::json;
use tokio::sync::Notify;

use super::setup::{Setup, rule};
use super::webhook::{alert, mailed, notify};

/// Platform whose commits fail as planned.
async fn failing(plan: &FaultPlan) -> Setup {
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new()), plan.clone()));
    Setup::on(TestApp::with(|builder| builder.with_store(store)).await).await
}

/// Source whose answer to a new silence does not arrive.
#[derive(Debug)]
struct InterruptedSource {
    alerts: MemoryAlerts,
    /// `true` if the request fails, `false` if it takes forever.
    fails: bool,
    created: Notify,
}

impl InterruptedSource {
    fn new(fails: bool) -> Arc<Self> {
        let alerts = MemoryAlerts::new(Arc::new(SystemClock));
        Arc::new(Self { alerts, fails, created: Notify::new() })
    }
}

#[async_trait]
impl AlertSource for InterruptedSource {
    async fn alerts(&self, workspace: WorkspaceId) -> Result<Vec<FiringAlert>> {
        self.alerts.alerts(workspace).await
    }

    async fn create_silence(&self, workspace: WorkspaceId, silence: &NewSilence) -> Result<SilenceId> {
        self.alerts.create_silence(workspace, silence).await?;
        self.created.notify_one();
        match self.fails {
            true => Err(Error::unavailable("the request to Alertmanager failed")),
            false => std::future::pending().await,
        }
    }

    async fn find_silence(&self, workspace: WorkspaceId, id: SilenceId) -> Result<Option<Silence>> {
        self.alerts.find_silence(workspace, id).await
    }

    async fn silences(&self, workspace: WorkspaceId) -> Result<Vec<Silence>> {
        self.alerts.silences(workspace).await
    }

    async fn delete_silence(&self, workspace: WorkspaceId, id: SilenceId) -> Result<()> {
        self.alerts.delete_silence(workspace, id).await
    }

    fn name(&self) -> &'static str {
        "interrupted"
    }
}

#[tokio::test]
async fn a_crash_after_the_creation_of_a_silence_leaves_an_audit_event() {
    let source = InterruptedSource::new(false);
    let setup = Setup::on(TestApp::with(|builder| builder.with_alerts(source.clone())).await).await;
    let first = setup.create_rule(&rule("first", &json!({}))).await;
    let (client, path) = (setup.ann.client.clone(), format!("{}/alerts/{first}/silence", setup.workspace));
    let request =
        tokio::spawn(async move { client.send(Method::POST, &path, &json!({ "minutes": 30 })).await });
    source.created.notified().await;
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    assert_eq!(setup.audited("silence.").await, ["silence.create"]);
    source.alerts.fire(setup.workspace_id, first, SystemClock.now());
    assert_eq!(source.alerts.alerts(setup.workspace_id).await.unwrap()[0].silenced_by.len(), 1);
}

#[tokio::test]
async fn a_silence_that_the_source_does_not_confirm_has_two_audit_events() {
    let source = InterruptedSource::new(true);
    let setup = Setup::on(TestApp::with(|builder| builder.with_alerts(source.clone())).await).await;
    let first = setup.create_rule(&rule("first", &json!({}))).await;
    let path = format!("{}/alerts/{first}/silence", setup.workspace);
    let failed = setup.ann.client.send(Method::POST, &path, &json!({ "minutes": 30 })).await;
    assert_eq!(failed.status, StatusCode::SERVICE_UNAVAILABLE, "{}", failed.text);
    assert_eq!(setup.audited("silence.").await, ["silence.create_failed", "silence.create"]);
}

#[tokio::test]
async fn a_silence_without_a_response_is_deleted_and_both_are_in_the_audit_log() {
    let silence = async |plan: FaultPlan| {
        let setup = failing(&plan).await;
        let first = setup.create_rule(&rule("first", &json!({}))).await;
        setup.app.alerts.fire(setup.workspace_id, first, SystemClock.now());
        let before = plan.passed();
        let path = format!("{}/alerts/{first}/silence", setup.workspace);
        let status = setup.ann.client.send(Method::POST, &path, &json!({ "minutes": 30 })).await.status;
        (setup, before, status)
    };
    let (_, before, status) = silence(FaultPlan::counting()).await;
    assert_eq!(status, StatusCode::CREATED);
    // The first commit is the audit event, the second one the live event.
    let (setup, _, status) = silence(FaultPlan::failing_at(before + 1, FaultPoint::FailBefore)).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(setup.app.alerts.alerts(setup.workspace_id).await.unwrap()[0].silenced_by.is_empty());
    assert_eq!(setup.audited("silence.").await, ["silence.delete", "silence.create"]);

    let (setup, _, status) = silence(FaultPlan::failing_at(before, FaultPoint::FailBefore)).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(setup.app.alerts.alerts(setup.workspace_id).await.unwrap()[0].silenced_by.is_empty());
    assert!(setup.audited("silence.").await.is_empty());
}

#[tokio::test]
async fn a_notice_whose_commit_fails_takes_one_mail_of_the_limit() {
    let mail = async |plan: FaultPlan| {
        let setup = failing(&plan).await;
        let high = setup.create_rule(&rule("high", &json!({ "notify": ["ann@example.com"] }))).await;
        let before = plan.passed();
        let at = |minute: i32| json!({ "startsAt": format!("2026-11-30T10:{minute:02}:00Z") });
        let first = alert(setup.workspace_id, high, &at(0));
        let first = std::slice::from_ref(&first);
        let statuses = [notify(&setup, first).await, notify(&setup, first).await];
        for minute in 1..20 {
            notify(&setup, &[alert(setup.workspace_id, high, &at(minute))]).await;
        }
        (before, statuses, mailed(&setup, "ann@example.com").await.len())
    };
    let (before, statuses, mails) = mail(FaultPlan::counting()).await;
    assert_eq!((statuses, mails), ([StatusCode::OK; 2], 12));
    let (_, statuses, mails) = mail(FaultPlan::failing_at(before, FaultPoint::FailBefore)).await;
    assert_eq!((statuses, mails), ([StatusCode::SERVICE_UNAVAILABLE, StatusCode::OK], 12));
}
