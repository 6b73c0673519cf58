//! Conventions of the HTTP API, each tested with one operation.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{Method, Request, StatusCode};
use hexabase_api::ApiConfig;
use hexabase_core::ephemeral::Rate;
use hexabase_core::platform::PlatformConfig;
use hexabase_tests::browser::{browse, cookies, input, send_form, start_sign_in, target};
use hexabase_tests::{Client, Response, TestApp, TestUser};
use http_body_util::BodyExt as _;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// Maximum wait for an event that is available already.
const FRAME_TIMEOUT: Duration = Duration::from_secs(10);

async fn ann() -> (TestApp, TestUser) {
    let app = TestApp::new().await;
    let ann = app.sign_in("ann").await;
    (app, ann)
}

fn acme() -> Value {
    json!({ "name": "acme", "display_name": "Acme" })
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

#[tokio::test]
async fn the_location_of_a_created_object_returns_it() {
    let (_app, ann) = ann().await;
    let created = ann.client.send(Method::POST, "/api/v1/organizations", &acme()).await;
    assert_eq!(created.status, StatusCode::CREATED);
    let found = ann.client.send(Method::GET, header(&created, "location"), &Value::Null).await;
    assert_eq!((found.status, &found.body), (StatusCode::OK, &created.body));
    assert_eq!(header(&found, "etag"), header(&created, "etag"));
    assert_eq!(header(&found, "etag"), format!("\"{}\"", found.body["version"]));
}

#[tokio::test]
async fn a_repeated_post_receives_the_first_response() {
    let (app, ann) = ann().await;
    let keyed = ann.client.clone().with_header("idempotency-key", "order-1");
    let first = keyed.send(Method::POST, "/api/v1/organizations", &acme()).await;
    let second = keyed.send(Method::POST, "/api/v1/organizations", &acme()).await;
    assert_eq!((second.status, &second.body), (first.status, &first.body));
    assert_eq!(
        (header(&first, "idempotency-replayed"), header(&second, "idempotency-replayed")),
        ("", "true")
    );

    let another = json!({ "name": "other", "display_name": "Other" });
    let mismatch = keyed.send(Method::POST, "/api/v1/organizations", &another).await;
    assert_eq!(mismatch.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(mismatch.body["code"], "idempotency_mismatch");

    // Each user has separate idempotency keys.
    let bob = app.sign_in("bob").await.client.with_header("idempotency-key", "order-1");
    let theirs = bob.send(Method::POST, "/api/v1/organizations", &another).await;
    assert_eq!(theirs.status, StatusCode::CREATED, "{}", theirs.text);
}

#[tokio::test]
async fn a_stale_version_changes_nothing() {
    let (app, ann) = ann().await;
    let path = format!("/api/v1/organizations/{}", app.create_organization(&ann, "acme").await);
    let tag = header(&ann.client.send(Method::GET, &path, &Value::Null).await, "etag").to_owned();
    let rename = json!({ "display_name": "Renamed" });
    let conditional = ann.client.clone().with_header("if-match", &tag);
    let renamed = conditional.send(Method::PATCH, &path, &rename).await;
    assert_eq!(renamed.status, StatusCode::OK);
    assert_ne!(header(&renamed, "etag"), tag);
    for (method, body) in [(Method::PATCH, &rename), (Method::DELETE, &Value::Null)] {
        let stale = conditional.send(method, &path, body).await;
        assert_eq!(
            (stale.status, &stale.body["code"]),
            (StatusCode::PRECONDITION_FAILED, &json!("precondition_failed"))
        );
    }
    assert_eq!(ann.client.get(&path).await["display_name"], "Renamed");
}

#[tokio::test]
async fn pages_contain_every_item_once_and_in_order() {
    let (app, ann) = ann().await;
    let org = app.create_organization(&ann, "acme").await;
    let ws = format!("/api/v1/organizations/{org}/workspaces");
    let ws = format!("{ws}/{}", ann.client.create(&ws, &json!({ "name": "shop", "plan_id": "team" })).await);
    let groups = format!("{ws}/groups");
    for index in 0..7 {
        ann.client.create(&groups, &json!({ "name": format!("group-{index}") })).await;
    }
    let ids = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    let all_ids = ids(&ann.client.get(&groups).await);
    for limit in [1, 2, 3, 50] {
        let (mut collected, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = ann.client.get(&format!("{groups}?limit={limit}{cursor}")).await;
            collected.extend(ids(&page));
            assert!(page["items"].as_array().unwrap().len() <= limit);
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(collected, all_ids, "in pages of {limit}");
    }
    assert_eq!(all_ids.iter().collect::<BTreeSet<_>>().len(), all_ids.len());
    for limit in ["0", "201", "-1", "many"] {
        let rejected = ann.client.send(Method::GET, &format!("{groups}?limit={limit}"), &Value::Null).await;
        assert!(rejected.status.is_client_error(), "{limit}: {}", rejected.status);
    }
}

#[tokio::test]
async fn a_repeated_delete_returns_the_running_task() {
    let (app, ann) = ann().await;
    let org = app.create_organization(&ann, "acme").await;
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let id = ann.client.create(&workspaces, &json!({ "name": "shop", "plan_id": "team" })).await;
    let path = format!("{workspaces}/{id}");
    let first = ann.client.send(Method::DELETE, &path, &Value::Null).await;
    let second = ann.client.send(Method::DELETE, &path, &Value::Null).await;
    assert_eq!((first.status, second.status), (StatusCode::ACCEPTED, StatusCode::ACCEPTED));
    assert!(first.body["task_id"].is_string());
    assert_eq!(first.body["task_id"], second.body["task_id"]);
    assert_eq!(first.body["version"], second.body["version"]);
}

#[tokio::test]
async fn a_change_without_effect_writes_no_audit_event() {
    let (app, ann) = ann().await;
    let params = app.create_full_organization(&ann, "acme").await;
    let log = params.path("/api/v1/organizations/{org}/audit-events?limit=1");
    let newest = ann.client.get(&log).await["items"].take();
    let w = "/api/v1/organizations/{org}/workspaces/{ws}";
    for (method, path, field, body) in [
        (Method::PATCH, "/api/v1/organizations/{org}".to_owned(), "display_name", Value::Null),
        (
            Method::PUT,
            "/api/v1/organizations/{org}/members/{user}".to_owned(),
            "",
            json!({ "role": "member" }),
        ),
        (Method::PATCH, w.to_owned(), "plan_id", Value::Null),
        (Method::PATCH, format!("{w}/groups/{{grp}}"), "name", Value::Null),
        (Method::PATCH, format!("{w}/projects/{{prj}}"), "display_name", Value::Null),
        (Method::PUT, format!("{w}/projects/{{prj}}/quota"), "", json!({})),
        (Method::PATCH, format!("{w}/projects/{{prj}}/roles/{{rol}}"), "name", Value::Null),
    ] {
        let path = params.path(&path);
        let body = match field {
            "" => body,
            field => json!({ field: ann.client.get(&path).await[field] }),
        };
        ann.client.send_ok(method, &path, &body).await;
        assert_eq!(ann.client.get(&log).await["items"], newest, "{path}");
    }
}

#[tokio::test]
async fn a_valid_request_id_is_kept() {
    let app = TestApp::new().await;
    for (given, valid) in [("abc-1.2_3", true), ("with space", false), (&"x".repeat(65), false)] {
        let client = app.anonymous().with_header("x-request-id", given);
        let response = client.send(Method::GET, "/healthz", &Value::Null).await;
        assert_eq!(header(&response, "x-request-id") == given, valid, "{given}");
    }
}

#[tokio::test]
async fn a_path_with_a_trailing_slash_is_redirected() {
    let app = TestApp::new().await;
    let response = app.anonymous().send(Method::GET, "/api/v1/plans/?limit=1", &Value::Null).await;
    assert_eq!(response.status, StatusCode::PERMANENT_REDIRECT);
    assert_eq!(header(&response, "location"), "/api/v1/plans?limit=1");
}

#[tokio::test]
async fn a_revoked_session_is_rejected_from_the_next_request_on() {
    let (app, ann) = ann().await;
    let other_session = app.sign_in("ann").await;
    let sessions = ann.client.get("/auth/sessions").await;
    let sessions = sessions["items"].as_array().unwrap();
    assert_eq!(sessions.iter().filter(|session| session["current"] == true).count(), 1);
    let other = sessions.iter().find(|session| session["current"] == false).unwrap();
    let path = format!("/auth/sessions/{}", other["id"].as_str().unwrap());
    assert_eq!(ann.client.send(Method::DELETE, &path, &Value::Null).await.status, StatusCode::NO_CONTENT);
    let me = |client: Client| async move { client.send(Method::GET, "/auth/me", &Value::Null).await.status };
    assert_eq!(me(other_session.client).await, StatusCode::UNAUTHORIZED);
    assert_eq!(me(ann.client.clone()).await, StatusCode::OK);
    ann.client.send(Method::POST, "/auth/logout", &Value::Null).await;
    assert_eq!(me(ann.client).await, StatusCode::UNAUTHORIZED);
}

/// Cookies that a response sets, as a browser sends them back.
#[tokio::test]
async fn a_sign_in_is_bound_to_its_browser_and_requests_need_the_csrf_token() {
    let app = TestApp::new().await;
    let (login, callback) = start_sign_in(&app, "ann", "/docs").await;
    assert!(login.starts_with("__Host-"), "{login}");
    let (other_login, other_callback) = start_sign_in(&app, "ann", "/docs").await;
    for cookie in ["", &other_login] {
        let stolen = browse(&app, Method::GET, &callback, cookie, "").await;
        assert!(stolen.status.is_client_error(), "a sign-in was finished in a browser that did not start it");
    }
    // Two concurrent sign-ins of one browser succeed, the one begun first as well.
    let both = format!("{login}; {other_login}");
    let other = browse(&app, Method::GET, &other_callback, &both, "").await;
    assert_eq!(other.status, StatusCode::FOUND, "{}", other.text);
    let done = browse(&app, Method::GET, &callback, &both, "").await;
    assert_eq!((done.status, target(&done).as_str()), (StatusCode::FOUND, "/docs"), "{}", done.text);
    let again = browse(&app, Method::GET, &callback, &login, "").await;
    assert!(again.status.is_client_error(), "a sign-in was finished twice");

    let session = cookies(&done);
    let http_only = done.headers.get_all(SET_COOKIE).iter().any(|cookie| {
        let cookie = cookie.to_str().unwrap();
        cookie.starts_with("__Host-hexabase_session=")
            && cookie.contains("HttpOnly")
            && cookie.contains("Secure")
    });
    assert!(http_only, "{:?}", done.headers);
    assert_eq!(browse(&app, Method::GET, "/auth/me", &session, "").await.status, StatusCode::OK);
    let forged = browse(&app, Method::POST, "/api/v1/organizations", &session, &acme().to_string()).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN, "{}", forged.text);
    let csrf = session.split("hexabase_csrf=").nth(1).unwrap().split(';').next().unwrap();
    let request = Request::builder().method(Method::POST).uri("/api/v1/organizations");
    let request = request
        .header(COOKIE, &session)
        .header("x-csrf-token", csrf)
        .header("content-type", "application/json");
    let accepted = app.anonymous().send_request(request.body(Body::from(acme().to_string())).unwrap()).await;
    assert_eq!(accepted.status, StatusCode::CREATED, "{}", accepted.text);
}

#[tokio::test]
async fn a_consent_on_the_page_of_an_earlier_session_is_requested_again() {
    let app = TestApp::new().await;
    let sign_in = async || {
        let (login, callback) = start_sign_in(&app, "ann", "/docs").await;
        cookies(&browse(&app, Method::GET, &callback, &login, "").await)
    };
    let (earlier, current) = (sign_in().await, sign_in().await);
    let path = "/oauth2/authorize?client_id=hexabase&redirect_uri=http://127.0.0.1:1/callback&response_type=code\
                &scope=openid&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
    let page = browse(&app, Method::GET, path, &earlier, "").await;
    let allow = async |page: &Response| {
        let decision =
            [("continue", input(page, "continue")), ("csrf", input(page, "csrf")), ("decision", "allow")];
        send_form(&app, "/oauth2/authorize", &current, &decision).await
    };
    let again = allow(&page).await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.text);
    assert_ne!(input(&again, "csrf"), input(&page, "csrf"));
    let allowed = allow(&again).await;
    assert!(target(&allowed).contains("code="), "{allowed:?}");
}

#[tokio::test]
async fn a_client_cannot_sign_a_user_out_without_confirmation() {
    let app = TestApp::new().await;
    let (login, callback) = start_sign_in(&app, "ann", "/docs").await;
    let session = cookies(&browse(&app, Method::GET, &callback, &login, "").await);
    let csrf = session.split("hexabase_csrf=").nth(1).unwrap().split(';').next().unwrap();
    // Code verifier and challenge of RFC 7636, appendix B.
    let (redirect_uri, verifier) =
        ("http://127.0.0.1:1/callback", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    let request = [
        ("client_id", "hexabase"),
        ("redirect_uri", redirect_uri),
        ("response_type", "code"),
        ("scope", "openid"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ];
    let consent = send_form(&app, "/oauth2/authorize", &session, &request).await;
    let handle = consent.text.split("name=\"continue\" value=\"").nth(1).unwrap();
    let decision = [("continue", handle.split('"').next().unwrap()), ("csrf", csrf), ("decision", "allow")];
    let allowed = send_form(&app, "/oauth2/authorize", &session, &decision).await;
    let code = target(&allowed).split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let redemption = [
        ("grant_type", "authorization_code"),
        ("client_id", "hexabase"),
        ("code", &code),
        ("code_verifier", verifier),
        ("redirect_uri", redirect_uri),
    ];
    let tokens = send_form(&app, "/oauth2/token", "", &redemption).await;
    let hint = tokens.body["id_token"].as_str().unwrap();

    let is_signed_in = async || browse(&app, Method::GET, "/auth/me", &session, "").await.status.is_success();
    let path =
        format!("/oauth2/logout?id_token_hint={hint}&post_logout_redirect_uri={redirect_uri}&state=bye");
    let asked = browse(&app, Method::GET, &path, &session, "").await;
    assert_eq!(asked.status, StatusCode::OK);
    assert!(asked.text.contains("Sign out?") && asked.text.contains("value=\"hexabase\""), "{}", asked.text);
    assert!(is_signed_in().await);
    // The form of another site arrives without cookies, and leads to the confirmation page.
    let logout = [("id_token_hint", hint), ("post_logout_redirect_uri", redirect_uri), ("state", "bye")];
    for cookie in ["", &session] {
        let sent = send_form(&app, "/oauth2/logout", cookie, &logout).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER);
        assert!(sent.headers.get(SET_COOKIE).is_none());
        let asked = browse(&app, Method::GET, &target(&sent), &session, "").await;
        assert!(asked.text.contains("Sign out?"), "{}", asked.text);
    }
    let forged = send_form(&app, "/oauth2/logout", &session, &[("csrf", "forged")]).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    assert!(is_signed_in().await);
    let confirmed = [("client_id", "hexabase"), ("post_logout_redirect_uri", redirect_uri), ("csrf", csrf)];
    let done = send_form(&app, "/oauth2/logout", &session, &confirmed).await;
    assert_eq!((done.status, target(&done).as_str()), (StatusCode::FOUND, redirect_uri));
    assert!(!is_signed_in().await);
}

#[tokio::test]
async fn a_browser_receives_errors_of_a_sign_in_as_pages_with_the_request_id() {
    let app = TestApp::new().await;
    let open = async |path: &str, accept: &str| {
        let request = Request::builder().uri(path).header("accept", accept).header("x-request-id", "id-7");
        app.anonymous().send_request(request.body(Body::empty()).unwrap()).await
    };
    for path in [
        "/auth/callback/dev?state=unknown&code=x",
        "/auth/callback/dev?error=access_denied",
        "/auth/callback/dev?junk=1",
        "/auth/login/unknown",
        "/auth/login/dev?return_to=https://evil.example",
        "/oauth2/authorize?client_id=unknown",
        "/oauth2/authorize?continue=junk",
    ] {
        let page = open(path, "text/html,application/xhtml+xml,*/*;q=0.8").await;
        let content_type = page.headers["content-type"].to_str().unwrap();
        assert!(
            page.status.is_client_error() && content_type.starts_with("text/html"),
            "{path}: {}",
            page.text
        );
        assert!(page.text.contains("<code>id-7</code>"), "{path}: {}", page.text);
    }
    let problem = open("/auth/callback/dev?state=unknown&code=x", "*/*").await;
    assert_eq!(problem.body["request_id"], "id-7");
}

#[tokio::test]
async fn sign_in_rejects_redirects_to_other_sites() {
    let app = TestApp::new().await;
    for url in ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"] {
        let path = format!("/auth/login/dev?return_to={url}");
        let Ok(request) = Request::builder().uri(path).body(Body::empty()) else { continue };
        let response = app.anonymous().send_request(request).await;
        assert!(response.status.is_client_error(), "{url}: {}", response.status);
    }
}

#[tokio::test]
async fn event_streams_resume_after_the_last_event_id() {
    let (app, ann) = ann().await;
    let org = app.create_organization(&ann, "acme").await;
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let shop = ann.client.create(&workspaces, &json!({ "name": "shop", "plan_id": "team" })).await;
    app.wait_until_ready(&ann.client, &format!("{workspaces}/{shop}")).await;
    let token = ann.client.create_token().await;
    let open_stream = |after: String| {
        let request = Request::builder().uri(format!("/api/v1/organizations/{org}/events"));
        let request =
            request.header("authorization", format!("Bearer {token}")).header("last-event-id", after);
        app.router.clone().oneshot(request.body(Body::empty()).unwrap())
    };
    let mut all = open_stream("evt_00000000000000000000000000".to_owned()).await.unwrap().into_body();
    let mut text = String::new();
    while !text.contains("\"phase\":\"ready\"") {
        let frame = tokio::time::timeout(FRAME_TIMEOUT, all.frame()).await;
        let frame = frame.unwrap_or_else(|_| panic!("no further event after: {text}")).unwrap().unwrap();
        text.push_str(&String::from_utf8_lossy(frame.data_ref().unwrap()));
    }
    let ids: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("id: ").or(line.strip_prefix("id:"))).collect();
    assert!(ids.len() >= 2, "{text}");
    let mut rest = open_stream(ids[0].trim().to_owned()).await.unwrap().into_body();
    let frame = tokio::time::timeout(FRAME_TIMEOUT, rest.frame()).await.unwrap().unwrap().unwrap();
    let next = String::from_utf8_lossy(frame.data_ref().unwrap()).into_owned();
    assert!(!next.contains(ids[0].trim()) && next.contains(ids[1].trim()), "{next}");
}

