//! The conventions that every call keeps, one of each.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{COOKIE, LOCATION, SET_COOKIE};
use axum::http::{Method, Request, StatusCode};
use hexabase_core::ephemeral::Rate;
use hexabase_core::platform::Settings;
use hexabase_tests::{Answer, Client, Person, World};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// How long to wait for what must come at once.
const PATIENCE: Duration = Duration::from_secs(10);

async fn ann() -> (World, Person) {
    let world = World::new().await;
    let ann = world.person("ann").await;
    (world, ann)
}

fn acme() -> Value {
    json!({ "name": "acme", "display_name": "Acme" })
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

#[tokio::test]
async fn what_was_made_is_where_the_location_says() {
    let (_world, ann) = ann().await;
    let made = ann.client.send(Method::POST, "/api/v1/organizations", &acme()).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let found = ann.client.send(Method::GET, header(&made, "location"), &Value::Null).await;
    assert_eq!((found.status, &found.body), (StatusCode::OK, &made.body));
    assert_eq!(header(&found, "etag"), header(&made, "etag"));
    assert_eq!(header(&found, "etag"), format!("\"{}\"", found.body["version"]));
}

#[tokio::test]
async fn a_repeated_post_is_answered_with_the_first_reply() {
    let (world, ann) = ann().await;
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

    // Keys are everybody's own.
    let bob = world.person("bob").await.client.with_header("idempotency-key", "order-1");
    let theirs = bob.send(Method::POST, "/api/v1/organizations", &another).await;
    assert_eq!(theirs.status, StatusCode::CREATED, "{}", theirs.text);
}

#[tokio::test]
async fn a_stale_version_changes_nothing() {
    let (world, ann) = ann().await;
    let path = format!("/api/v1/organizations/{}", world.organization(&ann, "acme").await);
    let tag = header(&ann.client.send(Method::GET, &path, &Value::Null).await, "etag").to_owned();
    let rename = json!({ "display_name": "Renamed" });
    let held = ann.client.clone().with_header("if-match", &tag);
    let renamed = held.send(Method::PATCH, &path, &rename).await;
    assert_eq!(renamed.status, StatusCode::OK);
    assert_ne!(header(&renamed, "etag"), tag);
    for (method, body) in [(Method::PATCH, &rename), (Method::DELETE, &Value::Null)] {
        let stale = held.send(method, &path, body).await;
        assert_eq!(
            (stale.status, &stale.body["code"]),
            (StatusCode::PRECONDITION_FAILED, &json!("precondition_failed"))
        );
    }
    assert_eq!(ann.client.get(&path).await["display_name"], "Renamed");
}

#[tokio::test]
async fn pages_show_everything_once_and_in_order() {
    let (world, ann) = ann().await;
    let org = world.organization(&ann, "acme").await;
    let ws = format!("/api/v1/organizations/{org}/workspaces");
    let ws = format!("{ws}/{}", ann.client.make(&ws, &json!({ "name": "shop", "plan_id": "team" })).await);
    let groups = format!("{ws}/groups");
    for index in 0..7 {
        ann.client.make(&groups, &json!({ "name": format!("group-{index}") })).await;
    }
    let ids = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    let whole = ids(&ann.client.get(&groups).await);
    for limit in [1, 2, 3, 50] {
        let (mut walked, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = ann.client.get(&format!("{groups}?limit={limit}{cursor}")).await;
            walked.extend(ids(&page));
            assert!(page["items"].as_array().unwrap().len() <= limit);
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(walked, whole, "in pages of {limit}");
    }
    assert_eq!(whole.iter().collect::<BTreeSet<_>>().len(), whole.len());
    for limit in ["0", "201", "-1", "many"] {
        let refused = ann.client.send(Method::GET, &format!("{groups}?limit={limit}"), &Value::Null).await;
        assert!(refused.status.is_client_error(), "{limit}: {}", refused.status);
    }
}

#[tokio::test]
async fn asking_twice_for_a_removal_answers_with_the_task_under_way() {
    let (world, ann) = ann().await;
    let org = world.organization(&ann, "acme").await;
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let id = ann.client.make(&workspaces, &json!({ "name": "shop", "plan_id": "team" })).await;
    let path = format!("{workspaces}/{id}");
    let first = ann.client.send(Method::DELETE, &path, &Value::Null).await;
    let second = ann.client.send(Method::DELETE, &path, &Value::Null).await;
    assert_eq!((first.status, second.status), (StatusCode::ACCEPTED, StatusCode::ACCEPTED));
    assert!(first.body["task_id"].is_string());
    assert_eq!(first.body["task_id"], second.body["task_id"]);
    assert_eq!(first.body["version"], second.body["version"]);
}

#[tokio::test]
async fn asking_for_what_is_so_already_does_nothing() {
    let (world, ann) = ann().await;
    let place = world.place(&ann, "acme").await;
    let log = place.path("/api/v1/organizations/{org}/audit-events?limit=1");
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
        let path = place.path(&path);
        let body = match field {
            "" => body,
            field => json!({ field: ann.client.get(&path).await[field] }),
        };
        ann.client.must(method, &path, &body).await;
        assert_eq!(ann.client.get(&log).await["items"], newest, "{path}");
    }
}

#[tokio::test]
async fn a_request_keeps_its_id_if_it_is_a_decent_one() {
    let world = World::new().await;
    for (given, kept) in [("abc-1.2_3", true), ("with space", false), (&"x".repeat(65), false)] {
        let client = world.anonymous().with_header("x-request-id", given);
        let answer = client.send(Method::GET, "/healthz", &Value::Null).await;
        assert_eq!(header(&answer, "x-request-id") == given, kept, "{given}");
    }
}

#[tokio::test]
async fn a_slash_at_the_end_is_taken_away() {
    let world = World::new().await;
    let answer = world.anonymous().send(Method::GET, "/api/v1/plans/?limit=1", &Value::Null).await;
    assert_eq!(answer.status, StatusCode::PERMANENT_REDIRECT);
    assert_eq!(header(&answer, "location"), "/api/v1/plans?limit=1");
}

#[tokio::test]
async fn ending_a_session_takes_effect_with_the_next_request() {
    let (world, ann) = ann().await;
    let elsewhere = world.person("ann").await;
    let sessions = ann.client.get("/auth/sessions").await;
    let sessions = sessions["items"].as_array().unwrap();
    assert_eq!(sessions.iter().filter(|session| session["current"] == true).count(), 1);
    let other = sessions.iter().find(|session| session["current"] == false).unwrap();
    let path = format!("/auth/sessions/{}", other["id"].as_str().unwrap());
    assert_eq!(ann.client.send(Method::DELETE, &path, &Value::Null).await.status, StatusCode::NO_CONTENT);
    let me = |client: Client| async move { client.send(Method::GET, "/auth/me", &Value::Null).await.status };
    assert_eq!(me(elsewhere.client).await, StatusCode::UNAUTHORIZED);
    assert_eq!(me(ann.client.clone()).await, StatusCode::OK);
    ann.client.send(Method::POST, "/auth/logout", &Value::Null).await;
    assert_eq!(me(ann.client).await, StatusCode::UNAUTHORIZED);
}

/// The cookies that an answer sets, as a browser sends them back.
fn cookies(answer: &Answer) -> String {
    let set = answer.headers.get_all(SET_COOKIE).iter();
    set.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap()).collect::<Vec<_>>().join("; ")
}

