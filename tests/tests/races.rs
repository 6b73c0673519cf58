//! Callers who want contradictory things at the same moment: one of them gets it.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::future::Future;
use std::sync::Arc;

use axum::http::{Method, StatusCode};
use hexabase_core::store::{MemoryStore, TenantStore};
use hexabase_store::SqliteStore;
use hexabase_tests::{Answer, Person, World};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// How often each race is run.
const ROUNDS: usize = 15;

async fn memory() -> (Arc<dyn TenantStore>, ()) {
    (Arc::new(MemoryStore::new()), ())
}

async fn sqlite() -> (Arc<dyn TenantStore>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("hexabase.db")).await.unwrap();
    (Arc::new(store), folder)
}

/// Every race on every store.
macro_rules! races {
    ($($race:ident),+ $(,)?) => {
        mod in_memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $race() {
                super::$race(super::memory().await.0).await;
            })+
        }
        mod in_a_file {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $race() {
                let (store, _folder) = super::sqlite().await;
                super::$race(store).await;
            })+
        }
        mod on_a_server {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $race() {
                let (store, _server) = hexabase_tests::backends::postgres().await;
                super::$race(std::sync::Arc::new(store)).await;
            })+
        }
    };
}

races![
    two_creates_at_once_cannot_exceed_a_limit,
    two_moves_at_once_cannot_make_a_cycle,
    two_demotions_at_once_cannot_remove_the_last_owner,
    a_refresh_token_shown_twice_at_once_is_answered_alike_and_old_ones_end_the_family,
    the_same_request_twice_at_once_is_done_once,
    two_changes_of_one_version_at_once_do_not_overwrite_each_other,
    a_hundred_who_change_one_workspace_at_once_are_all_heard,
];

async fn world(store: Arc<dyn TenantStore>) -> (World, Person) {
    let world = World::with(|builder| builder.with_store(store)).await;
    let ann = world.person("ann").await;
    (world, ann)
}

/// Runs two requests at the same time, on threads of their own.
async fn race<F>(one: F, other: F) -> [Answer; 2]
where
    F: Future<Output = Answer> + Send + 'static,
{
    let (one, other) = (tokio::spawn(one), tokio::spawn(other));
    [one.await.unwrap(), other.await.unwrap()]
}

fn request(
    person: &Person,
    method: Method,
    path: String,
    body: Value,
) -> impl Future<Output = Answer> + Send + use<> {
    let client = person.client.clone();
    async move { client.send(method, &path, &body).await }
}

/// That one answer is a success, and the other is refused for this reason.
fn assert_one_wins(answers: &[Answer; 2], code: &str) {
    let refused: Vec<&Answer> = answers.iter().filter(|answer| !answer.status.is_success()).collect();
    assert_eq!(refused.len(), 1, "{answers:?}");
    assert_eq!(
        (refused[0].status, &refused[0].body["code"]),
        (StatusCode::CONFLICT, &json!(code)),
        "{refused:?}"
    );
}

async fn two_creates_at_once_cannot_exceed_a_limit(store: Arc<dyn TenantStore>) {
    let (world, ann) = world(store).await;
    for round in 0..ROUNDS {
        let org = world.organization(&ann, &format!("acme-{round}")).await;
        let path = format!("/api/v1/organizations/{org}/workspaces");
        let wanted = |name: &str| json!({ "name": name, "plan_id": "starter" });
        // The plan allows three.
        ann.client.make(&path, &wanted("first")).await;
        ann.client.make(&path, &wanted("second")).await;
        let create = |name: &str| request(&ann, Method::POST, path.clone(), wanted(name));
        assert_one_wins(&race(create("one"), create("other")).await, "quota_exceeded");
        assert_eq!(ann.client.get(&path).await["items"].as_array().unwrap().len(), 3);
    }
}

async fn two_moves_at_once_cannot_make_a_cycle(store: Arc<dyn TenantStore>) {
    let (world, ann) = world(store).await;
    let org = world.organization(&ann, "acme").await;
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let ws = ann.client.make(&workspaces, &json!({ "name": "shop", "plan_id": "team" })).await;
    let groups = format!("{workspaces}/{ws}/groups");
    for round in 0..ROUNDS {
        let left = ann.client.make(&groups, &json!({ "name": format!("left-{round}") })).await;
        let right = ann.client.make(&groups, &json!({ "name": format!("right-{round}") })).await;
        let put = |group: &str, under: &str| {
            request(&ann, Method::PATCH, format!("{groups}/{group}"), json!({ "parent_id": under }))
        };
        assert_one_wins(&race(put(&left, &right), put(&right, &left)).await, "cycle");
    }
}

