//! Operators' area: host clusters, dead letters, signing keys, organizations and proofs.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use hexabase_core::changeset::{Changeset, OutboxMessage, Topic};
use hexabase_core::id::{OrganizationId, UserId};
use hexabase_core::id_source::IdSourceExt as _;
use hexabase_tests::TestApp;
use hexabase_tests::hosts::MEMORY_KUBECONFIG;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{Browser, location, value_of};

const HOSTS: &str = "/console/admin/hosts";
const QUEUE: &str = "/console/admin/queue";
const KEYS: &str = "/console/admin/keys";

#[tokio::test]
async fn the_area_is_visible_to_operators_only() {
    let app = TestApp::with_console().await;
    let (operator, ann) = (Browser::sign_in(&app, "operator").await, Browser::sign_in(&app, "ann").await);
    let link = "href=\"/console/admin\"";
    assert!(operator.get("/console/orgs").await.text.contains(link));
    assert!(!ann.get("/console/orgs").await.text.contains(link));
    let page = operator.get("/console/admin").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    for part in [env!("CARGO_PKG_VERSION"), HOSTS, QUEUE, KEYS, "Messages in the queue", "Host clusters"] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    let rejected = ann.get("/console/admin").await;
    assert_eq!(rejected.status, StatusCode::FORBIDDEN);
    assert!(!rejected.text.contains("Messages in the queue"));
}