async fn browse(world: &World, method: Method, path: &str, cookie: &str, body: &str) -> Answer {
    let form = if body.starts_with('{') { "application/json" } else { "application/x-www-form-urlencoded" };
    let request =
        Request::builder().method(method).uri(path).header(COOKIE, cookie).header("content-type", form);
    world.anonymous().carry(request.body(Body::from(body.to_owned())).unwrap()).await
}

fn target(answer: &Answer) -> String {
    let location = answer.headers[LOCATION].to_str().unwrap();
    location.strip_prefix("https://hexabase.example").unwrap_or(location).to_owned()
}

/// Begins a sign-in and says who it is: the cookie that it is bound to, and where the browser goes to finish it.
async fn begin_sign_in(world: &World) -> (String, String) {
    let begun = browse(world, Method::GET, "/auth/login/dev?return_to=/docs", "", "").await;
    assert_eq!(begun.status, StatusCode::FOUND);
    let approved = browse(world, Method::POST, &target(&begun), "", "email=ann%40example.com&name=Ann").await;
    assert_eq!(approved.status, StatusCode::FOUND, "{}", approved.text);
    (cookies(&begun), target(&approved))
}

#[tokio::test]
async fn a_browser_signs_in_and_proves_what_it_means() {
    let world = World::new().await;
    let (login, callback) = begin_sign_in(&world).await;
    assert!(login.starts_with("__Host-"), "{login}");
    let stolen = browse(&world, Method::GET, &callback, "", "").await;
    assert!(stolen.status.is_client_error(), "a sign-in was finished in a browser that did not begin it");

    let (login, callback) = begin_sign_in(&world).await;
    let done = browse(&world, Method::GET, &callback, &login, "").await;
    assert_eq!((done.status, target(&done).as_str()), (StatusCode::FOUND, "/docs"), "{}", done.text);
    let again = browse(&world, Method::GET, &callback, &login, "").await;
    assert!(again.status.is_client_error(), "a sign-in was finished twice");

    let session = cookies(&done);
    let http_only = done.headers.get_all(SET_COOKIE).iter().any(|cookie| {
        let cookie = cookie.to_str().unwrap();
        cookie.starts_with("__Host-hexabase_session=")
            && cookie.contains("HttpOnly")
            && cookie.contains("Secure")
    });
    assert!(http_only, "{:?}", done.headers);
    assert_eq!(browse(&world, Method::GET, "/auth/me", &session, "").await.status, StatusCode::OK);
    let forged = browse(&world, Method::POST, "/api/v1/organizations", &session, &acme().to_string()).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN, "{}", forged.text);
    let csrf = session.split("hexabase_csrf=").nth(1).unwrap().split(';').next().unwrap();
    let request = Request::builder().method(Method::POST).uri("/api/v1/organizations");
    let request = request
        .header(COOKIE, &session)
        .header("x-csrf-token", csrf)
        .header("content-type", "application/json");
    let meant = world.anonymous().carry(request.body(Body::from(acme().to_string())).unwrap()).await;
    assert_eq!(meant.status, StatusCode::CREATED, "{}", meant.text);
}