#[tokio::test]
async fn the_members_of_an_organization_share_a_rate_limit_that_outsiders_do_not_use_up() {
    let rate = Rate { burst: 12, period: Duration::from_secs(86_400) };
    let config = PlatformConfig { organization_rate: Some(rate), ..hexabase_tests::config() };
    let app = TestApp::with(|builder| builder.with_config(config)).await;
    let (ann, bob) = (app.sign_in("ann").await, app.sign_in("bob").await);
    let (acme, globex) =
        (app.create_organization(&ann, "acme").await, app.create_organization(&bob, "globex").await);
    let read = async |user: &TestUser, organization: &str| {
        let path = format!("/api/v1/organizations/{organization}");
        user.client.send(Method::GET, &path, &Value::Null).await
    };
    for _ in 0..30 {
        assert_eq!(read(&bob, &acme).await.status, StatusCode::NOT_FOUND);
    }
    let mut succeeded = 0;
    let rejected = loop {
        match read(&ann, &acme).await {
            response if response.status == StatusCode::OK => succeeded += 1,
            response => break response,
        }
    };
    assert!((10..=12).contains(&succeeded), "{succeeded}");
    assert_eq!(rejected.status, StatusCode::TOO_MANY_REQUESTS, "{}", rejected.text);
    assert!(rejected.headers.contains_key("retry-after"));
    assert_eq!(read(&bob, &globex).await.status, StatusCode::OK);
    assert_eq!(
        read(&bob, &acme).await.status,
        StatusCode::NOT_FOUND,
        "an outsider cannot detect that the organization has reached its rate limit"
    );
}

