//! Plans and organizations, as operators manage them.

use axum::http::{Method, StatusCode};
use hexabase_api::admin::TenantScrapingConfig;
use hexabase_api::{ApiConfig, MetricsAccess};
use hexabase_tests::{Client, Response, TestApp, TestUser};
use serde_json::{Value, json};

const PLANS: &str = "/api/v1/admin/plans";
const ORGANIZATIONS: &str = "/api/v1/admin/organizations";

struct Setup {
    app: TestApp,
    operator: TestUser,
    ann: TestUser,
    acme: String,
}

impl Setup {
    async fn new() -> Self {
        let app = TestApp::new().await;
        let (operator, ann) = (app.sign_in("operator").await, app.sign_in("ann").await);
        let acme = app.create_organization(&ann, "acme").await;
        Self { app, operator, ann, acme }
    }

    async fn put_plans(&self, client: &Client, plans: &Value) -> Response {
        client.send(Method::PUT, PLANS, &json!({ "plans": plans })).await
    }

    async fn change(&self, verb: &str, body: &Value) -> Response {
        let path = format!("{ORGANIZATIONS}/{}/{verb}", self.acme);
        self.operator.client.send(Method::POST, &path, body).await
    }
}

fn code(response: &Response) -> (StatusCode, &str) {
    (response.status, response.body["code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn operators_change_plans_of_a_version() {
    let setup = Setup::new().await;
    let client = &setup.operator.client;
    let read = client.send(Method::GET, PLANS, &Value::Null).await;
    assert_eq!((read.status, read.headers["etag"].as_bytes()), (StatusCode::OK, b"\"1\"".as_slice()));
    assert_eq!((&read.body["version"], &read.body["updated_at"]), (&json!(1), &Value::Null));
    let organizations = read.body["used_by"].as_object().unwrap().values();
    let organizations: u64 = organizations.map(|used| used["organizations"].as_u64().unwrap()).sum();
    assert_eq!(organizations, 3, "acme and two personal organizations: {}", read.text);

    let mut plans = read.body["plans"].clone();
    let mut huge = plans[0].clone();
    (huge["id"], huge["name"], huge["display_order"]) = (json!("huge"), json!("Huge"), json!(99));
    plans.as_array_mut().unwrap().push(huge);
    let matching = client.clone().with_header("if-match", read.headers["etag"].to_str().unwrap());
    let changed = setup.put_plans(&matching, &plans).await;
    assert_eq!((changed.status, &changed.body["version"]), (StatusCode::OK, &json!(2)), "{}", changed.text);
    assert_eq!(changed.headers["etag"], "\"2\"");
    let stale = setup.put_plans(&matching, &plans).await;
    assert_eq!(code(&stale), (StatusCode::PRECONDITION_FAILED, "precondition_failed"));
    let sold = setup.app.anonymous().get("/api/v1/plans").await;
    assert!(sold["items"].as_array().unwrap().iter().any(|plan| plan["id"] == "huge"), "{sold}");

    let mut invalid = changed.body["plans"].clone();
    invalid[0]["quota"]["pods"] = json!("2500m");
    let rejected = setup.put_plans(client, &invalid).await;
    assert_eq!(code(&rejected), (StatusCode::UNPROCESSABLE_ENTITY, "invalid"));
    assert_eq!(rejected.body["errors"][0]["field"], "plans[0].quota.pods", "{}", rejected.text);
    let mut unknown = changed.body["plans"].clone();
    unknown[0]["colour"] = json!("red");
    let rejected = setup.put_plans(client, &unknown).await;
    assert_eq!(rejected.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", rejected.text);

    let without_first = Value::Array(changed.body["plans"].as_array().unwrap()[1..].to_vec());
    let rejected = setup.put_plans(client, &without_first).await;
    assert_eq!(code(&rejected), (StatusCode::CONFLICT, "plan_in_use"), "{}", rejected.text);
    let rejected = setup.put_plans(client, &read.body["plans"]).await;
    assert_eq!(code(&rejected), (StatusCode::CONFLICT, "plan_not_retired"), "{}", rejected.text);
    let rejected = setup.put_plans(&setup.ann.client, &plans).await;
    assert_eq!(rejected.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn operators_suspend_and_resume_organizations() {
    let setup = Setup::new().await;
    let workspaces = format!("/api/v1/organizations/{}/workspaces", setup.acme);
    let request = json!({ "name": "dev", "plan_id": "team" });
    let dev = setup.ann.client.create(&workspaces, &request).await;
    let dev = format!("{workspaces}/{dev}");
    setup.app.wait_until_ready(&setup.ann.client, &dev).await;

    let suspended = setup.change("suspend", &json!({ "reason": "abuse of the network" })).await;
    assert_eq!(suspended.status, StatusCode::ACCEPTED, "{}", suspended.text);
    assert_eq!(suspended.body["suspension"]["reason"], "abuse of the network");
    let organization = format!("/api/v1/organizations/{}", setup.acme);
    let seen = setup.ann.client.get(&organization).await;
    assert_eq!(seen["suspension"], suspended.body["suspension"], "members see the reason");
    assert_eq!(suspended.headers["etag"], format!("\"{}\"", seen["version"]));
    let mut workspace = setup.ann.client.get(&dev).await;
    while workspace["phase"] != "suspended" {
        setup.app.run_worker().await;
        workspace = setup.ann.client.get(&dev).await;
    }
    assert_eq!(workspace["reason"], "OrganizationSuspended");
    let request = json!({ "name": "other", "plan_id": "team" });
    for response in [
        setup.ann.client.send(Method::POST, &workspaces, &request).await,
        setup.ann.client.send(Method::POST, &format!("{dev}/resume"), &Value::Null).await,
        setup.change("suspend", &Value::Null).await,
    ] {
        assert_eq!(code(&response), (StatusCode::CONFLICT, "organization_suspended"), "{}", response.text);
    }
    let listed = setup.operator.client.get(&format!("{ORGANIZATIONS}?q=ACM")).await;
    let summary = &listed["items"][0];
    assert_eq!((&summary["members"], &summary["workspaces"]), (&json!(1), &json!(1)), "{listed}");
    assert_eq!(
        (&summary["billing_standing"], &summary["subscription_state"]),
        (&json!("good"), &Value::Null)
    );
    assert_eq!(summary["suspension"]["reason"], "abuse of the network");

    let resumed = setup.change("resume", &Value::Null).await;
    assert_eq!((resumed.status, &resumed.body["suspension"]), (StatusCode::ACCEPTED, &Value::Null));
    setup.app.wait_until_ready(&setup.ann.client, &dev).await;
    let again = setup.change("resume", &Value::Null).await;
    assert_eq!(code(&again), (StatusCode::CONFLICT, "organization_not_suspended"));
    let without_reason = setup.change("suspend", &Value::Null).await;
    assert_eq!(without_reason.body["suspension"]["reason"], Value::Null, "{}", without_reason.text);
    let log = setup.ann.client.get(&format!("{organization}/audit-events?action=organization.suspend")).await;
    assert_eq!(log["items"].as_array().unwrap().len(), 2, "{log}");
}

#[tokio::test]
async fn operators_list_all_organizations_in_pages_of_one_filter() {
    let setup = Setup::new().await;
    let client = &setup.operator.client;
    let first = client.get(&format!("{ORGANIZATIONS}?limit=1")).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = client.get(&format!("{ORGANIZATIONS}?limit=2&cursor={cursor}")).await;
    assert_eq!(second["items"].as_array().unwrap().len(), 2, "{second}");
    assert_eq!(second["next_cursor"], Value::Null);
    let other_filter = format!("{ORGANIZATIONS}?q=acme&cursor={cursor}");
    let response = client.send(Method::GET, &other_filter, &Value::Null).await;
    assert_eq!(code(&response), (StatusCode::UNPROCESSABLE_ENTITY, "invalid"), "{}", response.text);
    let by_id = client.get(&format!("{ORGANIZATIONS}?q={}", setup.acme)).await;
    assert_eq!(by_id["items"][0]["name"], "acme", "{by_id}");
    let response = setup.ann.client.send(Method::GET, ORGANIZATIONS, &Value::Null).await;
    assert_eq!(response.status, StatusCode::FORBIDDEN);
}

const TARGETS: &str = "/api/v1/admin/prometheus/targets";
const DISCOVERY_TOKEN: &str = "a token of prometheus";

async fn discovery(addresses: &[&str]) -> (TestApp, TestUser) {
    let tenant_scraping = TenantScrapingConfig {
        is_served: true,
        addresses: addresses.iter().map(|address| (*address).to_owned()).collect(),
        discovery_token: Some(DISCOVERY_TOKEN.into()),
    };
    let config = ApiConfig { tenant_scraping, metrics_access: MetricsAccess::All, ..TestApp::api_config() };
    let app = TestApp::with_api(config, |builder| builder).await;
    let ann = app.sign_in("ann").await;
    (app, ann)
}

#[tokio::test]
async fn scrape_targets_are_listed_for_operators_and_with_the_token() {
    let (app, ann) = discovery(&["worker-0:9090", "worker-1:9090"]).await;
    let operator = app.sign_in("operator").await;
    let with_token = app.anonymous().with_bearer(DISCOVERY_TOKEN);
    assert_eq!(with_token.get(TARGETS).await, json!([]));
    let organization = app.create_organization(&ann, "acme").await;
    let workspaces = format!("/api/v1/organizations/{organization}/workspaces");
    let workspace = ann.client.create(&workspaces, &json!({ "name": "shop", "plan_id": "team" })).await;
    assert_eq!(with_token.get(TARGETS).await, json!([]), "its control plane does not run yet");
    app.wait_until_ready(&ann.client, &format!("{workspaces}/{workspace}")).await;

    let listed = with_token.get(TARGETS).await;
    assert_eq!(operator.client.get(TARGETS).await, listed);
    let labels = &listed[0]["labels"];
    assert_eq!(labels["__meta_hexabase_workspace"], json!(workspace));
    assert_eq!(labels["__meta_hexabase_organization"], json!(organization));
    assert!(!listed.to_string().contains("shop"), "tenants choose no label: {listed}");
    for (client, status) in [
        (app.anonymous(), StatusCode::UNAUTHORIZED),
        (app.anonymous().with_bearer("another token"), StatusCode::UNAUTHORIZED),
        (ann.client.clone(), StatusCode::FORBIDDEN),
    ] {
        assert_eq!(client.send(Method::GET, TARGETS, &Value::Null).await.status, status);
    }
    // The token is for nothing else.
    let plans = with_token.send(Method::GET, PLANS, &Value::Null).await;
    assert_eq!(plans.status, StatusCode::UNAUTHORIZED);

    let path = labels["__metrics_path__"].as_str().unwrap();
    let metrics = app.anonymous().send(Method::GET, path, &Value::Null).await;
    assert_eq!(metrics.status, StatusCode::OK, "{}", metrics.text);
    assert!(metrics.text.contains("apiserver_request_total{"), "{}", metrics.text);
}

#[tokio::test]
async fn a_process_without_addresses_of_workers_names_the_setting() {
    let (app, _) = discovery(&[]).await;
    let response =
        app.anonymous().with_bearer(DISCOVERY_TOKEN).send(Method::GET, TARGETS, &Value::Null).await;
    assert_eq!(code(&response), (StatusCode::SERVICE_UNAVAILABLE, "unsupported"));
    assert!(response.text.contains("tenant_scrape_targets"), "{}", response.text);
}
