//! Admission policies that restrict the writes of tenant control planes on their host.
//!
//! Pod Security, quotas and NetworkPolicies apply to the tenant's namespace. These policies reject writes that they
//! still allow: ways around the scheduler, onto nodes that are not for tenants, and into the traffic of others.
//!
//! Each policy is written once, in the Common Expression Language, and rendered for the API server itself and for
//! Kyverno, where it is installed.

mod claims;
mod ingresses;
mod metadata;
mod pods;
mod resources;
mod secrets;
mod services;
mod sizes;
mod stateful_sets;
#[cfg(test)]
mod tests;

pub(crate) use ingresses::INGRESS_POLICY;

use serde_json::{Value, json};

use crate::labels::Labels;
use crate::object::{Kind, Object};

/// Rules for one kind of object; the kinds have different fields.
struct AdmissionPolicy {
    name: &'static str,
    group: &'static str,
    resources: &'static [&'static str],
    variables: Value,
    validations: Value,
}

fn policies(labels: &Labels) -> [AdmissionPolicy; 10] {
    [
        pods::policy(labels),
        pods::status_policy(),
        services::policy(),
        claims::policy(),
        secrets::policy(),
        metadata::policy(labels),
        ingresses::policy(labels),
        stateful_sets::policy(),
        resources::policy(labels),
        sizes::policy(),
    ]
}

/// CEL pattern of the names of the control plane's own volume claims.
const CONTROL_PLANE_CLAIMS: &str = "'^data-' + request.namespace + '(-etcd)?-[0-9]+$'";

/// Returns a validation with its message.
fn rule(expression: &str, message: &str) -> Value {
    json!({ "expression": expression, "message": message, "reason": "Forbidden" })
}

/// Returns a validation whose message is an expression; `message` is used if that expression fails.
fn rule_with_message_expression(expression: &str, message: &str, message_expression: &str) -> Value {
    let mut rule = rule(expression, message);
    rule["messageExpression"] = json!(message_expression);
    rule
}

/// Returns the variables of expressions by name.
fn variables<const COUNT: usize>(variables: [(&str, String); COUNT]) -> Value {
    variables
        .into_iter()
        .map(|(name, expression)| json!({ "name": name, "expression": expression }))
        .collect()
}

/// Expression for an annotation of the tenant's namespace; the empty string if it is missing.
fn namespace_annotation(key: &str) -> String {
    let annotations = "namespaceObject.metadata.annotations";
    format!("(has({annotations}) && '{key}' in {annotations} ? {annotations}['{key}'] : '')")
}

/// Selector of the namespaces of tenants.
fn tenant_namespaces(labels: &Labels) -> Value {
    json!({ "matchExpressions": [{ "key": labels.workspace(), "operator": "Exists" }] })
}

impl AdmissionPolicy {
    fn metadata(&self, labels: &Labels) -> Value {
        json!({ "name": self.name, "labels": { labels.managed(): "true" } })
    }

    /// Returns the spec that the API server and Kyverno have in common.
    fn policy(&self) -> Value {
        let control_plane = "request.userInfo.username == 'system:serviceaccount:' + request.namespace + ':vc-' + request.namespace";
        let rules = json!([{
            "apiGroups": [self.group],
            "apiVersions": ["v1"],
            "operations": ["CREATE", "UPDATE"],
            "resources": self.resources,
        }]);
        json!({
            "failurePolicy": "Fail",
            "matchConstraints": { "resourceRules": rules },
            "matchConditions": [{ "name": "a-tenants-control-plane", "expression": control_plane }],
            "variables": self.variables,
            "validations": self.validations,
        })
    }

    /// Returns the policy and its binding for the API server
    /// (<https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/>).
    fn api_server_objects(&self, labels: &Labels) -> [Object; 2] {
        let binding = json!({
            "policyName": self.name,
            "validationActions": ["Deny"],
            "matchResources": { "namespaceSelector": tenant_namespaces(labels) },
        });
        [
            Object::of(Kind::ADMISSION_POLICY, self.metadata(labels), [("spec", self.policy())]),
            Object::of(Kind::ADMISSION_POLICY_BINDING, self.metadata(labels), [("spec", binding)]),
        ]
    }

    /// Returns the policy for Kyverno (<https://kyverno.io/docs/policy-types/validating-policy/>).
    fn kyverno_object(&self, labels: &Labels) -> Object {
        let mut policy = self.policy();
        policy["matchConstraints"]["namespaceSelector"] = tenant_namespaces(labels);
        policy["validationActions"] = json!(["Deny"]);
        // The user is known only during admission, not in background scans.
        policy["evaluation"] =
            json!({ "admission": { "enabled": true }, "background": { "enabled": false } });
        // Workloads of tenants reach the host only as pods.
        policy["autogen"] = json!({ "podControllers": { "controllers": [] } });
        Object::of(Kind::KYVERNO_POLICY, self.metadata(labels), [("spec", policy)])
    }
}

/// Returns the names of all policies.
pub(super) fn names(labels: &Labels) -> Vec<&'static str> {
    policies(labels).into_iter().map(|policy| policy.name).collect()
}

/// Returns the policies for the API server.
pub(super) fn admission_policies(labels: &Labels) -> impl Iterator<Item = Object> {
    policies(labels).into_iter().flat_map(|policy| policy.api_server_objects(labels))
}

/// Returns the policies for Kyverno.
pub(super) fn kyverno_policies(labels: &Labels) -> impl Iterator<Item = Object> {
    policies(labels).into_iter().map(|policy| policy.kyverno_object(labels))
}
