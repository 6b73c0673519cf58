//! What a tenant's control plane may not write on its host, whatever its tenant asks it for.
//!
//! Pod security, quotas and network policies are in the tenant's namespace. What they leave open is closed here, by what is
//! written: ways around the scheduler, onto machines that are not for tenants, and into other people's traffic.
//!
//! Each guard is written once, in the Common Expression Language, and rendered for whoever is to enforce it: the API server
//! itself, and Kyverno where it is installed.

mod ingresses;
mod pods;
mod services;

pub(crate) use ingresses::INGRESS_GUARD;

use serde_json::{Value, json};

use crate::labels;
use crate::object::{Kind, Object};

/// What has to hold of some resources; there is one for each kind of object, as their fields differ.
struct Guard {
    name: &'static str,
    group: &'static str,
    resources: &'static [&'static str],
    variables: Value,
    validations: Value,
}

fn guards() -> [Guard; 3] {
    [pods::guard(), services::guard(), ingresses::guard()]
}

/// What has to hold, and what is said where it does not.
fn rule(holds: &str, message: &str) -> Value {
    json!({ "expression": holds, "message": message, "reason": "Forbidden" })
}

/// The same with what is said as an expression, which the message stands in for where that fails.
fn rule_saying(holds: &str, message: &str, expression: &str) -> Value {
    let mut rule = rule(holds, message);
    rule["messageExpression"] = json!(expression);
    rule
}

/// Variables of expressions, by their names.
fn variables<const COUNT: usize>(variables: [(&str, String); COUNT]) -> Value {
    variables
        .into_iter()
        .map(|(name, expression)| json!({ "name": name, "expression": expression }))
        .collect()
}

/// What an annotation of the tenant's namespace says; nothing where it is not there.
fn annotation(key: &str) -> String {
    let annotations = "namespaceObject.metadata.annotations";
    format!("(has({annotations}) && '{key}' in {annotations} ? {annotations}['{key}'] : '')")
}

/// In the namespaces of tenants.
fn of_tenants() -> Value {
    json!({ "matchExpressions": [{ "key": labels::WORKSPACE, "operator": "Exists" }] })
}

impl Guard {
    fn metadata(&self) -> Value {
        json!({ "name": self.name, "labels": { labels::MANAGED: "true" } })
    }

    /// What is looked at, and what has to hold of it.
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

    /// For the API server
    /// (<https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/>): a policy, and where it holds.
    fn for_the_api_server(&self) -> [Object; 2] {
        let binding = json!({
            "policyName": self.name,
            "validationActions": ["Deny"],
            "matchResources": { "namespaceSelector": of_tenants() },
        });
        [
            Object::of(Kind::ADMISSION_POLICY, self.metadata(), [("spec", self.policy())]),
            Object::of(Kind::ADMISSION_POLICY_BINDING, self.metadata(), [("spec", binding)]),
        ]
    }

    /// For Kyverno (<https://kyverno.io/docs/policy-types/validating-policy/>).
    fn for_kyverno(&self) -> Object {
        let mut policy = self.policy();
        policy["matchConstraints"]["namespaceSelector"] = of_tenants();
        policy["validationActions"] = json!(["Deny"]);
        // Who writes is known only while it is written.
        policy["evaluation"] =
            json!({ "admission": { "enabled": true }, "background": { "enabled": false } });
        // Tenants' workloads come to the host as pods.
        policy["autogen"] = json!({ "podControllers": { "controllers": [] } });
        Object::of(Kind::KYVERNO_POLICY, self.metadata(), [("spec", policy)])
    }
}

/// What the guards are called.
pub(super) fn names() -> Vec<&'static str> {
    guards().into_iter().map(|guard| guard.name).collect()
}

/// The guards as policies of the API server.
pub(super) fn admission_policies() -> impl Iterator<Item = Object> {
    guards().into_iter().flat_map(|guard| guard.for_the_api_server())
}

/// The guards as policies of Kyverno.
pub(super) fn kyverno_policies() -> impl Iterator<Item = Object> {
    guards().into_iter().map(|guard| guard.for_kyverno())
}
