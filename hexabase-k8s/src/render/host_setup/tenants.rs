//! What a tenant's control plane may not write on its host, whatever its tenant asks it for.
//!
//! Pod security, quotas and network policies are in the tenant's namespace. What they leave open is closed here, by what is
//! written: ways around the scheduler, onto machines that are not for tenants, and into other people's traffic.

use serde_json::{Value, json};

use crate::labels;
use crate::object::{Kind, Object};

/// Tolerations that no tenant's pod has any business with.
const OF_THE_HOST: [&str; 2] = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

/// The policies, one for each kind of object as their fields differ, and where they hold: in the namespaces of tenants.
pub(super) fn objects() -> impl Iterator<Item = Object> {
    let of_pods = json!({ "variables": variables(), "validations": of_pods() });
    let of_services = json!({ "validations": of_services() });
    let pods = guard("hexabase-tenants", &["pods", "pods/ephemeralcontainers"], of_pods);
    pods.into_iter().chain(guard("hexabase-tenants-services", &["services"], of_services))
}

/// A policy on what control planes of tenants write of some resources, and its binding.
fn guard(name: &str, resources: &[&str], mut policy: Value) -> [Object; 2] {
    let metadata = || json!({ "name": name, "labels": { labels::MANAGED: "true" } });
    let control_plane = "request.userInfo.username == 'system:serviceaccount:' + request.namespace + ':vc-' + request.namespace";
    policy["failurePolicy"] = json!("Fail");
    policy["matchConstraints"] = json!({ "resourceRules": [{
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": resources,
    }] });
    policy["matchConditions"] = json!([{ "name": "a-tenants-control-plane", "expression": control_plane }]);
    let of_tenants = json!({ "matchExpressions": [{ "key": labels::WORKSPACE, "operator": "Exists" }] });
    let binding = json!({
        "policyName": name,
        "validationActions": ["Deny"],
        "matchResources": { "namespaceSelector": of_tenants },
    });
    [
        Object::of(Kind::ADMISSION_POLICY, metadata(), [("spec", policy)]),
        Object::of(Kind::ADMISSION_POLICY_BINDING, metadata(), [("spec", binding)]),
    ]
}

/// What has to hold, and what is said where it does not.
fn rule(holds: &str, message: &str) -> Value {
    json!({ "expression": holds, "message": message, "reason": "Forbidden" })
}

fn of_services() -> Value {
    json!([rule(
        "!has(object.spec.externalIPs) || object.spec.externalIPs.size() == 0",
        "external addresses would take in the traffic of others (CVE-2020-8554)",
    )])
}

fn of_pods() -> Value {
    let not_of_the_host = format!(
        "!has(object.spec.tolerations) || \
         !object.spec.tolerations.exists(taint, has(taint.key) && taint.key in {OF_THE_HOST:?})"
    );
    let at_home = format!(
        "!has(object.spec.tolerations) || \
         !object.spec.tolerations.exists(taint, has(taint.key) && taint.key.startsWith('hexabase.ai/')) || \
         (has(object.spec.nodeSelector) && '{workspace}' in object.spec.nodeSelector && \
          object.spec.nodeSelector['{workspace}'] == namespaceObject.metadata.labels['{workspace}'])",
        workspace = labels::WORKSPACE,
    );
    json!([
        rule(
            "!has(object.spec.tolerations) || object.spec.tolerations.all(taint, has(taint.key) && taint.key != '')",
            "a toleration has to name what it tolerates: one without a key tolerates every node",
        ),
        rule(&not_of_the_host, "nodes of the host's control plane are not for tenants"),
        rule(
            &at_home,
            "nodes that are set aside for workspaces are for the pods of the workspace that has them",
        ),
        rule(
            "!has(object.spec.nodeName) || oldObject != null",
            "the scheduler chooses the node: use a node selector or an affinity",
        ),
        rule(
            "!has(object.spec.priorityClassName) || !object.spec.priorityClassName.startsWith('system-')",
            "the priorities of the system are not for tenants",
        ),
        images(),
    ])
}

/// Every image comes from one of the sources, or is one of them.
fn images() -> Value {
    let mut images = rule(
        "variables.sources.size() == 0 || \
         variables.images.all(image, variables.sources.exists(source, image.startsWith(source + '/') || \
         source.contains('/') && (image == source || image.startsWith(source + ':') || image.startsWith(source + '@'))))",
        "images may only come from where the plan says",
    );
    images["messageExpression"] = json!("'images may only come from ' + variables.sources.join(', ')");
    images
}

/// What is looked at more than once: where images may come from, and those that are new in a pod, with all that goes without
/// saying (<https://kubernetes.io/docs/concepts/containers/images/#image-names>). What a pod had before stays: whoever changes
/// its labels has not brought the image.
fn variables() -> Value {
    let sources = format!(
        "has(namespaceObject.metadata.annotations) && '{key}' in namespaceObject.metadata.annotations ? \
         namespaceObject.metadata.annotations['{key}'].split(',') : []",
        key = labels::IMAGE_SOURCES,
    );
    let images = "variables.named.filter(image, !(image in variables.known)).map(image, \
        !image.contains('/') ? 'docker.io/library/' + image : \
        image.split('/')[0].contains('.') || image.split('/')[0].contains(':') || image.split('/')[0] == 'localhost' ? \
        image : 'docker.io/' + image)";
    json!([
        { "name": "sources", "expression": sources },
        { "name": "named", "expression": named_in("object") },
        { "name": "known", "expression": format!("oldObject == null ? [] : {}", named_in("oldObject")) },
        { "name": "images", "expression": images },
    ])
}

/// The images of a pod as they are written: of its containers of every sort, and of its volumes.
fn named_in(pod: &str) -> String {
    let containers = ["containers", "initContainers", "ephemeralContainers"]
        .map(|list| format!("(has({pod}.spec.{list}) ? {pod}.spec.{list}.map(c, c.image) : [])"));
    format!(
        "{} + (has({pod}.spec.volumes) ? {pod}.spec.volumes.filter(v, has(v.image) && has(v.image.reference))\
         .map(v, v.image.reference) : [])",
        containers.join(" + "),
    )
}
