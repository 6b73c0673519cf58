//! What a tenant's control plane may not write on its host, whatever its tenant asks it for.
//!
//! Pod security, quotas and network policies are in the tenant's namespace. What they leave open is closed here, by what is
//! written: ways around the scheduler, onto machines that are not for tenants, and into other people's traffic.

use serde_json::{Value, json};

use crate::labels;
use crate::object::{Kind, Object};

/// The name of the policy and of its binding.
const NAME: &str = "hexabase-tenants";

/// Tolerations that no tenant's pod has any business with.
const OF_THE_HOST: [&str; 2] = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

/// The policy, and where it holds: in the namespaces of tenants.
pub(super) fn objects() -> [Object; 2] {
    let metadata = || json!({ "name": NAME, "labels": { labels::MANAGED: "true" } });
    let of_tenants = json!({ "matchExpressions": [{ "key": labels::WORKSPACE, "operator": "Exists" }] });
    let binding = json!({
        "policyName": NAME,
        "validationActions": ["Deny"],
        "matchResources": { "namespaceSelector": of_tenants },
    });
    [
        Object::of(Kind::ADMISSION_POLICY, metadata(), [("spec", policy())]),
        Object::of(Kind::ADMISSION_POLICY_BINDING, metadata(), [("spec", binding)]),
    ]
}

fn policy() -> Value {
    let pod = |holds: &str, message: &str| rule("pods", holds, message);
    let validations = [
        pod(
            "!has(object.spec.tolerations) || object.spec.tolerations.all(taint, has(taint.key) && taint.key != '')",
            "a toleration has to name what it tolerates: one without a key tolerates every node",
        ),
        pod(
            &format!(
                "!has(object.spec.tolerations) || \
                 !object.spec.tolerations.exists(taint, has(taint.key) && taint.key in {OF_THE_HOST:?})"
            ),
            "nodes of the host's control plane are not for tenants",
        ),
        pod(
            &format!(
                "!has(object.spec.tolerations) || \
                 !object.spec.tolerations.exists(taint, has(taint.key) && taint.key.startsWith('hexabase.ai/')) || \
                 (has(object.spec.nodeSelector) && '{workspace}' in object.spec.nodeSelector && \
                  object.spec.nodeSelector['{workspace}'] == namespaceObject.metadata.labels['{workspace}'])",
                workspace = labels::WORKSPACE,
            ),
            "nodes that are set aside for workspaces are for the pods of the workspace that has them",
        ),
        pod(
            "!has(object.spec.nodeName) || oldObject != null",
            "the scheduler chooses the node: use a node selector or an affinity",
        ),
        pod(
            "!has(object.spec.priorityClassName) || !object.spec.priorityClassName.startsWith('system-')",
            "the priorities of the system are not for tenants",
        ),
        rule(
            "services",
            "!has(object.spec.externalIPs) || object.spec.externalIPs.size() == 0",
            "external addresses would take in the traffic of others (CVE-2020-8554)",
        ),
    ];
    let control_plane = "request.userInfo.username == 'system:serviceaccount:' + request.namespace + ':vc-' + request.namespace";
    json!({
        "failurePolicy": "Fail",
        "matchConstraints": { "resourceRules": [{
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "operations": ["CREATE", "UPDATE"],
            "resources": ["pods", "services"],
        }] },
        "matchConditions": [{ "name": "a-tenants-control-plane", "expression": control_plane }],
        "validations": validations,
    })
}

/// What has to hold for objects of one kind.
fn rule(resource: &str, holds: &str, message: &str) -> Value {
    json!({
        "expression": format!("request.resource.resource != '{resource}' || {holds}"),
        "message": message,
        "reason": "Forbidden",
    })
}
