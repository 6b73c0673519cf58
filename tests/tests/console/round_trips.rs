//! Reads of the store for a page: a fixed number, however many objects it shows.

use std::sync::Arc;

use axum::http::Method;
use hexabase_core::clock::{Clock as _, SystemClock};
use hexabase_core::store::MemoryStore;
use hexabase_tests::hosts::MEMORY_KUBECONFIG;
use hexabase_tests::{CountingStore, TestApp};
use serde_json::json;

use super::Browser;

/// Requests each page once: the first request after a change fills the cache of access facts.
async fn warm(browser: &Browser<'_>, pages: &[String]) {
    for page in pages {
        assert_eq!(browser.get(page).await.status, 200, "{page}");
    }
}

/// Number of reads of the store for each page.
async fn reads(store: &CountingStore, browser: &Browser<'_>, pages: &[String]) -> Vec<u64> {
    let total = || store.operations().values().sum::<u64>();
    let mut reads = Vec::new();
    for page in pages {
        let before = total();
        assert_eq!(browser.get(page).await.status, 200, "{page}");
        reads.push(total() - before);
    }
    reads
}

/// Asserts that each page needs as many reads for many objects as for few, and at most a number of them.
fn assert_fixed(pages: &[String], few: &[u64], many: &[u64], limit: u64) {
    for (page, (few, many)) in pages.iter().zip(few.iter().zip(many)) {
        assert_eq!(few, many, "{page}");
        assert!(*few <= limit, "{page} needs {few} reads");
    }
}

#[tokio::test]
async fn a_page_reads_nothing_per_row() {
    let store = CountingStore::new(Arc::new(MemoryStore::new()));
    let app = TestApp::with_console_on(store.clone()).await;
    let ann = app.sign_in("ann").await;
    let org = app.create_organization(&ann, "acme").await;
    let browser = Browser::sign_in(&app, "ann").await;
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let create = async |name: &str| {
        ann.client.create(&workspaces, &json!({ "name": name, "plan_id": "team" })).await;
    };
    create("first").await;
    let invitations = format!("/api/v1/organizations/{org}/invitations");
    ann.client.create(&invitations, &json!({ "email": "first@example.com", "role": "member" })).await;
    let pages =
        ["", "/workspaces", "/members", "/workspaces/new"].map(|page| format!("/console/orgs/{org}{page}"));
    let few = reads(&store, &browser, &pages).await;
    for number in 0..2 {
        create(&format!("more-{number}")).await;
        let email = format!("more-{number}@example.com");
        ann.client.create(&invitations, &json!({ "email": email, "role": "member" })).await;
    }
    assert_fixed(&pages, &few, &reads(&store, &browser, &pages).await, 10);
}

#[tokio::test]
async fn pages_of_access_read_nothing_per_row() {
    let store = CountingStore::new(Arc::new(MemoryStore::new()));
    let app = TestApp::with_console_on(store.clone()).await;
    let ann = app.sign_in("ann").await;
    let org = app.create_organization(&ann, "acme").await;
    let browser = Browser::sign_in(&app, "ann").await;
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let ws = ann.client.create(&workspaces, &json!({ "name": "shop", "plan_id": "team" })).await;
    let create = async |name: &str| {
        let project =
            ann.client.create(&format!("{workspaces}/{ws}/projects"), &json!({ "name": name })).await;
        let rules = json!([{ "api_groups": [""], "resources": ["pods"], "verbs": ["get"] }]);
        let roles = format!("{workspaces}/{ws}/projects/{project}/roles");
        ann.client.create(&roles, &json!({ "name": name, "rules": rules })).await;
        ann.client.create(&format!("{workspaces}/{ws}/groups"), &json!({ "name": name })).await;
        project
    };
    let project = create("first").await;
    let pages = [
        "projects",
        &format!("projects/{project}"),
        &format!("projects/{project}/roles"),
        "groups",
        "roles",
        "why",
    ]
    .map(|page| format!("/console/orgs/{org}/workspaces/{ws}/{page}"));
    warm(&browser, &pages).await;
    let few = reads(&store, &browser, &pages).await;
    for number in 0..3 {
        create(&format!("more-{number}")).await;
    }
    warm(&browser, &pages).await;
    assert_fixed(&pages, &few, &reads(&store, &browser, &pages).await, 7);
}

#[tokio::test]
async fn pages_of_billing_read_nothing_per_row() {
    let store = CountingStore::new(Arc::new(MemoryStore::new()));
    let app = TestApp::with_console_on(store.clone()).await;
    let ann = app.sign_in("ann").await;
    let org = app.create_organization(&ann, "acme").await;
    let browser = Browser::sign_in(&app, "ann").await;
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let create = async |name: &str| {
        ann.client.create(&workspaces, &json!({ "name": name, "plan_id": "starter" })).await;
    };
    let billing = format!("/api/v1/organizations/{org}/billing");
    ann.client
        .create(&format!("{billing}/payment-methods"), &json!({ "payment_method": "pm_card_visa" }))
        .await;
    let subscription = format!("{billing}/subscription");
    let choose = async |plan: &str| {
        let choice = json!({ "plan_id": plan });
        ann.client.send_ok(Method::PUT, &subscription, &choice).await;
    };
    choose("team").await;
    create("first").await;
    let pages = [
        "",
        "/plans",
        "/plans/team",
        "/methods",
        "/invoices",
        "/invoices/upcoming",
        "/usage",
        "/budget",
        "/leave",
    ]
    .map(|page| format!("/console/orgs/{org}/billing{page}"));
    let few = reads(&store, &browser, &pages).await;
    choose("business").await;
    choose("team").await;
    for number in 0..3 {
        create(&format!("more-{number}")).await;
    }
    assert_fixed(&pages, &few, &reads(&store, &browser, &pages).await, 12);
}

