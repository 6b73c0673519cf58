//! Admission policy that protects the objects of Hexabase in a tenant cluster.
//!
//! A user who may change roles and bindings in a project could also change those of Hexabase, and would have fewer or
//! more permissions than assigned until the next reconcile. So the tenant API server rejects such changes by a
//! ValidatingAdmissionPolicy (<https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/>).

use serde_json::{Value, json};

use crate::config::HostConfig;
use crate::object::{Kind, Object};

/// Name of the policy and of its binding.
const ADMISSION_POLICY_NAME: &str = "hexabase-managed-objects";
/// Message of a rejected change.
const DENIAL_MESSAGE: &str = "this object is managed by Hexabase; change it in Hexabase";
/// Users to whom the policy does not apply: the cluster's own controllers. Users that sign in through Hexabase cannot
/// have such a name, because all their names have a prefix.
const EXEMPT_USERS: [&str; 2] = ["system:apiserver", "system:kube-controller-manager"];
/// Groups to which the policy does not apply: administrators of the cluster, as which Hexabase acts, and the cluster's
/// own controllers.
const EXEMPT_GROUPS: [&str; 2] = ["system:masters", "system:serviceaccounts:kube-system"];

/// Returns the policy and its binding, which applies it to the whole cluster.
pub(crate) fn objects(config: &HostConfig) -> [Object; 2] {
    let labels = &config.labels;
    let metadata = || json!({ "name": ADMISSION_POLICY_NAME, "labels": { labels.managed(): "true" } });
    let binding = json!({ "policyName": ADMISSION_POLICY_NAME, "validationActions": ["Deny"] });
    [
        Object::of(Kind::ADMISSION_POLICY, metadata(), [("spec", policy(config))]),
        Object::of(Kind::ADMISSION_POLICY_BINDING, metadata(), [("spec", binding)]),
    ]
}

fn policy(config: &HostConfig) -> Value {
    let rule = |group: &str, resources: &[&str]| {
        // A write to a subresource such as `resourcequotas/status` can change labels as well.
        let resources: Vec<String> =
            resources.iter().flat_map(|resource| [(*resource).to_owned(), format!("{resource}/*")]).collect();
        json!({
            "apiGroups": [group],
            "apiVersions": ["v1"],
            "operations": ["CREATE", "UPDATE", "DELETE"],
            "resources": resources,
        })
    };
    let roles = ["clusterrolebindings", "clusterroles", "rolebindings", "roles"];
    let is_not_exempt = format!(
        "!(request.userInfo.username in {EXEMPT_USERS:?}) && \
         !request.userInfo.groups.exists(group, group in {EXEMPT_GROUPS:?})"
    );
    let is_unmanaged = |object: &str| {
        let present = format!("{object}.metadata.labels");
        format!("({object} == null || !has({present}) || !('{}' in {present}))", config.labels.managed())
    };
    let mut core = vec!["limitranges", "namespaces", "resourcequotas"];
    if config.scraping.is_enabled() {
        core.push("secrets");
    }
    if config.scraping.is_enabled() || !config.gitops_namespaces.is_empty() {
        core.push("serviceaccounts");
    }
    json!({
        "failurePolicy": "Fail",
        "matchConstraints": { "resourceRules": [
            rule("", &core),
            rule("rbac.authorization.k8s.io", &roles),
        ] },
        "matchConditions": [{ "name": "not-exempt", "expression": is_not_exempt }],
        "validations": [{
            // The new and the old object are checked, so that the label cannot be removed either.
            "expression": format!("{} && {}", is_unmanaged("object"), is_unmanaged("oldObject")),
            "message": DENIAL_MESSAGE,
            "reason": "Forbidden",
        }],
    })
}
