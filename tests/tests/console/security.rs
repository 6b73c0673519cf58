//! Sessions, applications with access, linked accounts and security events, with forms only.

use axum::http::{Method, StatusCode};
use hexabase_tests::TestApp;
use hexabase_tests::browser::{browse, cookies, target};
use serde_json::json;

use super::{Browser, Response, location, value_of};

const SESSIONS: &str = "/console/me/sessions";
const SECURITY: &str = "/console/me/security";

/// `true` if the browser is signed in.
async fn is_alive(browser: &Browser<'_>) -> bool {
    browser.get("/console/session").await.status == StatusCode::NO_CONTENT
}

/// Number of forms with an intent or a field on a page.
fn count(page: &Response, part: &str) -> usize {
    page.text.matches(part).count()
}

#[tokio::test]
async fn a_session_is_ended_in_another_browser() {
    let app = TestApp::with_console().await;
    let ann = Browser::sign_in(&app, "ann").await;
    let only = ann.get(SESSIONS).await;
    assert!(only.text.contains("this one") && !only.text.contains("End all other"), "{}", only.text);

    let phone = Browser::sign_in(&app, "ann").await;
    let page = ann.get(SESSIONS).await;
    assert_eq!((count(&page, "name=\"session_id\""), count(&page, "this one")), (1, 1), "{}", page.text);
    let eve = Browser::sign_in(&app, "eve").await;
    let stolen = value_of(&page, "session_id");
    let foreign = eve.submit(SESSIONS, &[("session_id", &stolen)]).await;
    assert_eq!(foreign.status, StatusCode::NOT_FOUND, "{}", foreign.text);
    assert!(is_alive(&phone).await);
    let ended = ann.submit(SESSIONS, &[("session_id", &stolen)]).await;
    assert!(ann.follow(&ended).await.text.contains("The session is ended."));
    assert!(!is_alive(&phone).await && is_alive(&ann).await);

    let others = [Browser::sign_in(&app, "ann").await, Browser::sign_in(&app, "ann").await];
    let ended = ann.submit(SESSIONS, &[("intent", "others")]).await;
    assert!(ann.follow(&ended).await.text.contains("All other sessions are ended."));
    assert!(is_alive(&ann).await && is_alive(&eve).await);
    for other in &others {
        assert!(!is_alive(other).await);
    }
    let events = ann.get(SECURITY).await;
    assert_eq!(count(&events, "A session was ended"), 3, "{}", events.text);
    let japanese = Browser { cookies: format!("{}; hexabase_preferences=ja.", ann.cookies), ..ann.clone() };
    assert!(japanese.get(SECURITY).await.text.contains("セッションが終了しました"));
}

#[tokio::test]
async fn an_account_is_linked_and_unlinked() {
    let app = TestApp::with_console().await;
    let ann = Browser::sign_in(&app, "ann").await;
    let page = ann.get(SECURITY).await;
    assert!(page.text.contains("ann@example.com") && count(&page, "value=\"unlink\"") == 0, "{}", page.text);
    let provider = value_of(&page, "provider");
    let last = ann
        .submit(
            SECURITY,
            &[("intent", "unlink"), ("provider", &provider), ("subject", &subject_of(&app).await)],
        )
        .await;
    assert_eq!(last.status, StatusCode::CONFLICT, "{}", last.text);
    assert!(last.text.contains("Link another one first"), "{}", last.text);

    // The page leads to the provider by itself: browsers would apply the policy of forms to a redirect.
    let started = ann.submit(SECURITY, &[("intent", "link"), ("provider", &provider)]).await;
    assert_eq!(started.status, StatusCode::OK, "{}", started.text);
    let (_, rest) = started.text.split_once("content=\"0;url=").unwrap();
    let url = rest.split('"').next().unwrap().replace("&amp;", "&");
    let url = url.strip_prefix("https://hexabase.example").unwrap_or(&url).to_owned();
    let approved = browse(&app, Method::POST, &url, "", "email=ann%40work.example&name=ann").await;
    let with_binding = format!("{}; {}", ann.cookies, cookies(&started));
    let linked = browse(&app, Method::GET, &target(&approved), &with_binding, "").await;
    assert_eq!(location(&linked), SECURITY, "{}", linked.text);

    let page = ann.get(SECURITY).await;
    assert!(page.text.contains("ann@work.example") && count(&page, "value=\"unlink\"") == 2, "{}", page.text);
    let work = value_of(&page, "subject");
    let unlinked =
        ann.submit(SECURITY, &[("intent", "unlink"), ("provider", &provider), ("subject", &work)]).await;
    let shown = ann.follow(&unlinked).await;
    assert!(shown.text.contains("The account is unlinked."), "{}", shown.text);
    assert_eq!(count(&shown, "value=\"unlink\""), 0);
    for event in
        ["A sign-in account was linked", "A sign-in account was unlinked", "Your account was created"]
    {
        assert!(shown.text.contains(event), "{event}: {}", shown.text);
    }
}