#[tokio::test]
async fn a_host_is_registered_cordoned_changed_and_unregistered() {
    let app = TestApp::with_console().await;
    let operator = Browser::sign_in(&app, "operator").await;
    let new = format!("{HOSTS}/new");
    let fields = [
        ("name", "ｆｒａ"),
        ("kubeconfig", MEMORY_KUBECONFIG),
        ("region", "eu"),
        ("labels", "gpu=a100\ntier = gold"),
        ("capacity", "many"),
    ];
    let rejected = operator.submit(&new, &fields).await;
    assert_eq!(rejected.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(rejected.text.contains("id=\"capacity-error\"") && rejected.text.contains("gpu=a100"));
    assert!(!rejected.text.contains(MEMORY_KUBECONFIG), "a secret is entered again");
    let fields = [&fields[..4], &[("capacity", "7")]].concat();
    let registered = operator.submit(&new, &fields).await;
    let host = format!("{HOSTS}/fra");
    assert_eq!(location(&registered), host, "{}", registered.text);
    let page = operator.follow(&registered).await;
    assert!(page.text.contains("The host cluster fra is registered."), "{}", page.text);
    assert!(page.text.contains("tier=gold") && !page.text.contains(MEMORY_KUBECONFIG), "{}", page.text);
    assert!(page.text.contains("Cordon the host cluster first"), "{}", page.text);
    let list = operator.get(HOSTS).await;
    assert!(list.text.contains(&format!("href=\"{host}\"")) && list.text.contains("not checked yet"));

    let version = value_of(&page, "version");
    let cordoned = operator.submit(&host, &[("intent", "cordon")]).await;
    let page = operator.follow(&cordoned).await;
    assert!(
        page.text.contains("The host cluster is cordoned.") && page.text.contains("Undo"),
        "{}",
        page.text
    );
    assert!(page.text.contains("name=\"intent\" value=\"uncordon\""), "{}", page.text);
    let secret = [("version", version.as_str()), ("capacity", "8"), ("kubeconfig", MEMORY_KUBECONFIG)];
    let outdated = operator.submit(&host, &secret).await;
    assert_eq!(outdated.status, StatusCode::PRECONDITION_FAILED, "{}", outdated.text);
    assert!(!outdated.text.contains("name=\"kubeconfig\""), "{}", outdated.text);
    assert!(outdated.text.contains("enter them again"), "{}", outdated.text);

    let change = [("region", ""), ("capacity", "9"), ("labels", ""), ("settings", ""), ("kubeconfig", "")];
    let changed = operator.submit(&host, &change).await;
    assert_eq!(location(&changed), host, "{}", changed.text);
    let known = app.platform.hosts().get(&"fra".parse().unwrap()).await.unwrap().host;
    assert_eq!((known.capacity, known.region, known.cordoned), (9, None, true));
    assert!(known.labels.is_empty(), "an emptied field removes all labels: {:?}", known.labels);

    let unregister = |name| [("intent", "unregister"), ("confirm_name", name)];
    let mistyped = operator.submit(&host, &unregister("fr")).await;
    assert_eq!(mistyped.status, StatusCode::UNPROCESSABLE_ENTITY);
    let done = operator.submit(&host, &unregister("fra")).await;
    assert_eq!(location(&done), HOSTS, "{}", done.text);
    assert_eq!(operator.get(&host).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_host_of_the_configuration_is_read_only() {
    let app = TestApp::with_console().await;
    let operator = Browser::sign_in(&app, "operator").await;
    let page = operator.get(&format!("{HOSTS}/memory")).await;
    assert!(
        page.text.contains("Change it there.") && !page.text.contains("value=\"cordon\""),
        "{}",
        page.text
    );
    let csrf = value_of(&page, "csrf");
    let path = format!("{HOSTS}/memory");
    let rejected = operator.post(&path, &[("csrf", &csrf), ("intent", "cordon")]).await;
    assert_eq!(rejected.status, StatusCode::CONFLICT, "{}", rejected.text);
}

#[tokio::test]
async fn a_dead_letter_is_shown_with_its_reason_and_retried() {
    let app = TestApp::with_console().await;
    let operator = Browser::sign_in(&app, "operator").await;
    assert!(operator.get(QUEUE).await.text.contains("There are no dead letters."));
    let (queue, now) = (app.platform.queue(), app.platform.clock().now());
    let organization_id: OrganizationId = app.platform.ids().id(now);
    let message = OutboxMessage {
        id: app.platform.ids().id(now),
        topic: Topic::Reconcile,
        organization_id,
        workspace_id: None,
        payload: Vec::new(),
        trace_parent: None,
    };
    queue.publish(&message, Duration::ZERO).await.unwrap();
    let delivery = queue.receive(1, Duration::from_secs(5)).await.unwrap().remove(0);
    queue.dead_letter(&delivery, "<b>host is away</b>").await.unwrap();
    let page = operator.get(QUEUE).await;
    assert!(page.text.contains("&lt;b&gt;host is away&lt;/b&gt;"), "{}", page.text);
    let id = message.id.to_string();
    let retried = operator.submit(QUEUE, &[("message", &id)]).await;
    assert!(operator.follow(&retried).await.text.contains("The message is in the queue again."));
    assert_eq!(queue.count_dead_letters().await.unwrap(), 0);
    let again = operator.submit(QUEUE, &[("message", &id)]).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn keys_are_rotated_and_retired_after_a_recent_sign_in_only() {
    let app = TestApp::with_console().await;
    let operator = Browser::sign_in(&app, "operator").await;
    let now = app.platform.clock().now();
    set_authentication(&app, Some(now)).await;
    let keys = async || app.state.auth().keys().list().await.unwrap();
    let first = keys().await[0].kid.clone();
    let rotated = operator.submit(KEYS, &[("intent", "rotate")]).await;
    assert!(operator.follow(&rotated).await.text.contains("New signing keys are published."));
    assert!(keys().await.len() > 1);
    let confirm = operator.get(&format!("{KEYS}?retire={first}")).await;
    assert!(confirm.text.contains("name=\"confirm_name\""), "{}", confirm.text);
    let retire = |name| [("intent", "retire"), ("kid", first.as_str()), ("confirm_name", name)];
    let mistyped = operator.submit(KEYS, &retire("other")).await;
    assert_eq!(mistyped.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", mistyped.text);
    let retired = operator.submit(KEYS, &retire(first.as_str())).await;
    assert!(operator.follow(&retired).await.text.contains("The key is retired."));
    assert!(keys().await.iter().all(|key| key.kid != first));

    let csrf = value_of(&operator.get(KEYS).await, "csrf");
    // A provider that states no time may have asked for nothing.
    for authenticated_at in [Some(now - SignedDuration::from_mins(11)), None] {
        set_authentication(&app, authenticated_at).await;
        let page = operator.get(KEYS).await;
        assert!(
            page.text.contains("/auth/login/dev?") && page.text.contains("prompt=login"),
            "{}",
            page.text
        );
        assert!(!page.text.contains("value=\"rotate\""), "{}", page.text);
        let count = keys().await.len();
        let rejected = operator.post(KEYS, &[("csrf", &csrf), ("intent", "rotate")]).await;
        assert_eq!(rejected.status, StatusCode::CONFLICT, "{}", rejected.text);
        assert_eq!(keys().await.len(), count);
    }
}

/// Sets the time at which the operator authenticated, in all sessions.
async fn set_authentication(app: &TestApp, authenticated_at: Option<Timestamp>) {
    let user: UserId = app.sign_in("operator").await.id.parse().unwrap();
    for mut session in app.state.auth().sessions().list(user).await.unwrap() {
        session.authenticated_at = authenticated_at;
        app.platform.commit(Changeset::new().session(session)).await.unwrap();
    }
}

#[tokio::test]
async fn an_organization_is_suspended_with_a_reason_and_resumed() {
    let app = TestApp::with_console().await;
    let ann = app.sign_in("ann").await;
    let older = app.create_organization(&ann, "older").await;
    let org = app.create_organization(&ann, "acme").await;
    // An older organization with its id as display name does not hide it.
    let path = format!("/api/v1/organizations/{older}");
    ann.client.send_ok(Method::PATCH, &path, &json!({ "display_name": org })).await;
    let operator = Browser::sign_in(&app, "operator").await;
    let list = operator.get("/console/admin/organizations?q=ACM").await;
    let page = format!("/console/admin/organizations/{org}");
    assert!(list.text.contains(&format!("href=\"{page}\"")), "{}", list.text);
    let none = operator.get("/console/admin/organizations?q=nothing").await;
    assert!(none.text.contains("Nothing matches the filters"), "{}", none.text);

    let too_long = "x".repeat(501);
    let rejected = operator.submit(&page, &[("intent", "suspend"), ("reason", &too_long)]).await;
    assert_eq!(rejected.status, StatusCode::UNPROCESSABLE_ENTITY);
    let suspended = operator.submit(&page, &[("intent", "suspend"), ("reason", "<i>abuse</i>")]).await;
    let shown = operator.follow(&suspended).await;
    for part in ["The organization is suspended.", "&lt;i&gt;abuse&lt;/i&gt;", "Undo"] {
        assert!(shown.text.contains(part), "{part}: {}", shown.text);
    }
    let member = Browser::sign_in(&app, "ann").await;
    let seen = member.get(&format!("/console/orgs/{org}")).await;
    assert!(seen.text.contains("&lt;i&gt;abuse&lt;/i&gt;"), "{}", seen.text);
    let twice = operator.submit(&page, &[("intent", "suspend")]).await;
    assert_eq!(twice.status, StatusCode::CONFLICT, "{}", twice.text);
    let resumed = operator.submit(&page, &[("intent", "resume")]).await;
    assert!(operator.follow(&resumed).await.text.contains("The organization is resumed."));

    let proof = operator.get(&format!("{page}?month=2026-11")).await;
    assert!(proof.text.contains("no usage to compare"), "{}", proof.text);
    let invalid = operator.get(&format!("{page}?month=nonsense")).await;
    assert!(invalid.text.contains("id=\"month-error\""), "{}", invalid.text);
    let unknown = operator.get("/console/admin/organizations/org_01h455vb4pex5vsknk084sn02q").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn proofs_list_running_workspaces_without_a_report_as_not_decided() {
    let app = TestApp::with_console().await;
    let operator = Browser::sign_in(&app, "operator").await;
    let proofs = "/console/admin/proofs";
    assert!(operator.get(proofs).await.text.contains("No control plane runs."));
    let ann = app.sign_in("ann").await;
    let org = app.create_organization(&ann, "acme").await;
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let ws = ann.client.create(&workspaces, &json!({ "name": "shop", "plan_id": "team" })).await;
    app.wait_until_ready(&ann.client, &format!("{workspaces}/{ws}")).await;
    let page = operator.get(proofs).await;
    assert!(page.text.contains(&ws) && page.text.contains(&org), "{}", page.text);
    assert!(page.text.contains("0 failed"), "{}", page.text);
    let after = operator.get(&format!("{proofs}?after={ws}")).await;
    assert!(!after.text.contains("<tbody>"), "{}", after.text);
}

#[tokio::test]
async fn each_page_of_the_area_is_in_japanese_without_markup_of_names() {
    let app = TestApp::with_console().await;
    let ann = app.sign_in("ann").await;
    let name = "<img src=x onerror=alert(1)>";
    let body = json!({ "name": "markup", "display_name": name });
    let org = ann.client.create("/api/v1/organizations", &body).await;
    let operator = Browser::sign_in(&app, "operator").await;
    let japanese = Browser { cookies: format!("{}; hexabase_preferences=ja", operator.cookies), ..operator };
    let organization = format!("organizations/{org}");
    for page in [
        "",
        "hosts",
        "hosts/new",
        "hosts/memory",
        "queue",
        "keys",
        "plans",
        "organizations",
        &organization,
        "proofs",
    ] {
        let path = format!("/console/admin/{page}");
        let response = japanese.get(path.trim_end_matches('/')).await;
        assert_eq!(response.status, StatusCode::OK, "{path}: {}", response.text);
        assert!(
            response.text.contains("<html lang=\"ja\"") && response.text.contains("コマンドライン"),
            "{path}"
        );
        assert!(!response.text.contains("<img"), "{path}: {}", response.text);
    }
}