#[tokio::test]
async fn only_operators_manage_the_queue_and_the_signing_keys() {
    let app = TestApp::new().await;
    let operator = app.sign_in("operator").await;
    let ann = app.sign_in("ann").await;
    let queue = "/api/v1/admin/queue";
    let state = operator.client.get(queue).await;
    assert_eq!(state["dead_letters"], json!([]), "{state}");
    let dead_letter = "/api/v1/admin/queue/dead-letters/msg_00000000000000000000000001/retry";
    let response = operator.client.send(Method::POST, dead_letter, &Value::Null).await;
    assert_eq!(response.status, StatusCode::NOT_FOUND, "{}", response.text);
    let rotate = "/api/v1/admin/keys/rotate";
    let created = operator.client.send(Method::POST, rotate, &Value::Null).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text);
    let keys = app.anonymous().send(Method::GET, "/.well-known/jwks.json", &Value::Null).await;
    assert_eq!(keys.body["keys"].as_array().unwrap().len(), 2, "{}", keys.text);
    // API servers request the keys again for an unknown key only after their copy has expired.
    assert_eq!(keys.headers["cache-control"], "public, max-age=30");

    let token = operator.client.create_token().await;
    let by_token = app.anonymous().with_bearer(&token);
    for client in [&ann.client, &by_token] {
        for (method, path) in [(Method::GET, queue), (Method::POST, dead_letter), (Method::POST, rotate)] {
            let response = client.send(method, path, &Value::Null).await;
            assert_eq!(response.status, StatusCode::FORBIDDEN, "{path}: {}", response.text);
        }
    }
}

