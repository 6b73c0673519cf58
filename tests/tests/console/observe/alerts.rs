//! Alert rules, alerts and silences.

use std::sync::Arc;

use axum::http::StatusCode;
use hexabase_tests::TestApp;
use serde_json::{Value, json};

use super::{Browser, Observed, assert_contains, in_japanese, location, value_of};

/// Fields of a rule that the invented metrics always exceed.
fn rule(name: &str) -> [(&str, &str); 9] {
    [
        ("name", name),
        ("project", ""),
        ("metric", "memory"),
        ("comparison", "above"),
        ("threshold", "1Mi"),
        ("percent_of_quota", ""),
        ("for", "1m"),
        ("severity", "warning"),
        ("notify", "ann@example.com"),
    ]
}

fn with<'a>(fields: &[(&'a str, &'a str)], overrides: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let kept = fields.iter().filter(|(name, _)| !overrides.iter().any(|(other, _)| other == name));
    kept.chain(overrides).copied().collect()
}

/// Returns the first address of a page below a path that ends before a quotation mark.
fn address(page: &str, part: &str) -> String {
    let mut all = page.split('"').filter(|piece| piece.starts_with("/console/") && piece.contains(part));
    all.find(|piece| !piece.ends_with("/new")).unwrap().to_owned()
}

