//! Concurrent commands that contradict each other: exactly one of them succeeds.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::future::Future;
use std::sync::Arc;

use axum::http::{Method, StatusCode};
use hexabase_core::store::{MemoryStore, TenantStore};
use hexabase_store::SqliteStore;
use hexabase_tests::{Response, TestApp, TestUser};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Repetitions of each race.
const REPETITIONS: usize = 15;

async fn memory() -> (Arc<dyn TenantStore>, ()) {
    (Arc::new(MemoryStore::new()), ())
}

async fn sqlite() -> (Arc<dyn TenantStore>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("hexabase.db")).await.unwrap();
    (Arc::new(store), folder)
}

/// Defines a test for every race on every store.
macro_rules! races {
    ($($race:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $race() {
                super::$race(super::memory().await.0).await;
            })+
        }
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $race() {
                let (store, _folder) = super::sqlite().await;
                super::$race(store).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $race() {
                let (store, _server) = hexabase_tests::backends::postgres().await;
                super::$race(std::sync::Arc::new(store)).await;
            })+
        }
    };
}

races![
    concurrent_creations_cannot_exceed_a_limit,
    concurrent_moves_cannot_create_a_cycle,
    concurrent_demotions_cannot_remove_the_last_owner,
    a_group_name_is_not_taken_while_it_is_freed,
    an_organization_name_is_not_taken_while_it_is_freed,
    concurrent_refreshes_return_the_same_token_and_old_tokens_revoke_the_family,
    concurrent_requests_with_one_idempotency_key_are_executed_once,
    concurrent_changes_of_one_version_do_not_overwrite_each_other,
    a_hundred_concurrent_changes_of_one_workspace_all_succeed,
];

async fn test_app(store: Arc<dyn TenantStore>) -> (TestApp, TestUser) {
    let app = TestApp::with(|builder| builder.with_store(store)).await;
    let ann = app.sign_in("ann").await;
    (app, ann)
}

/// Runs two requests concurrently, on separate threads.
async fn race<F>(one: F, other: F) -> [Response; 2]
where
    F: Future<Output = Response> + Send + 'static,
{
    let (one, other) = (tokio::spawn(one), tokio::spawn(other));
    [one.await.unwrap(), other.await.unwrap()]
}

fn request(
    user: &TestUser,
    method: Method,
    path: String,
    body: Value,
) -> impl Future<Output = Response> + Send + use<> {
    let client = user.client.clone();
    async move { client.send(method, &path, &body).await }
}

/// Asserts that one response is a success and the other one a conflict with this code.
fn assert_one_wins(responses: &[Response; 2], code: &str) {
    let rejected: Vec<&Response> =
        responses.iter().filter(|response| !response.status.is_success()).collect();
    assert_eq!(rejected.len(), 1, "{responses:?}");
    assert_eq!(
        (rejected[0].status, &rejected[0].body["code"]),
        (StatusCode::CONFLICT, &json!(code)),
        "{rejected:?}"
    );
}

async fn concurrent_creations_cannot_exceed_a_limit(store: Arc<dyn TenantStore>) {
    let (app, ann) = test_app(store).await;
    for repetition in 0..REPETITIONS {
        let org = app.create_organization(&ann, &format!("acme-{repetition}")).await;
        let path = format!("/api/v1/organizations/{org}/workspaces");
        let workspace = |name: &str| json!({ "name": name, "plan_id": "starter" });
        // The plan allows three workspaces.
        ann.client.create(&path, &workspace("first")).await;
        ann.client.create(&path, &workspace("second")).await;
        let create = |name: &str| request(&ann, Method::POST, path.clone(), workspace(name));
        assert_one_wins(&race(create("one"), create("other")).await, "quota_exceeded");
        assert_eq!(ann.client.get(&path).await["items"].as_array().unwrap().len(), 3);
    }
}