#[tokio::test]
async fn an_application_with_access_is_listed_until_its_access_is_revoked() {
    let app = TestApp::with_console().await;
    let user = app.sign_in("ann").await;
    let org = app.create_organization(&user, "acme").await;
    let ann = Browser::sign_in(&app, "ann").await;
    let overview = format!("/console/orgs/{org}");
    let start = ann.get(&overview).await;
    assert!(start.text.contains("Create the first workspace") && !start.text.contains("Connect kubectl"));
    let body = json!({ "name": "shop", "plan_id": "team" });
    let ws = user.client.create(&format!("/api/v1/organizations/{org}/workspaces"), &body).await;
    let page = ann.get(&overview).await;
    assert!(
        page.text.contains(&format!("href=\"/console/orgs/{org}/workspaces/{ws}/connect\"")),
        "{}",
        page.text
    );
    assert!(page.text.contains("Invite the people") && !page.text.contains("Create the first workspace"));
    assert!(ann.get(SESSIONS).await.text.contains("You have allowed no application"));

    // The command line signs in on a device.
    let form = "client_id=hexabase&scope=openid%20offline_access";
    let started = browse(&app, Method::POST, "/oauth2/device_authorization", "", form).await;
    let code = started.body["user_code"].as_str().unwrap().to_owned();
    let device = ann.get(&format!("/oauth2/device?user_code={code}")).await;
    let allow = [("user_code", code.as_str()), ("csrf", &value_of(&device, "csrf")), ("decision", "allow")];
    let allowed = ann.post("/oauth2/device", &allow).await;
    assert_eq!(allowed.status, StatusCode::OK, "{}", allowed.text);
    let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code";
    let device_code = started.body["device_code"].as_str().unwrap();
    let form = format!("client_id=hexabase&grant_type={grant}&device_code={device_code}");
    let tokens = browse(&app, Method::POST, "/oauth2/token", "", &form).await;
    assert_eq!(tokens.status, StatusCode::OK, "{}", tokens.text);

    let sessions = ann.get(SESSIONS).await;
    for part in ["the Hexabase command line", "keep this access until you end its session"] {
        assert!(sessions.text.contains(part), "{part}: {}", sessions.text);
    }
    assert!(!ann.get(&overview).await.text.contains("Connect kubectl"), "the step is done");
    let (_, applications) = sessions.text.split_once("Applications with access").unwrap();
    let (_, rest) = applications.split_once("name=\"session_id\" value=\"").unwrap();
    let session = rest.split('"').next().unwrap();
    let revoked = ann.submit(SESSIONS, &[("session_id", session)]).await;
    assert_eq!(revoked.status, StatusCode::SEE_OTHER, "{}", revoked.text);
    assert!(ann.get(SESSIONS).await.text.contains("You have allowed no application"));
    let client = app.anonymous().with_bearer(tokens.body["access_token"].as_str().unwrap());
    let rejected = client.send(Method::GET, "/auth/me", &json!(null)).await;
    assert_eq!(rejected.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_profile_changes_the_name_and_returns_from_the_preferences() {
    let app = TestApp::with_console().await;
    let ann = Browser::sign_in(&app, "ann").await;
    let profile = "/console/me";
    let page = ann.get(profile).await;
    let version = value_of(&page, "version");
    let rejected = ann.submit(profile, &[("display_name", ""), ("version", &version)]).await;
    assert_eq!(rejected.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", rejected.text);
    assert!(rejected.text.contains("href=\"#display_name\""), "{}", rejected.text);
    let changed = ann.submit(profile, &[("display_name", "<Ann> ①"), ("version", &version)]).await;
    let shown = ann.follow(&changed).await;
    assert!(shown.text.contains("value=\"&lt;Ann&gt; ①\"") && shown.text.contains("Undo"), "{}", shown.text);
    let outdated = ann.submit(profile, &[("display_name", "Anna"), ("version", &version)]).await;
    assert_eq!(outdated.status, StatusCode::PRECONDITION_FAILED, "{}", outdated.text);
    assert!(outdated.text.contains("&lt;Ann&gt; ①") && outdated.text.contains("Anna"), "{}", outdated.text);

    let set =
        ann.post("/console/preferences", &[("language", "ja"), ("theme", ""), ("from", "profile")]).await;
    assert_eq!(location(&set), profile);
    let japanese = Browser { cookies: format!("{}; {}", ann.cookies, cookies(&set)), ..ann.clone() };
    assert!(japanese.get(profile).await.text.contains("プロフィール"));
    let user = app.sign_in("ann").await;
    let body = json!({ "name": "ci", "scopes": ["all"] });
    let created = user.client.send_ok(Method::POST, "/api/v1/me/tokens", &body).await;
    let token = app.anonymous().with_bearer(created["secret"].as_str().unwrap());
    let refused = token.send(Method::PATCH, "/auth/me", &json!({ "name": "Eve" })).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
}

/// Returns the subject of the only account of the user ann.
async fn subject_of(app: &TestApp) -> String {
    let user = app.sign_in("ann").await.id.parse().unwrap();
    app.platform.users().identities(user).await.unwrap()[0].subject.clone()
}