#[tokio::test]
async fn a_user_with_an_invited_address_can_accept_the_invitation() {
    let (app, ann) = ann().await;
    let org = app.create_organization(&ann, "acme").await;
    let invitations = format!("/api/v1/organizations/{org}/invitations");
    let inv = ann.client.create(&invitations, &json!({ "email": "bob@example.com", "role": "admin" })).await;
    let (bob, eve) = (app.sign_in("bob").await, app.sign_in("eve").await);
    let offered = bob.client.get("/auth/me").await["invitations"].clone();
    assert_eq!(offered[0]["id"], inv);
    assert_eq!((&offered[0]["organization_id"], &offered[0]["role"]), (&json!(org), &json!("admin")));
    assert_eq!(eve.client.get("/auth/me").await["invitations"], json!([]));

    let accept = "/api/v1/invitations/accept";
    let by_id = json!({ "invitation_id": inv });
    let rejected = eve.client.send(Method::POST, accept, &by_id).await;
    assert_eq!(rejected.status, StatusCode::NOT_FOUND, "{}", rejected.text);
    for invalid in [json!({}), json!({ "invitation_id": inv, "token": "hxi_forged" })] {
        let response = bob.client.send(Method::POST, accept, &invalid).await;
        assert_eq!(response.status, StatusCode::UNPROCESSABLE_ENTITY, "{invalid}");
    }
    let token = bob.client.create_token().await;
    let automation = app.anonymous().with_bearer(&token).send(Method::POST, accept, &by_id).await;
    assert_eq!(automation.status, StatusCode::FORBIDDEN, "{}", automation.text);

    // The response may be lost; a repetition receives the same response.
    let idempotent = bob.client.clone().with_header("idempotency-key", "one");
    let joined = idempotent.send_ok(Method::POST, accept, &by_id).await;
    assert_eq!((&joined["id"], &joined["role"]), (&json!(org), &json!("admin")));
    assert_eq!(idempotent.send_ok(Method::POST, accept, &by_id).await, joined);
    assert_eq!(bob.client.send(Method::POST, accept, &by_id).await.status, StatusCode::NOT_FOUND);
    assert_eq!(bob.client.get("/auth/me").await["invitations"], json!([]));
}