async fn concurrent_moves_cannot_create_a_cycle(store: Arc<dyn TenantStore>) {
    let (app, ann) = test_app(store).await;
    let org = app.create_organization(&ann, "acme").await;
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let ws = ann.client.create(&workspaces, &json!({ "name": "shop", "plan_id": "team" })).await;
    let groups = format!("{workspaces}/{ws}/groups");
    for repetition in 0..REPETITIONS {
        let left = ann.client.create(&groups, &json!({ "name": format!("left-{repetition}") })).await;
        let right = ann.client.create(&groups, &json!({ "name": format!("right-{repetition}") })).await;
        let move_under = |group: &str, parent: &str| {
            request(&ann, Method::PATCH, format!("{groups}/{group}"), json!({ "parent_id": parent }))
        };
        assert_one_wins(&race(move_under(&left, &right), move_under(&right, &left)).await, "cycle");
    }
}

async fn a_group_name_is_not_taken_while_it_is_freed(store: Arc<dyn TenantStore>) {
    let (app, ann) = test_app(store).await;
    let org = app.create_organization(&ann, "acme").await;
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let ws = ann.client.create(&workspaces, &json!({ "name": "shop", "plan_id": "team" })).await;
    let groups = format!("{workspaces}/{ws}/groups");
    for repetition in 0..REPETITIONS {
        let name = json!({ "name": format!("devs-{repetition}") });
        let devs = ann.client.create(&groups, &name).await;
        let delete = request(&ann, Method::DELETE, format!("{groups}/{devs}"), Value::Null);
        let create = request(&ann, Method::POST, groups.clone(), name);
        let [deleted, created] = race(delete, create).await;
        assert!(deleted.status.is_success(), "{deleted:?}");
        let code = created.body["code"].as_str().unwrap_or_default();
        assert_eq!(created.status, StatusCode::CONFLICT, "{created:?}");
        assert!(["already_exists", "group_name_reserved"].contains(&code), "{created:?}");
    }
}

async fn an_organization_name_is_not_taken_while_it_is_freed(store: Arc<dyn TenantStore>) {
    let (app, ann) = test_app(store).await;
    let bob = app.sign_in("bob").await;
    for repetition in 0..REPETITIONS {
        let name = format!("acme-{repetition}");
        let org = app.create_organization(&ann, &name).await;
        let delete = request(&ann, Method::DELETE, format!("/api/v1/organizations/{org}"), Value::Null);
        let again = json!({ "name": name, "display_name": name });
        let create = request(&bob, Method::POST, "/api/v1/organizations".to_owned(), again);
        let [deleted, created] = race(delete, create).await;
        let is_expected = deleted.status.is_success() || deleted.status == StatusCode::SERVICE_UNAVAILABLE;
        assert!(is_expected, "{deleted:?}");
        let code = created.body["code"].as_str().unwrap_or_default();
        assert_eq!(created.status, StatusCode::CONFLICT, "{created:?}");
        assert!(["already_exists", "organization_name_reserved"].contains(&code), "{created:?}");
    }
}

async fn concurrent_demotions_cannot_remove_the_last_owner(store: Arc<dyn TenantStore>) {
    let (app, ann) = test_app(store).await;
    for repetition in 0..REPETITIONS {
        let org = app.create_organization(&ann, &format!("acme-{repetition}")).await;
        let bob = app.add_member(&ann, &org, &format!("bob-{repetition}"), "owner").await;
        let demote = |user: &TestUser| {
            let path = format!("/api/v1/organizations/{org}/members/{}", user.id);
            request(user, Method::PUT, path, json!({ "role": "member" }))
        };
        assert_one_wins(&race(demote(&ann), demote(&bob)).await, "last_owner");
    }
}