#[tokio::test]
async fn nobody_is_sent_to_another_site_after_signing_in() {
    let world = World::new().await;
    for elsewhere in ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"] {
        let path = format!("/auth/login/dev?return_to={elsewhere}");
        let Ok(request) = Request::builder().uri(path).body(Body::empty()) else { continue };
        let answer = world.anonymous().carry(request).await;
        assert!(answer.status.is_client_error(), "{elsewhere}: {}", answer.status);
    }
}

#[tokio::test]
async fn events_resume_after_the_last_one_seen() {
    let (world, ann) = ann().await;
    let org = world.organization(&ann, "acme").await;
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let shop = ann.client.make(&workspaces, &json!({ "name": "shop", "plan_id": "team" })).await;
    world.ready(&ann.client, &format!("{workspaces}/{shop}")).await;
    let token = ann.client.make_token().await;
    let listen = |after: String| {
        let request = Request::builder().uri(format!("/api/v1/organizations/{org}/events"));
        let request =
            request.header("authorization", format!("Bearer {token}")).header("last-event-id", after);
        world.router.clone().oneshot(request.body(Body::empty()).unwrap())
    };
    let mut all = listen("evt_00000000000000000000000000".to_owned()).await.unwrap().into_body();
    let mut text = String::new();
    while !text.contains("\"phase\":\"ready\"") {
        let frame = tokio::time::timeout(PATIENCE, all.frame()).await;
        let frame = frame.unwrap_or_else(|_| panic!("nothing more came after: {text}")).unwrap().unwrap();
        text.push_str(&String::from_utf8_lossy(frame.data_ref().unwrap()));
    }
    let ids: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("id: ").or(line.strip_prefix("id:"))).collect();
    assert!(ids.len() >= 2, "{text}");
    let mut rest = listen(ids[0].trim().to_owned()).await.unwrap().into_body();
    let frame = tokio::time::timeout(PATIENCE, rest.frame()).await.unwrap().unwrap().unwrap();
    let next = String::from_utf8_lossy(frame.data_ref().unwrap()).into_owned();
    assert!(!next.contains(ids[0].trim()) && next.contains(ids[1].trim()), "{next}");
}

