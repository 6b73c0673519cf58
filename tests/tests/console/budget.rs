//! Budget of the pages, over all routes: round trips to the store, and the size of the documents.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use hexabase_console::routes;
use hexabase_core::store::MemoryStore;
use hexabase_tests::{CountingStore, TestApp};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::Browser;

/// Budget, which the tests in browsers share.
const BUDGET: &str = include_str!("../../../hexabase-console/budget.json");

/// Returns a limit of the budget.
fn limit(path: &str) -> u64 {
    let budget: Value = serde_json::from_str(BUDGET).unwrap();
    budget.pointer(path).and_then(Value::as_u64).unwrap()
}

/// Page that may exceed the limits of the reads.
struct Exception {
    path: &'static str,
    /// Maximum number of reads, and of those of them that wait for each other.
    limits: (u64, u64),
    reason: &'static str,
}

const EXCEPTIONS: &[Exception] = &[
    Exception {
        path: "/console/orgs/{org}/workspaces/{ws}/activity",
        limits: (6, 5),
        reason: "the groups of plain members permit the page before its tasks are read",
    },
    Exception {
        path: "/console/orgs/{org}/delete",
        limits: (8, 5),
        reason: "the consequences, the subscription and the time of the sign-in are independent facts",
    },
    Exception {
        path: "/console/orgs/{org}/members/{user}",
        limits: (7, 4),
        reason: "the person, the membership and the inventory are independent facts",
    },
    Exception {
        path: "/console/orgs/{org}/service-accounts/{id}",
        limits: (7, 5),
        reason: "the inventory that manages the object is read once the page is permitted",
    },
    Exception {
        path: "/console/orgs/{org}/workspaces/{ws}/projects/{prj}/roles/{rol}",
        limits: (6, 5),
        reason: "the inventory that manages the object is read once the page is permitted",
    },
    Exception {
        path: "/console/orgs/{org}/workspaces/{ws}/projects/{prj}",
        limits: (6, 5),
        reason: "the inventory that manages the object is read once the page is permitted",
    },
    Exception {
        path: "/console/orgs/{org}/workspaces/{ws}",
        limits: (7, 6),
        reason: "the inventory that manages the object is read once the page is permitted",
    },
    Exception {
        path: "/console/orgs/{org}",
        limits: (10, 4),
        reason: "money, limits, workspaces, records and first steps are independent facts",
    },
    Exception {
        path: "/console/admin",
        limits: (10, 4),
        reason: "backends, queue, workspaces, leases and host clusters are independent facts",
    },
    Exception {
        path: "/console/orgs/{org}/billing/usage",
        limits: (10, 4),
        reason: "usage by workspace and by hour, the reports of it, and the month are independent facts",
    },
    Exception {
        path: "/console/orgs/{org}/billing/plans",
        limits: (7, 4),
        reason: "each plan is compared with the workspaces, the members and the open invitations",
    },
    Exception {
        path: "/console/orgs/{org}/billing/plans/{plan}",
        limits: (7, 5),
        reason: "as the list of plans; the preview needs the account",
    },
    Exception {
        path: "/console/orgs/{org}/workspaces/{ws}/groups/{grp}",
        limits: (8, 7),
        reason: "members are read by their memberships, candidates for users who may add them, and the inventory",
    },
    Exception {
        path: "/console/orgs/{org}/workspaces/{ws}/alerts",
        limits: (7, 5),
        reason: "rules, their limit, and authors of silences are independent facts",
    },
    Exception {
        path: "/console/orgs/{org}/workspaces/{ws}/alert-rules/{id}",
        limits: (7, 6),
        reason: "the rule says in which project it is; and the inventory",
    },
    Exception {
        path: "/console/orgs/{org}/workspaces/{ws}/alert-rules/{id}/delete",
        limits: (6, 5),
        reason: "the rule says in which project it is",
    },
    Exception {
        path: "/console/orgs/{org}/workspaces/{ws}/alert-rules/{id}/silence",
        limits: (6, 5),
        reason: "the rule says in which project it is",
    },
];

/// Reads of the store for one request.
#[derive(Debug)]
struct Cost {
    reads: BTreeMap<&'static str, u64>,
    rounds: u64,
}