#[tokio::test]
async fn an_inventory_exists_while_it_has_objects_and_an_object_is_in_one_inventory() {
    let (app, ann) = ann().await;
    let org = app.create_organization(&ann, "acme").await;
    let path = format!("/api/v1/organizations/{org}/inventories");
    let (git, other) = (format!("{path}/git"), format!("{path}/other"));
    let group = "grp_01h455vb4pex5vsknk084sn02q";
    let membership = format!("{group}/usr_01h455vb4pex5vsknk084sn02q");
    let added =
        ann.client.send(Method::PATCH, &git, &json!({ "add": [group, membership], "remove": [org] })).await;
    assert_eq!((added.status, header(&added, "etag")), (StatusCode::OK, "\"1\""), "{}", added.text);
    let accounts = format!("/api/v1/organizations/{org}/service-accounts");
    ann.client.create(&accounts, &json!({ "name": "ci", "role": "billing" })).await;
    assert_eq!(ann.client.get(&accounts).await["items"][0]["role"], "billing");
    let listed = ann.client.get(&path).await["items"].clone();
    assert_eq!((&listed[0]["name"], &listed[0]["objects"]), (&json!("git"), &json!([group, membership])));

    let taken = ann.client.send(Method::PATCH, &other, &json!({ "add": [group] })).await;
    assert_eq!(taken.status, StatusCode::CONFLICT, "{}", taken.text);
    assert!(taken.text.contains("managed_elsewhere") && taken.text.contains("git"), "{}", taken.text);
    for invalid in ["", "group", "grp_1", "grp_01H455VB4PEX5VSKNK084SN02Q", &format!("{membership}/{group}")]
    {
        let response = ann.client.send(Method::PATCH, &other, &json!({ "add": [invalid] })).await;
        assert_eq!(response.status, StatusCode::UNPROCESSABLE_ENTITY, "{invalid}: {}", response.text);
    }
    let outdated = ann.client.clone().with_header("if-match", "\"7\"");
    let rejected = outdated.send(Method::PATCH, &git, &json!({ "remove": [group] })).await;
    assert_eq!(rejected.status, StatusCode::PRECONDITION_FAILED, "{}", rejected.text);
    let removed = json!({ "remove": [group, membership] });
    assert_eq!(ann.client.send_ok(Method::PATCH, &git, &removed).await["objects"], json!([]));
    assert_eq!(ann.client.get(&path).await["items"], json!([]));
}

