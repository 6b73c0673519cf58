//! Workspace with alert rules.

use axum::http::{Method, StatusCode};
use hexabase_core::id::{AlertRuleId, WorkspaceId};
use hexabase_tests::{TestApp, TestUser, plans};
use serde_json::{Value, json};

pub(crate) struct Setup {
    pub(crate) app: TestApp,
    pub(crate) ann: TestUser,
    pub(crate) organization: String,
    pub(crate) workspace: String,
    pub(crate) workspace_id: WorkspaceId,
}

impl Setup {
    /// Creates a workspace on the plan `team`, which allows three alert rules.
    pub(crate) async fn new() -> Self {
        let mut plans = plans();
        plans.iter_mut().for_each(|plan| plan.limits.alert_rules = 3);
        plans[0].limits.alert_rules = 1;
        Self::on(TestApp::with(|builder| builder.with_plans(plans)).await).await
    }

    /// Creates a workspace on a platform.
    pub(crate) async fn on(app: TestApp) -> Self {
        let ann = app.sign_in("ann").await;
        let organization = app.create_organization(&ann, "acme").await;
        let workspaces = format!("/api/v1/organizations/{organization}/workspaces");
        let id = ann.client.create(&workspaces, &json!({ "name": "shop", "plan_id": "team" })).await;
        let workspace_id = id.parse().unwrap();
        Self { app, ann, workspace: format!("{workspaces}/{id}"), organization, workspace_id }
    }

    pub(crate) fn rules(&self) -> String {
        format!("{}/alert-rules", self.workspace)
    }

    pub(crate) async fn create(&self, rule: &Value) -> (StatusCode, Value) {
        let response = self.ann.client.send(Method::POST, &self.rules(), rule).await;
        (response.status, response.body)
    }

    pub(crate) async fn create_rule(&self, rule: &Value) -> AlertRuleId {
        self.ann.client.create(&self.rules(), rule).await.parse().unwrap()
    }

    pub(crate) async fn listed(&self) -> Vec<Value> {
        self.ann.client.get(&self.rules()).await["items"].as_array().unwrap().clone()
    }

    /// Actions in the audit log that begin with a prefix, newest first.
    pub(crate) async fn audited(&self, prefix: &str) -> Vec<String> {
        let path = format!("/api/v1/organizations/{}/audit-events", self.organization);
        let log = self.ann.client.get(&path).await;
        let actions = log["items"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap());
        actions.filter(|action| action.starts_with(prefix)).map(str::to_owned).collect()
    }
}

/// Alert rule with these fields instead of the usual ones; null removes a field.
pub(crate) fn rule(name: &str, overrides: &Value) -> Value {
    let mut rule = json!({
        "name": name, "metric": "memory", "comparison": "above", "threshold": 1.5e9, "for": "5m",
        "severity": "warning",
    });
    for (field, value) in overrides.as_object().unwrap() {
        match value {
            Value::Null => drop(rule.as_object_mut().unwrap().remove(field)),
            value => rule[field] = value.clone(),
        }
    }
    rule
}