async fn two_demotions_at_once_cannot_remove_the_last_owner(store: Arc<dyn TenantStore>) {
    let (world, ann) = world(store).await;
    for round in 0..ROUNDS {
        let org = world.organization(&ann, &format!("acme-{round}")).await;
        let bob = world.member(&ann, &org, "bob", "owner").await;
        let demote = |who: &Person| {
            let path = format!("/api/v1/organizations/{org}/members/{}", who.id);
            request(who, Method::PUT, path, json!({ "role": "member" }))
        };
        assert_one_wins(&race(demote(&ann), demote(&bob)).await, "last_owner");
    }
}

async fn a_refresh_token_shown_twice_at_once_is_answered_alike_and_old_ones_end_the_family(
    store: Arc<dyn TenantStore>,
) {
    let (world, _) = world(store).await;
    for round in 0..ROUNDS {
        let email = json!({ "email": format!("cara-{round}@example.com") });
        let signed_in = world.anonymous().must(Method::POST, "/auth/dev/login", &email).await;
        let refresh = |token: &Value| {
            let (client, body) = (world.anonymous(), json!({ "refresh_token": token }));
            async move { client.send(Method::POST, "/auth/refresh", &body).await }
        };
        let first = &signed_in["refresh_token"];
        let answers = race(refresh(first), refresh(first)).await;
        assert!(answers.iter().all(|answer| answer.status.is_success()), "{answers:?}");
        let second = &answers[0].body["refresh_token"];
        assert_eq!(*second, answers[1].body["refresh_token"], "one would end the other");
        assert!(refresh(second).await.status.is_success());
        // The first is two generations old by now. Whoever is second meets a family that is over.
        for answer in race(refresh(first), refresh(first)).await {
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        }
        for pair in answers {
            let access = pair.body["access_token"].as_str().unwrap();
            let me = world.anonymous().with_bearer(access).send(Method::GET, "/auth/me", &Value::Null).await;
            assert_eq!(me.status, StatusCode::UNAUTHORIZED, "the family lives on");
        }
        let again = world.anonymous().must(Method::POST, "/auth/dev/login", &email).await;
        let client = world.anonymous().with_bearer(again["access_token"].as_str().unwrap());
        let events = client.get("/auth/security-events").await.to_string();
        assert_eq!(events.matches("refresh_reused").count(), 1, "{events}");
    }
}

async fn the_same_request_twice_at_once_is_done_once(store: Arc<dyn TenantStore>) {
    let (_world, ann) = world(store).await;
    for round in 0..ROUNDS {
        let client = ann.client.clone().with_header("idempotency-key", &format!("round-{round}"));
        let same = Person { client, ..ann.clone() };
        let body = json!({ "name": format!("acme-{round}"), "display_name": "Acme" });
        let create = || request(&same, Method::POST, "/api/v1/organizations".to_owned(), body.clone());
        let [one, other] = race(create(), create()).await;
        assert_eq!(
            (one.status, other.status),
            (StatusCode::CREATED, StatusCode::CREATED),
            "{one:?} {other:?}"
        );
        assert_eq!(one.body["id"], other.body["id"]);
    }
    let mine = ann.client.get("/api/v1/organizations?limit=100").await;
    // One per round, and the personal one.
    assert_eq!(mine["items"].as_array().unwrap().len(), ROUNDS + 1);
}

async fn two_changes_of_one_version_at_once_do_not_overwrite_each_other(store: Arc<dyn TenantStore>) {
    let (world, ann) = world(store).await;
    let org = world.organization(&ann, "acme").await;
    let path = format!("/api/v1/organizations/{org}");
    for round in 0..ROUNDS {
        let version = ann.client.get(&path).await["version"].to_string();
        let client = ann.client.clone().with_header("if-match", &format!("\"{version}\""));
        let there = Person { client, ..ann.clone() };
        let rename =
            |name: String| request(&there, Method::PATCH, path.clone(), json!({ "display_name": name }));
        let answers = race(rename(format!("One {round}")), rename(format!("Other {round}"))).await;
        let mut statuses = answers.each_ref().map(|answer| answer.status);
        statuses.sort_unstable();
        assert_eq!(statuses, [StatusCode::OK, StatusCode::PRECONDITION_FAILED], "{answers:?}");
    }
}

async fn a_hundred_who_change_one_workspace_at_once_are_all_heard(store: Arc<dyn TenantStore>) {
    let (world, ann) = world(store).await;
    let org = world.organization(&ann, "acme").await;
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let ws = ann.client.make(&workspaces, &json!({ "name": "shop", "plan_id": "team" })).await;
    let groups = format!("{workspaces}/{ws}/groups");
    let mut makers = JoinSet::new();
    for number in 0..100 {
        let group = json!({ "name": format!("group-{number}") });
        makers.spawn(request(&ann, Method::POST, groups.clone(), group));
    }
    let answers = makers.join_all().await;
    let unheard: Vec<_> = answers.iter().filter(|answer| answer.status != StatusCode::CREATED).collect();
    assert!(unheard.is_empty(), "{} of them: {:?}", unheard.len(), unheard[0]);
}