#[tokio::test]
async fn a_rule_is_previewed_created_fires_and_is_silenced() {
    let observed = Observed::new().await;
    let ann = observed.ann().await;
    let (alerts, new) = (observed.page("alerts"), observed.page("alert-rules/new"));
    let empty = ann.get(&alerts).await;
    assert_contains(&empty, &["No alert is firing.", "No alert rules", "Create an alert rule"]);
    assert_contains(&ann.get(&new).await, &[">ann@example.com</textarea>", "name=\"percent_of_quota\""]);

    let preview = ann.submit(&new, &with(&rule("memory-low"), &[("intent", "preview")])).await;
    assert_eq!(preview.status, StatusCode::OK, "{}", preview.text);
    assert_contains(
        &preview,
        &["would have fired once.", "still firing", "limit 1Mi", "value=\"memory-low\""],
    );
    let never = with(&rule("memory-high"), &[("threshold", "1Ti"), ("intent", "preview")]);
    assert_contains(&ann.submit(&new, &never).await, &["The alert would not have fired."]);
    assert!(ann.get(&alerts).await.text.contains("No alert rules"), "a preview saves nothing");

    let wrong = with(&rule("-"), &[("notify", "nonsense"), ("percent_of_quota", "80")]);
    let rejected = ann.submit(&new, &wrong).await;
    assert_eq!(rejected.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_contains(
        &rejected,
        &[
            "href=\"#name\"",
            "href=\"#percent_of_quota\"",
            "nonsense: ",
            ">nonsense</textarea>",
            "value=\"1Mi\"",
        ],
    );
    let stranger = ann.submit(&new, &with(&rule("x"), &[("notify", "eve@example.com")])).await;
    assert_contains(&stranger, &["href=\"#notify\"", "eve@example.com: must be the verified address"]);

    let created = ann.submit(&new, &rule("memory-low")).await;
    assert_eq!(location(&created), alerts, "{}", created.text);
    let shown = ann.follow(&created).await;
    assert_contains(
        &shown,
        &["The alert rule memory-low is created.", "Memory above 1Mi for 1 min", ">firing<"],
    );
    assert_contains(&in_japanese(&ann, &alerts).await, &["発生中", "メモリ が 1Mi を超える(1 分間)"]);

    let silence = address(&shown.text, "/silence");
    let reason = "<b>deploy</b>";
    let silenced = ann.submit(&silence, &[("minutes", "60"), ("comment", reason)]).await;
    assert_eq!(location(&silenced), alerts, "{}", silenced.text);
    let shown = ann.follow(&silenced).await;
    assert_contains(
        &shown,
        &["is silenced until", "Undo", "&lt;b&gt;deploy&lt;/b&gt;", "End the silence", ">silenced<"],
    );
    let end = address(&shown.text, "/silences/");
    let ended = ann.post(&end, &[("csrf", &value_of(&shown, "csrf"))]).await;
    let shown = ann.follow(&ended).await;
    assert!(
        shown.text.contains("The silence has ended.") && !shown.text.contains("Silences<"),
        "{}",
        shown.text
    );
    let again = ann.post(&end, &[("csrf", &value_of(&shown, "csrf"))]).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    let long = ann.submit(&silence, &[("minutes", "60"), ("comment", &"x".repeat(201))]).await;
    assert_eq!(long.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", long.text);
}

#[tokio::test]
async fn a_rule_is_changed_once_and_deleted() {
    let observed = Observed::new().await;
    let ann = observed.ann().await;
    let alerts = observed.page("alerts");
    let created = ann
        .submit(&observed.page("alert-rules/new"), &with(&rule("memory"), &[("project", &observed.project)]))
        .await;
    let page = address(&ann.follow(&created).await.text, "/alert-rules/");
    let shown = ann.get(&page).await;
    assert_contains(&shown, &["Memory above 1Mi for 1 min", "value=\"1Mi\"", "Change the rule"]);
    assert!(!shown.text.contains("name=\"project\""), "the project of a rule never changes");
    let version = value_of(&shown, "version");
    let changes =
        |threshold| with(&rule("memory"), &[("threshold", threshold), ("notify", ""), ("version", &version)]);

    let preview = with(&changes("1Ti"), &[("intent", "preview")]);
    // The project did not exist before.
    assert_contains(&ann.submit(&page, &preview).await, &["Nothing was measured in the last 24 hours."]);
    let changed = ann.submit(&page, &changes("2Gi")).await;
    assert_contains(&ann.follow(&changed).await, &["The alert rule memory is changed.", "Memory above 2Gi"]);
    let stored =
        observed.app.sign_in("ann").await.client.get(&format!("{}/alert-rules", observed.api())).await;
    assert_eq!(stored["items"][0]["notify"], json!([]));
    assert_eq!(stored["items"][0]["project"], json!(observed.project));

    let outdated = ann.submit(&page, &changes("3Gi")).await;
    assert_eq!(outdated.status, StatusCode::PRECONDITION_FAILED);
    assert_contains(&outdated, &["Memory above 3Gi", "Memory above 2Gi"]);
    let danger = ann.get(&format!("{page}/delete")).await;
    assert_contains(&danger, &["0 recipients are no longer notified"]);
    let current = value_of(&danger, "version");
    let deleted = ann.submit(&format!("{page}/delete"), &[("version", &current)]).await;
    assert_eq!(location(&deleted), alerts, "{}", deleted.text);
    assert_eq!(ann.get(&page).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_project_administrator_has_the_rules_of_the_project_only() {
    let observed = Observed::new().await;
    let ann = observed.app.sign_in("ann").await;
    observed.app.add_member(&ann, &observed.organization, "bob", "member").await;
    let bob = observed.app.sign_in("bob").await.id;
    let api = observed.api();
    let group = ann.client.create(&format!("{api}/groups"), &json!({ "name": "team" })).await;
    let put = axum::http::Method::PUT;
    ann.client.send_ok(put, &format!("{api}/groups/{group}/members/{bob}"), &Value::Null).await;
    let assignments = format!("{api}/projects/{}/role-assignments", observed.project);
    let assignment = json!({ "group_id": group, "role": "hexabase:project-admin" });
    ann.client.create(&assignments, &assignment).await;

    let browser = Browser::sign_in(&observed.app, "bob").await;
    let alerts = browser.get(&observed.page("alerts")).await;
    let new = format!("{}?project={}", observed.page("alert-rules/new"), observed.project);
    assert_contains(&alerts, &["Create an alert rule in:", &format!("href=\"{new}\"")]);
    let everywhere = browser.get(&observed.page("alert-rules/new")).await;
    assert_eq!(everywhere.status, StatusCode::FORBIDDEN);
    let page = browser.get(&new).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let fields = with(&rule("mine"), &[("project", &observed.project), ("notify", "")]);
    let csrf = value_of(&page, "csrf");
    let created = browser.post(&observed.page("alert-rules/new"), &with(&fields, &[("csrf", &csrf)])).await;
    assert_eq!(created.status, StatusCode::SEE_OTHER, "{}", created.text);
    // Nor can the project of the form be left out.
    let wide = with(&rule("wide"), &[("notify", ""), ("csrf", &csrf)]);
    let refused = browser.post(&observed.page("alert-rules/new"), &wide).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    let shown = browser.get(&observed.page("alerts")).await;
    assert!(shown.text.contains("/silence\""), "{}", shown.text);
}

#[tokio::test]
async fn rules_remain_usable_without_a_source_of_alerts() {
    let app =
        TestApp::with_console_and(|builder| builder.with_alerts(Arc::new(failing::FailingAlerts))).await;
    let observed = Observed::with(app).await;
    let ann = observed.ann().await;
    let created = ann.submit(&observed.page("alert-rules/new"), &rule("memory")).await;
    let shown = ann.follow(&created).await;
    assert_contains(&shown, &["No alert rules are evaluated", "Memory above 1Mi", "not known"]);
    let silence = address(&shown.text, "/alert-rules/") + "/silence";
    let refused = ann.submit(&silence, &[("minutes", "60")]).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_contains(&refused, &["There is a problem"]);
}

mod failing {
    use async_trait::async_trait;
    use hexabase_core::alerts::{AlertSource, FiringAlert, NewSilence, Silence, SilenceId};
    use hexabase_core::error::{Error, Result};
    use hexabase_core::id::WorkspaceId;

    /// Source that the installation does not have.
    #[derive(Debug)]
    pub(super) struct FailingAlerts;

    fn error() -> Error {
        Error::unavailable("no Alertmanager").with_code("unsupported")
    }

    #[async_trait]
    impl AlertSource for FailingAlerts {
        async fn alerts(&self, _: WorkspaceId) -> Result<Vec<FiringAlert>> {
            Err(error())
        }

        async fn create_silence(&self, _: WorkspaceId, _: &NewSilence) -> Result<SilenceId> {
            Err(error())
        }

        async fn find_silence(&self, _: WorkspaceId, _: SilenceId) -> Result<Option<Silence>> {
            Err(error())
        }

        async fn silences(&self, _: WorkspaceId) -> Result<Vec<Silence>> {
            Err(error())
        }

        async fn delete_silence(&self, _: WorkspaceId, _: SilenceId) -> Result<()> {
            Err(error())
        }

        fn name(&self) -> &'static str {
            "failing"
        }
    }
}