#[tokio::test]
async fn made_up_methods_add_a_constant_number_of_series() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let app = TestApp::new().await;
    let client = app.anonymous();
    let send_made_up = async |number: u32| {
        let method = Method::from_bytes(format!("METHOD{number}").as_bytes()).unwrap();
        for path in ["/healthz", "/api/v1/info", &format!("/no-such-path/{number}")] {
            let response = client.send(method.clone(), path, &Value::Null).await;
            assert!(response.status.is_client_error(), "{method} {path}: {}", response.status);
        }
    };
    let series = || recorder.handle().render().lines().count();
    send_made_up(0).await;
    let first = series();
    for number in 1..1_000 {
        send_made_up(number).await;
    }
    assert_eq!(series(), first);
    assert!(recorder.handle().render().contains("method=\"other\""));
}

#[tokio::test]
async fn open_routes_are_limited_per_client_address_except_probes() {
    let config = ApiConfig { requests_per_minute: 3, ..TestApp::api_config() };
    let app = TestApp::with_api(config, |builder| builder).await;
    let send = async |method: Method, path: &str, address: [u8; 4]| {
        let mut request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from((address, 1))));
        app.anonymous().send_request(request).await.status
    };
    let (first, second) = ([203, 0, 113, 1], [203, 0, 113, 2]);
    for (method, path) in [(Method::GET, "/metrics"), (Method::POST, "/healthz")] {
        for _ in 0..3 {
            assert_ne!(send(method.clone(), path, first).await, StatusCode::TOO_MANY_REQUESTS, "{path}");
        }
        assert_eq!(send(method.clone(), path, first).await, StatusCode::TOO_MANY_REQUESTS, "{path}");
        assert_ne!(send(method, path, second).await, StatusCode::TOO_MANY_REQUESTS, "{path}");
    }
    for path in ["/healthz", "/readyz"] {
        for _ in 0..10 {
            assert_eq!(send(Method::GET, path, first).await, StatusCode::OK, "{path}");
        }
    }
}
