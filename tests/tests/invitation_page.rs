//! The page that the mail of an invitation links to, in a browser.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use axum::http::header::LOCATION;
use axum::http::{Method, StatusCode};
use hexabase_tests::browser::{browse, cookies, input, send_form, start_sign_in, target};
use hexabase_tests::{TestApp, TestUser};
use serde_json::json;

const PAGE: &str = "/invitations";

/// Platform on which Ann has invited Bob to an organization.
struct Setup {
    app: TestApp,
    ann: TestUser,
    organization: String,
    token: String,
}

impl Setup {
    async fn new() -> Self {
        let app = TestApp::new().await;
        let ann = app.sign_in("ann").await;
        let organization = app.create_organization(&ann, "acme").await;
        let path = format!("/api/v1/organizations/{organization}/invitations");
        ann.client.create(&path, &json!({ "email": "bob@example.com", "role": "member" })).await;
        app.run_worker().await;
        let token = app.mails.token_for("bob@example.com").unwrap();
        Self { app, ann, organization, token }
    }

    /// Signs a user in with a browser. Returns the cookies of the session.
    async fn sign_in(&self, name: &str) -> String {
        let (login, callback) = start_sign_in(&self.app, name, PAGE).await;
        let done = browse(&self.app, Method::GET, &callback, &login, "").await;
        assert_eq!((done.status, target(&done).as_str()), (StatusCode::FOUND, PAGE), "{}", done.text);
        cookies(&done)
    }

    /// Number of members of the organization.
    async fn members(&self) -> usize {
        let path = format!("/api/v1/organizations/{}/members", self.organization);
        self.ann.client.get(&path).await["items"].as_array().unwrap().len()
    }
}

#[tokio::test]
async fn an_invited_user_joins_with_the_token_on_the_page() {
    let setup = Setup::new().await;
    let session = setup.sign_in("bob").await;
    let page = browse(&setup.app, Method::GET, PAGE, &session, "").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.text.contains("bob@example.com"), "{}", page.text);
    assert_eq!(page.headers["referrer-policy"], "no-referrer");
    // The script fills in the token of the link. Without scripts the user pastes it, as here.
    assert!(page.text.contains("location.hash"), "{}", page.text);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("script-src 'sha256-") && !policy.contains("script-src 'unsafe"), "{policy}");
    // Pasted text has spaces around it.
    let pasted = format!("+{}+", setup.token);
    let fields = [("csrf", input(&page, "csrf")), ("token", &pasted)];
    let joined = send_form(&setup.app, PAGE, &session, &fields).await;
    assert_eq!(joined.status, StatusCode::OK, "{}", joined.text);
    assert!(joined.text.contains("acme") && !joined.text.contains(&setup.token), "{}", joined.text);
    assert_eq!(setup.members().await, 2);
}

#[tokio::test]
async fn a_form_of_another_site_or_session_accepts_nothing() {
    let setup = Setup::new().await;
    let session = setup.sign_in("bob").await;
    for csrf in ["", "forged"] {
        let fields = [("csrf", csrf), ("token", &setup.token)];
        let again = send_form(&setup.app, PAGE, &session, &fields).await;
        assert_eq!(again.status, StatusCode::OK, "{}", again.text);
        assert!(!input(&again, "csrf").is_empty() && !again.text.contains(&setup.token), "{}", again.text);
        assert_eq!(setup.members().await, 1);
    }
}

#[tokio::test]
async fn a_wrong_token_or_user_receives_an_error_page_without_the_token() {
    let setup = Setup::new().await;
    for (name, token) in [("bob", "hxi_forged"), ("bob", ""), ("eve", &setup.token)] {
        let session = setup.sign_in(name).await;
        let page = browse(&setup.app, Method::GET, PAGE, &session, "").await;
        let fields = [("csrf", input(&page, "csrf")), ("token", token)];
        let rejected = send_form(&setup.app, PAGE, &session, &fields).await;
        assert_eq!(rejected.status, StatusCode::NOT_FOUND, "{name}: {}", rejected.text);
        assert!(rejected.headers["content-type"].to_str().unwrap().starts_with("text/html"));
        assert!(token.is_empty() || !rejected.text.contains(token), "{}", rejected.text);
    }
    let json = browse(&setup.app, Method::POST, PAGE, &setup.sign_in("bob").await, "{}").await;
    assert_eq!(json.status, StatusCode::BAD_REQUEST, "{}", json.text);
    assert_eq!(setup.members().await, 1);
}

#[tokio::test]
async fn a_signed_out_user_is_not_redirected_since_the_fragment_would_follow() {
    let setup = Setup::new().await;
    let body = format!("token={}", setup.token);
    for (method, body) in [(Method::GET, ""), (Method::POST, body.as_str())] {
        let page = browse(&setup.app, method, PAGE, "", body).await;
        assert_eq!((page.status, page.headers.get(LOCATION)), (StatusCode::OK, None), "{}", page.text);
        assert!(page.text.contains("/auth/login/dev?return_to=%2Finvitations"), "{}", page.text);
        assert!(!page.text.contains(&setup.token), "{}", page.text);
    }
    assert_eq!(setup.members().await, 1);
}
