//! Node pools of a workspace.

use axum::http::{Method, StatusCode};
use hexabase_tests::TestApp;
use serde_json::{Value, json};

use super::{Browser, location, value_of};

#[tokio::test]
async fn node_pools_are_created_and_deleted() {
    let app = TestApp::with_console().await;
    let user = app.sign_in("ann").await;
    let org = app.create_organization(&user, "acme").await;
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let ws = user.client.create(&workspaces, &json!({ "name": "shop", "plan_id": "team" })).await;
    app.wait_until_ready(&user.client, &format!("{workspaces}/{ws}")).await;
    let ann = Browser::sign_in(&app, "ann").await;
    let nodes = format!("/console/orgs/{org}/workspaces/{ws}/nodes");
    let empty = ann.get(&nodes).await;
    assert!(empty.text.contains("No node pools"), "{}", empty.text);

    let invalid = ann.submit(&nodes, &[("name", "gpu"), ("class", "A100!"), ("nodes", "0")]).await;
    assert_eq!(invalid.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(invalid.text.contains("id=\"class-error\"") && invalid.text.contains("value=\"A100!\""));
    let created = ann.submit(&nodes, &[("name", "gpu"), ("class", "a100"), ("nodes", "2")]).await;
    assert_eq!(location(&created), nodes);
    assert!(ann.follow(&created).await.text.contains("The node pool gpu is created."));
    let pools = user.client.get(&format!("{workspaces}/{ws}/node-pools")).await;
    let pool = pools["items"][0]["id"].as_str().unwrap().to_owned();
    let page = format!("{nodes}/{pool}");
    assert!(ann.get(&nodes).await.text.contains(&format!("href=\"{page}\" data-dialog")));

    let form = ann.get(&page).await;
    let (csrf, version) = (value_of(&form, "csrf"), value_of(&form, "version"));
    let stale = ann.post(&page, &[("csrf", &csrf), ("version", "99")]).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED, "{}", stale.text);
    let deleted = ann.post(&page, &[("csrf", &csrf), ("version", &version)]).await;
    assert!(ann.follow(&deleted).await.text.contains("The node pool gpu is being deleted."));
    assert_eq!(ann.get(&page).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_plan_without_dedicated_nodes_is_the_reason() {
    let app = TestApp::with_console().await;
    let operator = app.sign_in("operator").await;
    let plans = operator.client.get("/api/v1/admin/plans").await;
    let mut changed = plans["plans"].clone();
    for plan in changed.as_array_mut().unwrap() {
        plan["dedicated_nodes"] = Value::from(false);
    }
    operator.client.send_ok(Method::PUT, "/api/v1/admin/plans", &json!({ "plans": changed })).await;
    let user = app.sign_in("ann").await;
    let org = app.create_organization(&user, "acme").await;
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let ws = user.client.create(&workspaces, &json!({ "name": "shop", "plan_id": "team" })).await;
    let ann = Browser::sign_in(&app, "ann").await;
    let page = ann.get(&format!("/console/orgs/{org}/workspaces/{ws}/nodes")).await;
    assert!(page.text.contains("has no dedicated nodes"), "{}", page.text);
    assert!(!page.text.contains("name=\"class\""), "{}", page.text);
}
