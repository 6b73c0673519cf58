//! Forms: tokens and origins, kept entries, versions, idempotency, and hostile names.

use axum::http::{Method, StatusCode};
use hexabase_tests::{Response, TestApp};
use serde_json::json;

use super::{Browser, location, value_of};

/// Number of organizations of a user.
async fn organizations(app: &TestApp, name: &str) -> usize {
    let user = app.sign_in(name).await;
    user.client.get("/api/v1/organizations").await["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_form_counts_with_its_token_from_a_page_of_this_server_only() {
    let app = TestApp::with_console().await;
    let (ann, eve) = (Browser::sign_in(&app, "ann").await, Browser::sign_in(&app, "eve").await);
    let token = value_of(&ann.get("/console/orgs/new").await, "csrf");
    let foreign = value_of(&eve.get("/console/orgs/new").await, "csrf");
    let path = "/console/orgs/new";
    for (site, csrf) in [
        ("same-origin", ""),
        ("same-origin", "wrong"),
        ("same-origin", foreign.as_str()),
        ("same-site", token.as_str()),
        ("cross-site", token.as_str()),
    ] {
        let fields = [("csrf", csrf), ("name", "acme"), ("display_name", "Acme")];
        let rejected = ann.post_from(site, path, &fields).await;
        assert_eq!(rejected.status, StatusCode::FORBIDDEN, "{site} {csrf}: {}", rejected.text);
        assert!(rejected.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    }
    assert_eq!(organizations(&app, "ann").await, 1);
    let fields = [("csrf", token.as_str()), ("name", "acme"), ("display_name", "Acme")];
    let created = ann.post(path, &fields).await;
    assert_eq!(created.status, StatusCode::SEE_OTHER, "{}", created.text);
    assert_eq!(organizations(&app, "ann").await, 2);
}

#[tokio::test]
async fn rejected_entries_are_kept_beside_their_errors() {
    let app = TestApp::with_console().await;
    let ann = Browser::sign_in(&app, "ann").await;
    let rejected = ann.submit("/console/orgs/new", &[("name", "-"), ("display_name", "<Acme>")]).await;
    assert_eq!(rejected.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(value_of(&rejected, "csrf").split('.').count(), 2);
    for part in
        ["value=\"-\"", "value=\"&lt;Acme&gt;\"", "<title>Error: ", "href=\"#name\"", "id=\"name-error\""]
    {
        assert!(rejected.text.contains(part), "{part}: {}", rejected.text);
    }
}

#[tokio::test]
async fn a_form_that_is_sent_twice_has_one_effect() {
    let app = TestApp::with_console().await;
    let ann = Browser::sign_in(&app, "ann").await;
    let page = ann.get("/console/orgs/new").await;
    let (csrf, key) = (value_of(&page, "csrf"), value_of(&page, "idempotency_key"));
    let fields =
        [("csrf", csrf.as_str()), ("idempotency_key", &key), ("name", "acme"), ("display_name", "Acme")];
    let first = ann.post("/console/orgs/new", &fields).await;
    let second = ann.post("/console/orgs/new", &fields).await;
    assert_eq!((first.status, location(&first)), (second.status, location(&second)));
    assert_eq!(organizations(&app, "ann").await, 2);
}

#[tokio::test]
async fn an_outdated_form_overwrites_nothing_until_the_user_decides() {
    let app = TestApp::with_console().await;
    let user = app.sign_in("ann").await;
    let org = app.create_organization(&user, "acme").await;
    let ann = Browser::sign_in(&app, "ann").await;
    let path = format!("/console/orgs/{org}/settings");
    let page = ann.get(&path).await;
    let (csrf, version) = (value_of(&page, "csrf"), settings_version(&page.text));
    let api = format!("/api/v1/organizations/{org}");
    let bob = app.add_member(&user, &org, "bob", "admin").await;
    bob.client.send_ok(Method::PATCH, &api, &json!({ "display_name": "Theirs" })).await;

    let fields =
        |version| [("csrf", csrf.clone()), ("version", version), ("display_name", "Mine".to_owned())];
    let as_text = |fields: &[(&'static str, String); 3]| fields.clone();
    let mine = as_text(&fields(version));
    let conflict = ann.post(&path, &mine.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
    assert_eq!(conflict.status, StatusCode::PRECONDITION_FAILED, "{}", conflict.text);
    for part in ["Mine", "Theirs", "bob@example.com"] {
        assert!(conflict.text.contains(part), "{part}: {}", conflict.text);
    }
    assert_eq!(user.client.get(&api).await["display_name"], "Theirs");

    let again = as_text(&fields(settings_version(&conflict.text)));
    let applied = ann.post(&path, &again.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
    assert_eq!(applied.status, StatusCode::SEE_OTHER, "{}", applied.text);
    assert_eq!(user.client.get(&api).await["display_name"], "Mine");

    // The message offers to undo the change.
    let shown = ann.follow(&applied).await;
    assert!(shown.text.contains("Undo"), "{}", shown.text);
    assert!(shown.text.contains("name=\"display_name\" value=\"Theirs\""), "{}", shown.text);
}

/// The version of an organization or a workspace is also that of everything in it.
#[tokio::test]
async fn changes_of_something_else_are_no_conflict_of_settings() {
    let app = TestApp::with_console().await;
    let user = app.sign_in("ann").await;
    let org = app.create_organization(&user, "acme").await;
    let ann = Browser::sign_in(&app, "ann").await;
    let api = format!("/api/v1/organizations/{org}");
    let settings = format!("/console/orgs/{org}/settings");
    let opened = ann.get(&settings).await;
    let new = json!({ "name": "shop", "plan_id": "team" });
    let ws = user.client.create(&format!("{api}/workspaces"), &new).await;
    save_opened(&ann, &settings, &opened).await;

    let settings = format!("/console/orgs/{org}/workspaces/{ws}/settings");
    let opened = ann.get(&settings).await;
    app.wait_until_ready(&user.client, &format!("{api}/workspaces/{ws}")).await;
    user.client.create(&format!("{api}/workspaces/{ws}/groups"), &json!({ "name": "team" })).await;
    save_opened(&ann, &settings, &opened).await;
}

/// Sends the form of settings that was opened before.
async fn save_opened(browser: &Browser<'_>, settings: &str, opened: &Response) {
    let (csrf, version) = (value_of(opened, "csrf"), value_of(opened, "version"));
    let saved =
        browser.post(settings, &[("csrf", &csrf), ("version", &version), ("display_name", "Mine")]).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
}

/// Version in a form of the settings.
fn settings_version(page: &str) -> String {
    page.split_once("name=\"version\" value=\"").unwrap().1.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn hostile_names_are_text() {
    let app = TestApp::with_console().await;
    let user = app.sign_in("ann").await;
    let ann = Browser::sign_in(&app, "ann").await;
    for (slug, name) in [
        ("markup", "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"),
        ("template", "{{7*7}} {$name} &amp; %3Cscript%3E"),
        ("emoji", "🦊 ünïcödé 日本語"),
    ] {
        let body = json!({ "name": slug, "display_name": name });
        let org = user.client.create("/api/v1/organizations", &body).await;
        for path in [
            "",
            "/settings",
            "/members",
            "/members/invite",
            "/workspaces",
            "/workspaces/new",
            "/delete",
            "/billing",
            "/billing/plans",
            "/billing/plans/team",
            "/billing/methods",
            "/billing/invoices",
            "/billing/usage?month=%3Cimg%3E&meter=%27%22%3E%3Cimg%3E&day=%3Cscript%3Ealert(1)",
            "/billing/budget",
            "/billing/leave",
        ] {
            let page = ann.get(&format!("/console/orgs/{org}{path}")).await;
            assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text);
            for harmful in ["<script>alert", "<img", "onerror=alert(2)>\""] {
                assert!(!page.text.contains(harmful), "{path}: {}", page.text);
            }
        }
        let list = ann.get("/console/orgs").await;
        assert!(!list.text.contains("<script>alert"), "{}", list.text);
    }
}
