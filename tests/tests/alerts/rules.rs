//! Creation, change and deletion of alert rules.

use axum::http::{Method, StatusCode};
use hexabase_tests::Client;
use serde_json::{Value, json};

use super::setup::{Setup, rule};

/// Fields of the errors of a rejected rule.
async fn invalid_fields(setup: &Setup, rule: &Value) -> Vec<String> {
    let (status, body) = setup.create(rule).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{rule}: {body}");
    let fields = body["errors"].as_array().unwrap().iter();
    fields.map(|error| error["field"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_rule_is_created_changed_and_deleted_under_its_version() {
    let setup = Setup::new().await;
    let notify = json!({ "notify": ["ann@example.com"] });
    let (status, created) = setup.create(&rule("memory-high", &notify)).await;
    assert_eq!(status, StatusCode::CREATED, "{created}");
    let expected = json!({
        "id": created["id"], "name": "memory-high", "project": null, "metric": "memory", "comparison": "above",
        "threshold": 1.5e9, "percent_of_quota": null, "for": "5m", "severity": "warning",
        "notify": ["ann@example.com"], "created_by": setup.ann.id, "created_at": created["created_at"],
        "updated_at": created["created_at"], "version": 1,
    });
    assert_eq!(created, expected);
    let path = format!("{}/{}", setup.rules(), created["id"].as_str().unwrap());
    assert_eq!(setup.ann.client.get(&path).await, expected);

    let change = json!({ "percent_of_quota": 80, "for": "0", "severity": "critical", "notify": [] });
    let changed = setup.ann.client.send_ok(Method::PATCH, &path, &change).await;
    assert_eq!((&changed["threshold"], &changed["percent_of_quota"]), (&Value::Null, &json!(80)));
    assert_eq!((&changed["for"], &changed["severity"]), (&json!("0"), &json!("critical")));
    assert_eq!((&changed["notify"], &changed["version"]), (&json!([]), &json!(2)));
    let unchanged = setup.ann.client.send_ok(Method::PATCH, &path, &change).await;
    assert_eq!(unchanged["version"], 2);

    for method in [Method::PATCH, Method::DELETE] {
        let client = setup.ann.client.clone().with_header("if-match", "\"1\"");
        let outdated = client.send(method, &path, &json!({ "for": "1h" })).await;
        assert_eq!(outdated.status, StatusCode::PRECONDITION_FAILED, "{}", outdated.text);
    }
    setup.ann.client.send_ok(Method::DELETE, &path, &Value::Null).await;
    assert!(setup.listed().await.is_empty());
    let again = setup.ann.client.send(Method::DELETE, &path, &Value::Null).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);

    assert_eq!(
        setup.audited("alert_rule.").await,
        ["alert_rule.delete", "alert_rule.update", "alert_rule.create"]
    );
}

#[tokio::test]
async fn a_condition_that_cannot_be_evaluated_is_rejected() {
    let setup = Setup::new().await;
    let project = format!("{}/projects", setup.workspace);
    let web = setup.ann.client.create(&project, &json!({ "name": "web" })).await;
    for (overrides, field) in [
        (json!({ "metric": "temperature" }), "metric"),
        (json!({ "comparison": "equal" }), "comparison"),
        (json!({ "for": "2m" }), "for"),
        (json!({ "severity": "fatal" }), "severity"),
        (json!({ "name": "Not A Name" }), "name"),
        (json!({ "threshold": -1 }), "threshold"),
        (json!({ "threshold": 1e300 }), "threshold"),
        (json!({ "threshold": null }), "threshold"),
        (json!({ "percent_of_quota": 50 }), "percent_of_quota"),
        (json!({ "threshold": null, "percent_of_quota": 0 }), "percent_of_quota"),
        (json!({ "threshold": null, "percent_of_quota": 101 }), "percent_of_quota"),
        (json!({ "threshold": null, "percent_of_quota": 50, "metric": "api_requests" }), "percent_of_quota"),
        (json!({ "project": "prj_00000000000000000000000000" }), "project"),
        (json!({ "project": "web" }), "project"),
        (json!({ "project": web, "metric": "api_requests" }), "project"),
    ] {
        assert_eq!(invalid_fields(&setup, &rule("new", &overrides)).await, [field], "{overrides}");
    }
    assert!(setup.listed().await.is_empty());
}

#[tokio::test]
async fn only_verified_addresses_of_persons_in_the_organization_are_notified() {
    let setup = Setup::new().await;
    setup.app.add_member(&setup.ann, &setup.organization, "bob", "member").await;
    // A user of the installation who is in another organization, an invited person, and a stranger.
    setup.app.sign_in("outsider").await;
    let invitations = format!("/api/v1/organizations/{}/invitations", setup.organization);
    let invited = json!({ "email": "invited@example.com", "role": "member" });
    setup.ann.client.create(&invitations, &invited).await;
    for (notify, fields) in [
        (json!(["bob@example.com", "outsider@example.com"]), vec!["notify[1]"]),
        (json!(["invited@example.com", "stranger@example.com"]), vec!["notify[0]", "notify[1]"]),
        (json!(["no address"]), vec!["notify[0]"]),
        (json!(["bob@example.com", "bob@example.com"]), vec!["notify"]),
        (json!(vec!["bob@example.com"; 11]), vec!["notify", "notify"]),
    ] {
        assert_eq!(invalid_fields(&setup, &rule("new", &json!({ "notify": notify }))).await, fields);
    }
    let (status, created) = setup.create(&rule("new", &json!({ "notify": ["bob@example.com"] }))).await;
    assert_eq!(status, StatusCode::CREATED, "{created}");
    let path = format!("{}/{}", setup.rules(), created["id"].as_str().unwrap());
    let stranger = json!({ "notify": ["stranger@example.com"] });
    let rejected = setup.ann.client.send(Method::PATCH, &path, &stranger).await;
    assert_eq!(rejected.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", rejected.text);
}

#[tokio::test]
async fn the_plan_limits_the_rules_of_a_workspace() {
    let setup = Setup::new().await;
    for name in ["one", "two", "three"] {
        assert_eq!(setup.create(&rule(name, &json!({}))).await.0, StatusCode::CREATED);
    }
    let (status, body) = setup.create(&rule("four", &json!({}))).await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("quota_exceeded")), "{body}");
    assert!(body["detail"].as_str().unwrap().contains("3 alert rules"), "{body}");
    let (_, twin) = setup.create(&rule("one", &json!({}))).await;
    assert_eq!(twin["code"], "quota_exceeded");
    let smaller = json!({ "plan_id": "starter" });
    let response = setup.ann.client.send(Method::PATCH, &setup.workspace, &smaller).await;
    assert_eq!(response.status, StatusCode::CONFLICT, "{}", response.text);
    assert!(response.text.contains("1 alert rules, but the workspace has 3"), "{}", response.text);
}

#[tokio::test]
async fn a_rule_of_a_project_belongs_to_the_admins_of_the_project_and_is_deleted_with_it() {
    let setup = Setup::new().await;
    let client: &Client = &setup.ann.client;
    let w = &setup.workspace;
    let [web, api] = [json!({ "name": "web" }), json!({ "name": "api" })];
    let (web, api) = (
        client.create(&format!("{w}/projects"), &web).await,
        client.create(&format!("{w}/projects"), &api).await,
    );
    let lead = setup.app.add_member(&setup.ann, &setup.organization, "lead", "member").await;
    let group = client.create(&format!("{w}/groups"), &json!({ "name": "leads" })).await;
    client.send_ok(Method::PUT, &format!("{w}/groups/{group}/members/{}", lead.id), &Value::Null).await;
    let role = json!({ "group_id": group, "role": "hexabase:project-admin" });
    client.create(&format!("{w}/projects/{web}/role-assignments"), &role).await;

    let of = |name: &str, project: &str| rule(name, &json!({ "project": project }));
    let own = lead.client.create(&setup.rules(), &of("own", &web)).await;
    let foreign = client.create(&setup.rules(), &of("foreign", &api)).await;
    let whole = client.create(&setup.rules(), &rule("whole", &json!({}))).await;
    for denied in [of("new", &api), rule("new", &json!({}))] {
        let response = lead.client.send(Method::POST, &setup.rules(), &denied).await;
        assert_eq!(response.status, StatusCode::FORBIDDEN, "{}", response.text);
    }
    let change = json!({ "for": "1h" });
    for (id, expected) in
        [(&own, StatusCode::OK), (&foreign, StatusCode::FORBIDDEN), (&whole, StatusCode::FORBIDDEN)]
    {
        let path = format!("{}/{id}", setup.rules());
        let response = lead.client.send(Method::PATCH, &path, &change).await;
        assert_eq!(response.status, expected, "{}", response.text);
    }
    client.send_ok(Method::DELETE, &format!("{w}/projects/{web}"), &Value::Null).await;
    let names: Vec<_> = setup.listed().await.iter().map(|rule| rule["name"].clone()).collect();
    assert_eq!(names, ["foreign", "whole"]);
}