#[tokio::test]
async fn pages_of_monitoring_read_nothing_per_row() {
    let store = CountingStore::new(Arc::new(MemoryStore::new()));
    let app = TestApp::with_console_on(store.clone()).await;
    let ann = app.sign_in("ann").await;
    let org = app.create_organization(&ann, "acme").await;
    let browser = Browser::sign_in(&app, "ann").await;
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let ws = ann.client.create(&workspaces, &json!({ "name": "shop", "plan_id": "team" })).await;
    let create = async |name: &str| {
        ann.client.create(&format!("{workspaces}/{ws}/projects"), &json!({ "name": name })).await;
        let rule = json!({
            "name": name, "metric": "memory", "comparison": "above", "threshold": 1, "for": "5m",
            "severity": "warning", "notify": [ann.email],
        });
        let rule = ann.client.create(&format!("{workspaces}/{ws}/alert-rules"), &rule).await;
        app.alerts.fire(ws.parse().unwrap(), rule.parse().unwrap(), SystemClock.now());
        let silence = format!("{workspaces}/{ws}/alerts/{rule}/silence");
        ann.client.create(&silence, &json!({ "minutes": 60 })).await;
        rule
    };
    let rule = create("first").await;
    let pages = ["usage", "metrics", "alerts", "alert-rules/new", &format!("alert-rules/{rule}"), "logs"]
        .map(|page| format!("/console/orgs/{org}/workspaces/{ws}/{page}"));
    warm(&browser, &pages).await;
    let few = reads(&store, &browser, &pages).await;
    for number in 0..3 {
        create(&format!("more-{number}")).await;
    }
    warm(&browser, &pages).await;
    assert_fixed(&pages, &few, &reads(&store, &browser, &pages).await, 8);
}

#[tokio::test]
async fn pages_of_operators_and_the_search_read_nothing_per_row() {
    let store = CountingStore::new(Arc::new(MemoryStore::new()));
    let app = TestApp::with_console_on(store.clone()).await;
    let (operator, ann) = (app.sign_in("operator").await, app.sign_in("ann").await);
    let org = app.create_organization(&operator, "acme").await;
    let browser = Browser::sign_in(&app, "operator").await;
    let create = async |name: &str| {
        let workspaces = format!("/api/v1/organizations/{org}/workspaces");
        let ws = operator.client.create(&workspaces, &json!({ "name": name, "plan_id": "team" })).await;
        operator.client.create(&format!("{workspaces}/{ws}/projects"), &json!({ "name": name })).await;
        app.create_organization(&ann, name).await;
        let host = json!({ "name": name, "kubeconfig": MEMORY_KUBECONFIG });
        operator.client.send_ok(Method::POST, "/api/v1/admin/clusters", &host).await;
        app.wait_until_ready(&operator.client, &format!("{workspaces}/{ws}")).await;
    };
    create("first").await;
    let pages = [
        "admin",
        "admin/hosts",
        "admin/queue",
        "admin/keys",
        "admin/plans",
        "admin/organizations",
        "admin/proofs",
        "search?q=r",
    ]
    .map(|page| format!("/console/{page}"));
    let few = reads(&store, &browser, &pages).await;
    for number in 0..2 {
        create(&format!("further-{number}")).await;
    }
    let mut many = reads(&store, &browser, &pages).await;
    // The overview reuses the result of a recent readiness check.
    assert!(many[0] <= few[0], "{} needs {} reads", pages[0], many[0]);
    many[0] = few[0];
    assert_fixed(&pages, &few, &many, 14);
}

#[tokio::test]
async fn pages_of_the_account_and_of_records_read_nothing_per_row() {
    let store = CountingStore::new(Arc::new(MemoryStore::new()));
    let app = TestApp::with_console_on(store.clone()).await;
    let ann = app.sign_in("ann").await;
    let org = app.create_organization(&ann, "acme").await;
    let browser = Browser::sign_in(&app, "ann").await;
    let accounts = format!("/api/v1/organizations/{org}/service-accounts");
    let robot = ann.client.create(&accounts, &json!({ "name": "robot", "role": "member" })).await;
    let create = async |name: &str| {
        let token = json!({ "name": name, "scopes": ["all"] });
        ann.client.create("/api/v1/me/tokens", &token).await;
        ann.client.create(&format!("{accounts}/{robot}/tokens"), &token).await;
        ann.client.create(&accounts, &json!({ "name": name, "role": "member" })).await;
        app.sign_in("ann").await;
    };
    create("first").await;
    let own = ["tokens", "tokens/new", "sessions", "security"].map(|page| format!("/console/me/{page}"));
    let of_organization =
        ["service-accounts", &format!("service-accounts/{robot}"), "audit", "audit?action=none"]
            .map(|page| format!("/console/orgs/{org}/{page}"));
    let pages: Vec<String> = own.into_iter().chain(of_organization).collect();
    let few = reads(&store, &browser, &pages).await;
    for number in 0..3 {
        create(&format!("more-{number}")).await;
    }
    assert_fixed(&pages, &few, &reads(&store, &browser, &pages).await, 7);
}