#[tokio::test]
async fn the_members_of_an_organization_share_an_allowance_and_nobody_else_uses_it_up() {
    let rate = Rate { burst: 12, period: Duration::from_secs(86_400) };
    let settings = Settings { organization_rate: Some(rate), ..Settings::new("https://hexabase.example") };
    let world = World::with(|builder| builder.with_settings(settings)).await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let (acme, globex) = (world.organization(&ann, "acme").await, world.organization(&bob, "globex").await);
    let read = async |person: &Person, organization: &str| {
        let path = format!("/api/v1/organizations/{organization}");
        person.client.send(Method::GET, &path, &Value::Null).await
    };
    for _ in 0..30 {
        assert_eq!(read(&bob, &acme).await.status, StatusCode::NOT_FOUND);
    }
    let mut answered = 0;
    let refused = loop {
        match read(&ann, &acme).await {
            answer if answer.status == StatusCode::OK => answered += 1,
            answer => break answer,
        }
    };
    assert!((10..=12).contains(&answered), "{answered}");
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{}", refused.text);
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(read(&bob, &globex).await.status, StatusCode::OK);
    assert_eq!(
        read(&bob, &acme).await.status,
        StatusCode::NOT_FOUND,
        "an outsider cannot tell that it is busy"
    );
}

#[tokio::test]
async fn operators_look_after_the_queue_and_the_keys_and_nobody_else_does() {
    let world = World::new().await;
    let operator = world.person("operator").await;
    let ann = world.person("ann").await;
    let queue = "/api/v1/admin/queue";
    let seen = operator.client.get(queue).await;
    assert_eq!(seen["dead_letters"], json!([]), "{seen}");
    let letter = "/api/v1/admin/queue/dead-letters/msg_00000000000000000000000001/retry";
    let answer = operator.client.send(Method::POST, letter, &Value::Null).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{}", answer.text);
    let rotate = "/api/v1/admin/keys/rotate";
    let made = operator.client.send(Method::POST, rotate, &Value::Null).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let keys = world.anonymous().send(Method::GET, "/.well-known/jwks.json", &Value::Null).await;
    assert_eq!(keys.body["keys"].as_array().unwrap().len(), 2, "{}", keys.text);
    // API servers ask for a key that they do not know only once what they have is not fresh any more.
    assert_eq!(keys.headers["cache-control"], "public, max-age=30");

    let token = operator.client.make_token().await;
    let by_token = world.anonymous().with_bearer(&token);
    for client in [&ann.client, &by_token] {
        for (method, path) in [(Method::GET, queue), (Method::POST, letter), (Method::POST, rotate)] {
            let answer = client.send(method, path, &Value::Null).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn whoever_signs_in_with_an_invited_address_is_offered_the_invitation() {
    let (world, ann) = ann().await;
    let org = world.organization(&ann, "acme").await;
    let invitations = format!("/api/v1/organizations/{org}/invitations");
    let inv = ann.client.make(&invitations, &json!({ "email": "bob@example.com", "role": "admin" })).await;
    let (bob, eve) = (world.person("bob").await, world.person("eve").await);
    let offered = bob.client.get("/auth/me").await["invitations"].clone();
    assert_eq!(offered[0]["id"], inv);
    assert_eq!((&offered[0]["organization_id"], &offered[0]["role"]), (&json!(org), &json!("admin")));
    assert_eq!(eve.client.get("/auth/me").await["invitations"], json!([]));

    let accept = "/api/v1/invitations/accept";
    let by_name = json!({ "invitation_id": inv });
    let refused = eve.client.send(Method::POST, accept, &by_name).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND, "{}", refused.text);
    for neither in [json!({}), json!({ "invitation_id": inv, "token": "hxi_forged" })] {
        let answer = bob.client.send(Method::POST, accept, &neither).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{neither}");
    }
    let token = bob.client.make_token().await;
    let automation = world.anonymous().with_bearer(&token).send(Method::POST, accept, &by_name).await;
    assert_eq!(automation.status, StatusCode::FORBIDDEN, "{}", automation.text);

    // The answer may get lost: whoever asks again is told the same.
    let once = bob.client.clone().with_header("idempotency-key", "one");
    let joined = once.must(Method::POST, accept, &by_name).await;
    assert_eq!((&joined["id"], &joined["role"]), (&json!(org), &json!("admin")));
    assert_eq!(once.must(Method::POST, accept, &by_name).await, joined);
    assert_eq!(bob.client.send(Method::POST, accept, &by_name).await.status, StatusCode::NOT_FOUND);
    assert_eq!(bob.client.get("/auth/me").await["invitations"], json!([]));
}