impl Cost {
    async fn of(store: &CountingStore, browser: &Browser<'_>, path: &str) -> Self {
        let (before, rounds) = (store.operations(), store.rounds());
        let page = browser.get(path).await;
        let is_expected =
            matches!(page.status, StatusCode::OK | StatusCode::SEE_OTHER | StatusCode::NO_CONTENT);
        assert!(is_expected, "{path}: {} {}", page.status, page.text);
        let reads = store.operations().into_iter().filter_map(|(method, count)| {
            let more = count - before.get(method).copied().unwrap_or_default();
            (more > 0).then_some((method, more))
        });
        Self { reads: reads.collect(), rounds: store.rounds() - rounds }
    }

    fn total(&self) -> u64 {
        self.reads.values().sum()
    }
}

#[tokio::test]
async fn no_page_exceeds_its_round_trips() {
    let store = CountingStore::suspending(Arc::new(MemoryStore::new()));
    let app = TestApp::with_console_on(store.clone()).await;
    let ann = app.sign_in("ann").await;
    let params = app.create_full_organization(&ann, "acme").await;
    let owner = Browser::sign_in(&app, "ann").await;
    let member = Browser::sign_in(&app, "member-of-acme").await;
    let operator = Browser::sign_in(&app, "operator").await;
    let (reads, rounds) = (limit("/store/reads"), limit("/store/rounds"));
    let mut exceeded = Vec::new();
    for route in routes().iter().filter(|route| route.method == Method::GET) {
        let path = params.path(route.path);
        let exception = EXCEPTIONS.iter().find(|exception| exception.path == route.path);
        let (reads, rounds) = exception.map_or((reads, rounds), |exception| exception.limits);
        for browser in [&owner, &member, &operator] {
            // The first request after a change fills the cache of access facts.
            if browser.get(&path).await.status.is_client_error() {
                continue;
            }
            let cost = Cost::of(&store, browser, &path).await;
            if cost.total() > reads || cost.rounds > rounds {
                let reason = exception.map_or("", |exception| exception.reason);
                exceeded.push(format!("{path}: {cost:?}, at most {reads} and {rounds} {reason}"));
            }
        }
    }
    for exception in EXCEPTIONS {
        assert!(routes().iter().any(|route| route.path == exception.path), "{}", exception.path);
    }
    assert!(exceeded.is_empty(), "{}", exceeded.join("\n"));
}

/// Returns the length of the page that a browser receives, which accepts compressed ones.
async fn compressed_length(browser: &Browser<'_>, path: &str) -> usize {
    let request = Request::get(path).header("accept", "text/html").header("accept-encoding", "gzip");
    let request = request.header("cookie", &browser.cookies).body(Body::empty()).unwrap();
    let response = browser.app.router.clone().oneshot(request).await.unwrap();
    response.into_body().collect().await.unwrap().to_bytes().len()
}

/// Counts the elements of a page.
fn elements(page: &str) -> usize {
    let is_start = |tag: &&str| tag.starts_with(|first: char| first.is_ascii_alphabetic());
    page.split('<').skip(1).filter(is_start).count()
}

#[tokio::test]
async fn no_page_exceeds_its_size() {
    let app = TestApp::with_console().await;
    let ann = app.sign_in("ann").await;
    let params = app.create_full_organization(&ann, "acme").await;
    let accounts = format!("/api/v1/organizations/{}/service-accounts", params.id("org"));
    for number in 0..50 {
        let account = json!({ "name": format!("robot-{number}"), "role": "member" });
        ann.client.create(&accounts, &account).await;
    }
    let owner = Browser::sign_in(&app, "ann").await;
    let limits = ["/page/gzip_bytes", "/page/raw_bytes", "/page/nodes"].map(limit);
    let mut exceeded = Vec::new();
    for route in routes().iter().filter(|route| route.method == Method::GET) {
        let path = params.path(route.path);
        let page = owner.get(&path).await;
        let kind = page.headers.get("content-type").and_then(|kind| kind.to_str().ok());
        if page.status != StatusCode::OK || !kind.is_some_and(|kind| kind.starts_with("text/html")) {
            continue;
        }
        let found = [compressed_length(&owner, &path).await, page.text.len(), elements(&page.text)];
        if found.iter().zip(limits).any(|(found, limit)| u64::try_from(*found).unwrap() > limit) {
            exceeded.push(format!("{path}: bytes compressed, bytes and elements: {found:?}"));
        }
    }
    assert!(exceeded.is_empty(), "{}", exceeded.join("\n"));
}
