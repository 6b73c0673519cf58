//! Export of the limits of alert rules.

use axum::http::{Method, StatusCode};
use hexabase_api::{ApiConfig, MetricsAccess};
use hexabase_core::id::TypedId as _;
use hexabase_tests::{Client, TestApp};
use serde_json::{Value, json};

use super::setup::{Setup, rule};

#[tokio::test]
async fn the_limits_of_all_rules_are_exported_to_the_monitoring_system_only() {
    let setup = Setup::new().await;
    let percent = json!({ "threshold": null, "percent_of_quota": 50, "comparison": "below" });
    let id = setup.create_rule(&rule("half", &percent)).await;
    let path = "/metrics/alert-rules";
    let hidden = setup.ann.client.send(Method::GET, path, &Value::Null).await;
    assert_eq!(hidden.status, StatusCode::NOT_FOUND, "the client is on no known machine");

    let metrics = Client::anonymous(hexabase_api::metrics(setup.app.state.clone()));
    let exported = metrics.send(Method::GET, path, &Value::Null).await;
    assert_eq!(exported.status, StatusCode::OK, "{}", exported.text);
    let namespace = setup.workspace_id.kubernetes_name();
    let plan = setup.app.platform.plans();
    let plan = plan.find(&hexabase_core::name::PlanId::parse("team").unwrap()).unwrap();
    let half = plan.quota.get(hexabase_core::quota::Resource::Memory).unwrap().as_f64() / 2.0;
    let expected = format!(
        "hexabase_alert_rule_threshold{{rule=\"{id}\",namespace=\"{namespace}\",project=\"\",metric=\"memory\",\
         comparison=\"below\",for=\"5m\",severity=\"warning\"}} {half}\n"
    );
    assert!(exported.text.ends_with(&expected), "{}", exported.text);

    // Within some seconds the result is reused, however often it is read.
    setup.ann.client.send_ok(Method::DELETE, &format!("{}/{id}", setup.rules()), &Value::Null).await;
    let again = metrics.send(Method::GET, path, &Value::Null).await;
    assert_eq!(again.text, exported.text);
}

#[tokio::test]
async fn a_port_for_all_clients_serves_the_export() {
    let config = ApiConfig { metrics_access: MetricsAccess::All, ..TestApp::api_config() };
    let app = TestApp::with_api(config, |builder| builder).await;
    let response = app.anonymous().send(Method::GET, "/metrics/alert-rules", &Value::Null).await;
    assert_eq!(response.status, StatusCode::OK, "{}", response.text);
    assert!(response.text.starts_with("# HELP hexabase_alert_rule_threshold"), "{}", response.text);
}
