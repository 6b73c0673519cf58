//! Actions that require a recent sign-in: tokens that permit changes, deletion of organizations, and rotation of keys.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use hexabase_core::clock::ManualClock;
use hexabase_core::fixture::FIXTURE_TIME;
use hexabase_tests::TestApp;
use hexabase_tests::browser::cookies;
use serde_json::{Value, json};

use super::{Browser, location};

const MORE_THAN_TEN_MINUTES: Duration = Duration::from_secs(601);

async fn app() -> (TestApp, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(FIXTURE_TIME));
    let app = TestApp::with_console_and(|builder| builder.with_clock(clock.clone())).await;
    (app, clock)
}

fn token(scope: &str) -> [(&str, &str); 3] {
    [("name", "ci"), ("scopes", scope), ("lifetime", "7")]
}

#[tokio::test]
async fn a_token_that_permits_changes_requires_a_recent_sign_in() {
    let (app, clock) = app().await;
    let user = app.sign_in("ann").await;
    let org = app.create_organization(&user, "acme").await;
    let account = json!({ "name": "robot", "role": "member" });
    let path = format!("/api/v1/organizations/{org}/service-accounts");
    let account = user.client.create(&path, &account).await;
    let of_account = format!("/console/orgs/{org}/service-accounts/{account}/tokens/new");
    for form in ["/console/me/tokens/new", of_account.as_str()] {
        let ann = Browser::sign_in(&app, "ann").await;
        for scope in ["workspaces:write", "all", "clusters:access"] {
            let created = ann.submit(form, &token(scope)).await;
            assert_eq!(created.status, StatusCode::OK, "{scope}: {}", created.text);
        }
        clock.advance(MORE_THAN_TEN_MINUTES);
        let reading = ann.submit(form, &token("workspaces:read")).await;
        assert_eq!(reading.status, StatusCode::OK, "{}", reading.text);
        for scope in ["workspaces:write", "all", "clusters:access"] {
            let refused = ann.submit(form, &token(scope)).await;
            assert_eq!(refused.status, StatusCode::CONFLICT, "{scope}: {}", refused.text);
            assert!(!refused.text.contains("hxb_"), "{}", refused.text);
        }
        // The user signs in again, returns to the form, and finds the entries.
        let refused = ann.submit(form, &token("billing:write")).await;
        let link = format!("return_to={}", form.replace('/', "%2F"));
        assert!(refused.text.contains(&link) && refused.text.contains("prompt=login"), "{}", refused.text);
        let again = Browser::sign_in(&app, "ann").await;
        let again = Browser { cookies: format!("{}; {}", again.cookies, cookies(&refused)), ..again };
        let shown = again.get(form).await;
        assert!(shown.text.contains("value=\"ci\""), "{}", shown.text);
        let chosen = shown.text.split("value=\"billing:write\"").nth(1).unwrap().split('>').next().unwrap();
        assert!(chosen.contains("checked"), "{chosen}");
        let created = again.submit(form, &token("billing:write")).await;
        assert_eq!(created.status, StatusCode::OK, "{}", created.text);
    }
}

#[tokio::test]
async fn the_deletion_of_an_organization_requires_a_recent_sign_in() {
    let (app, clock) = app().await;
    let user = app.sign_in("ann").await;
    let org = app.create_organization(&user, "acme").await;
    let path = format!("/console/orgs/{org}/delete");
    let ann = Browser::sign_in(&app, "ann").await;
    let opened = super::value_of(&ann.get(&path).await, "csrf");
    clock.advance(MORE_THAN_TEN_MINUTES);
    let late = ann.get(&path).await;
    assert!(
        late.text.contains("Sign in again") && !late.text.contains("name=\"confirm_name\""),
        "{}",
        late.text
    );
    let refused = ann.post(&path, &[("csrf", &opened), ("confirm_name", "acme")]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    let again = Browser::sign_in(&app, "ann").await;
    let deleted = again.submit(&path, &[("confirm_name", "acme")]).await;
    assert_eq!(location(&deleted), "/console/orgs");
}

#[tokio::test]
async fn the_rotation_of_keys_requires_a_recent_sign_in_in_the_page_and_in_the_api() {
    let (app, clock) = app().await;
    let (operator, browser) = (app.sign_in("operator").await, Browser::sign_in(&app, "operator").await);
    let rotate = "/api/v1/admin/keys/rotate";
    let created = operator.client.send(Method::POST, rotate, &Value::Null).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text);
    let opened = super::value_of(&browser.get("/console/admin/keys").await, "csrf");
    clock.advance(MORE_THAN_TEN_MINUTES);
    let late = operator.client.send(Method::POST, rotate, &Value::Null).await;
    assert_eq!(late.status, StatusCode::CONFLICT, "{}", late.text);
    assert_eq!(late.body["code"], "reauthentication_required");
    let refused = browser.post("/console/admin/keys", &[("csrf", &opened), ("intent", "rotate")]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
}
