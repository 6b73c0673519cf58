//! What keeps tenants' hands off what Hexabase made in their cluster.
//!
//! Whoever may change roles and bindings in a project could also change ours there, and would, until the next look of
//! the reconciler, be without them or have more than was given. So the tenant's own API server refuses it, by a
//! ValidatingAdmissionPolicy (<https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/>).

use serde_json::{Value, json};

use crate::labels;
use crate::object::{Kind, Object};

/// The name of the policy and of its binding.
pub(crate) const GUARD: &str = "hexabase-guard";
/// What whoever tries is told.
pub(crate) const MESSAGE: &str =
    "this was made by Hexabase and follows what is set there: change it in Hexabase";
/// Who is not asked: Hexabase itself comes as an administrator of the cluster, and the cluster's own controllers clear
/// up. Nobody who signs in through Hexabase has such a name, since all theirs begin with a prefix.
pub(crate) const FREE_USERS: [&str; 2] = ["system:apiserver", "system:kube-controller-manager"];
pub(crate) const FREE_GROUPS: [&str; 2] = ["system:masters", "system:serviceaccounts:kube-system"];

/// The policy, and where it holds: in the whole cluster.
pub(super) fn objects() -> [Object; 2] {
    let metadata = || json!({ "name": GUARD, "labels": { labels::MANAGED: "true" } });
    let binding = json!({ "policyName": GUARD, "validationActions": ["Deny"] });
    [
        Object::of(Kind::ADMISSION_POLICY, metadata(), [("spec", policy())]),
        Object::of(Kind::ADMISSION_POLICY_BINDING, metadata(), [("spec", binding)]),
    ]
}

fn policy() -> Value {
    let rule = |group: &str, resources: &[&str]| {
        json!({
            "apiGroups": [group],
            "apiVersions": ["v1"],
            "operations": ["CREATE", "UPDATE", "DELETE"],
            "resources": resources,
        })
    };
    let roles = ["clusterrolebindings", "clusterroles", "rolebindings", "roles"];
    let somebody = format!(
        "!(request.userInfo.username in {FREE_USERS:?}) && \
         !request.userInfo.groups.exists(group, group in {FREE_GROUPS:?})"
    );
    let not_ours = |object: &str| {
        let labels = format!("{object}.metadata.labels");
        format!("({object} == null || !has({labels}) || !('{}' in {labels}))", labels::MANAGED)
    };
    json!({
        "failurePolicy": "Fail",
        "matchConstraints": { "resourceRules": [
            rule("", &["limitranges", "namespaces", "resourcequotas"]),
            rule("rbac.authorization.k8s.io", &roles),
        ] },
        "matchConditions": [{ "name": "somebody-else", "expression": somebody }],
        "validations": [{
            // The object as it would be, and as it is: nobody takes our label off either.
            "expression": format!("{} && {}", not_ours("object"), not_ours("oldObject")),
            "message": MESSAGE,
            "reason": "Forbidden",
        }],
    })
}
