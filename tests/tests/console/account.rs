//! API tokens of users and of service accounts, with forms only.

use axum::http::StatusCode;
use hexabase_tests::{Client, TestApp};
use serde_json::Value;

use super::{Browser, Response, location, value_of};

/// Fields of a new token.
const TOKEN: [(&str, &str); 3] =
    [("name", "<CI> & more"), ("scopes", "organizations:read"), ("lifetime", "30")];

/// Returns the secret on the page of a new token.
fn secret(page: &Response) -> String {
    let start = page.text.find("hxb_").unwrap();
    page.text[start..].split('<').next().unwrap().to_owned()
}

/// Status of a request with a token.
async fn status_with(app: &TestApp, token: &str) -> StatusCode {
    let client: Client = app.anonymous().with_bearer(token);
    client.send(axum::http::Method::GET, "/api/v1/organizations", &Value::Null).await.status
}

#[tokio::test]
async fn a_token_is_shown_once_works_and_is_revoked() {
    let app = TestApp::with_console().await;
    let ann = Browser::sign_in(&app, "ann").await;
    let empty = ann.get("/console/me/tokens").await;
    assert!(empty.text.contains("You have no API tokens"), "{}", empty.text);

    let form = ann.get("/console/me/tokens/new").await;
    let (csrf, key) = (value_of(&form, "csrf"), value_of(&form, "idempotency_key"));
    let fields = [&[("csrf", csrf.as_str()), ("idempotency_key", &key)], &TOKEN[..]].concat();
    let created = ann.post("/console/me/tokens/new", &fields).await;
    assert_eq!(created.status, StatusCode::OK, "{}", created.text);
    assert_eq!(created.headers["cache-control"], "no-store");
    for part in ["API token &lt;CI&gt; &amp; more", "Copy the secret now", "secrets.HEXABASE_TOKEN"] {
        assert!(created.text.contains(part), "{part}: {}", created.text);
    }
    assert!(!created.text.contains("token-exchange"), "the scopes do not reach clusters: {}", created.text);
    let token = secret(&created);
    assert_eq!(status_with(&app, &token).await, StatusCode::OK);

    // The form that is sent again creates no other token, and the secret is nowhere any more.
    let again = ann.post("/console/me/tokens/new", &fields).await;
    assert!(again.text.contains("The secret is not shown again"), "{}", again.text);
    let list = ann.get("/console/me/tokens").await;
    for page in [&again, &list] {
        assert!(!page.text.contains("hxb_"), "{}", page.text);
    }
    for part in ["&lt;CI&gt; &amp; more", "see organizations and members"] {
        assert_eq!(list.text.matches(part).count(), 1 + usize::from(part.contains("CI")), "{}", list.text);
    }
    let id = value_of(&list, "token_id");
    let eve = Browser::sign_in(&app, "eve").await;
    let csrf_of_eve = value_of(&eve.get("/console/me/tokens/new").await, "csrf");
    let foreign = eve.post("/console/me/tokens", &[("csrf", &csrf_of_eve), ("token_id", &id)]).await;
    assert_eq!(foreign.status, StatusCode::NOT_FOUND, "{}", foreign.text);
    assert_eq!(status_with(&app, &token).await, StatusCode::OK);

    let revoked = ann.post("/console/me/tokens", &[("csrf", &csrf), ("token_id", &id)]).await;
    assert!(ann.follow(&revoked).await.text.contains("The token is revoked."));
    assert_eq!(status_with(&app, &token).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_without_scopes_name_or_expiry_is_rejected_and_entries_are_kept() {
    let app = TestApp::with_console().await;
    let ann = Browser::sign_in(&app, "ann").await;
    let new = "/console/me/tokens/new";
    let fields = [("name", ""), ("scopes", "billing:read"), ("lifetime", "custom"), ("custom_days", "400")];
    let rejected = ann.submit(new, &fields).await;
    assert_eq!(rejected.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", rejected.text);
    for part in [
        "href=\"#name\"",
        "href=\"#custom_days\"",
        "value=\"billing:read\" checked",
        "value=\"custom\" checked",
        "value=\"400\"",
        "1 to 365 days",
    ] {
        assert!(rejected.text.contains(part), "{part}: {}", rejected.text);
    }
    let bare = ann.submit(new, &[("name", "ci")]).await;
    for part in ["href=\"#scopes\"", "id=\"scopes-error\"", "href=\"#lifetime\""] {
        assert!(bare.text.contains(part), "{part}: {}", bare.text);
    }
    let japanese = Browser { cookies: format!("{}; hexabase_preferences=ja.", ann.cookies), ..ann.clone() };
    let page = japanese.get(new).await;
    assert!(page.text.contains("ワークスペースの作成、変更、停止、削除"), "{}", page.text);
}

#[tokio::test]
async fn a_service_account_has_tokens_of_its_own() {
    let app = TestApp::with_console().await;
    let ann = Browser::sign_in(&app, "ann").await;
    let user = app.sign_in("ann").await;
    let org = app.create_organization(&user, "acme").await;
    let accounts = format!("/console/orgs/{org}/service-accounts");
    let empty = ann.get(&accounts).await;
    assert!(empty.text.contains("There are no service accounts"), "{}", empty.text);
    let rejected = ann.submit(&format!("{accounts}/new"), &[("name", "-"), ("role", "owner")]).await;
    assert_eq!(rejected.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", rejected.text);
    let created = ann.submit(&format!("{accounts}/new"), &[("name", "ci"), ("role", "member")]).await;
    let account = location(&created);
    assert!(ann.follow(&created).await.text.contains("The service account ci is created."));
    assert!(ann.get(&accounts).await.text.contains(&format!("href=\"{account}\"")));

    let shown = ann.submit(&format!("{account}/tokens/new"), &TOKEN).await;
    let token = secret(&shown);
    assert_eq!(status_with(&app, &token).await, StatusCode::OK);
    let page = ann.get(&account).await;
    assert!(!page.text.contains("hxb_") && page.text.contains("&lt;CI&gt;"), "{}", page.text);
    let fields = [("csrf", value_of(&page, "csrf")), ("token_id", value_of(&page, "token_id"))];
    let revoked = ann.post(&account, &fields.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
    assert!(ann.follow(&revoked).await.text.contains("The token is revoked."));
    assert_eq!(status_with(&app, &token).await, StatusCode::UNAUTHORIZED);

    let other = secret(&ann.submit(&format!("{account}/tokens/new"), &TOKEN).await);
    let mistyped = ann.submit(&format!("{account}/delete"), &[("confirm_name", "cj")]).await;
    assert_eq!(mistyped.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", mistyped.text);
    let deleted = ann.submit(&format!("{account}/delete"), &[("confirm_name", "ci")]).await;
    assert_eq!(location(&deleted), accounts, "{}", deleted.text);
    assert_eq!(status_with(&app, &other).await, StatusCode::UNAUTHORIZED);
    assert_eq!(ann.get(&account).await.status, StatusCode::NOT_FOUND);
}