async fn concurrent_refreshes_return_the_same_token_and_old_tokens_revoke_the_family(
    store: Arc<dyn TenantStore>,
) {
    let (app, _) = test_app(store).await;
    for repetition in 0..REPETITIONS {
        let email = json!({ "email": format!("cara-{repetition}@example.com") });
        let signed_in = app.anonymous().send_ok(Method::POST, "/auth/dev/login", &email).await;
        let refresh = |token: &Value| {
            let (client, body) = (app.anonymous(), json!({ "refresh_token": token }));
            async move { client.send(Method::POST, "/auth/refresh", &body).await }
        };
        let first = &signed_in["refresh_token"];
        let responses = race(refresh(first), refresh(first)).await;
        assert!(responses.iter().all(|response| response.status.is_success()), "{responses:?}");
        let second = &responses[0].body["refresh_token"];
        assert_eq!(
            *second, responses[1].body["refresh_token"],
            "concurrent refreshes must return the same token"
        );
        assert!(refresh(second).await.status.is_success());
        // The first token is two generations old now. The second request finds the family revoked.
        for response in race(refresh(first), refresh(first)).await {
            assert_eq!(response.status, StatusCode::UNAUTHORIZED);
        }
        for pair in responses {
            let access = pair.body["access_token"].as_str().unwrap();
            let me = app.anonymous().with_bearer(access).send(Method::GET, "/auth/me", &Value::Null).await;
            assert_eq!(me.status, StatusCode::UNAUTHORIZED, "the token family is still valid");
        }
        let again = app.anonymous().send_ok(Method::POST, "/auth/dev/login", &email).await;
        let client = app.anonymous().with_bearer(again["access_token"].as_str().unwrap());
        let events = client.get("/auth/security-events").await.to_string();
        assert_eq!(events.matches("refresh_reused").count(), 1, "{events}");
    }
}

async fn concurrent_requests_with_one_idempotency_key_are_executed_once(store: Arc<dyn TenantStore>) {
    let (_app, ann) = test_app(store).await;
    for repetition in 0..REPETITIONS {
        let client = ann.client.clone().with_header("idempotency-key", &format!("request-{repetition}"));
        let idempotent = TestUser { client, ..ann.clone() };
        let body = json!({ "name": format!("acme-{repetition}"), "display_name": "Acme" });
        let create = || request(&idempotent, Method::POST, "/api/v1/organizations".to_owned(), body.clone());
        let [one, other] = race(create(), create()).await;
        assert_eq!(
            (one.status, other.status),
            (StatusCode::CREATED, StatusCode::CREATED),
            "{one:?} {other:?}"
        );
        assert_eq!(one.body["id"], other.body["id"]);
    }
    let mine = ann.client.get("/api/v1/organizations?limit=100").await;
    // One organization per repetition, and the personal one.
    assert_eq!(mine["items"].as_array().unwrap().len(), REPETITIONS + 1);
}

async fn concurrent_changes_of_one_version_do_not_overwrite_each_other(store: Arc<dyn TenantStore>) {
    let (app, ann) = test_app(store).await;
    let org = app.create_organization(&ann, "acme").await;
    let path = format!("/api/v1/organizations/{org}");
    for repetition in 0..REPETITIONS {
        let version = ann.client.get(&path).await["version"].to_string();
        let client = ann.client.clone().with_header("if-match", &format!("\"{version}\""));
        let conditional = TestUser { client, ..ann.clone() };
        let rename = |name: String| {
            request(&conditional, Method::PATCH, path.clone(), json!({ "display_name": name }))
        };
        let responses =
            race(rename(format!("One {repetition}")), rename(format!("Other {repetition}"))).await;
        let mut statuses = responses.each_ref().map(|response| response.status);
        statuses.sort_unstable();
        assert_eq!(statuses, [StatusCode::OK, StatusCode::PRECONDITION_FAILED], "{responses:?}");
    }
}

async fn a_hundred_concurrent_changes_of_one_workspace_all_succeed(store: Arc<dyn TenantStore>) {
    let (app, ann) = test_app(store).await;
    let org = app.create_organization(&ann, "acme").await;
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let ws = ann.client.create(&workspaces, &json!({ "name": "shop", "plan_id": "team" })).await;
    let groups = format!("{workspaces}/{ws}/groups");
    let mut requests = JoinSet::new();
    for number in 0..100 {
        let group = json!({ "name": format!("group-{number}") });
        requests.spawn(request(&ann, Method::POST, groups.clone(), group));
    }
    let responses = requests.join_all().await;
    let failed: Vec<_> = responses.iter().filter(|response| response.status != StatusCode::CREATED).collect();
    assert!(failed.is_empty(), "{} requests failed, the first with {:?}", failed.len(), failed[0]);
}
