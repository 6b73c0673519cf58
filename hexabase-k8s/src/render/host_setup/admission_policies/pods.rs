//! Admission policies for pods of tenants: their nodes, priorities, images and volumes, and their addresses.

use serde_json::{Value, json};

use super::{
    AdmissionPolicy, CONTROL_PLANE_CLAIMS, namespace_annotation, rule, rule_with_message_expression,
    variables,
};
use crate::labels::Labels;

/// Taints of the host's control plane nodes, which pods of tenants must not tolerate.
const CONTROL_PLANE_TAINTS: [&str; 2] =
    ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

/// Taints of nodes that are set aside for workspaces, and of those that are assigned to one.
fn own_taints(labels: &Labels) -> [&str; 2] {
    [labels.node_class(), labels.dedicated()]
}

/// Types of volumes that a pod may have: files of the API server and of the container runtime, and claims. With all
/// others, its node would connect to a server that no NetworkPolicy keeps from the pod. The syncer replaces ephemeral
/// volumes by claims.
const VOLUME_TYPES: [&str; 7] =
    ["configMap", "downwardAPI", "emptyDir", "image", "persistentVolumeClaim", "projected", "secret"];

/// Returns the policy for the status of pods: their addresses, to which the host's controllers send traffic, are those
/// that the node reports.
pub(super) fn status_policy() -> AdmissionPolicy {
    let addresses = |pod: &str| {
        let status = format!("{pod}.status");
        format!(
            "({pod} != null && has({status}) ? (has({status}.podIPs) ? {status}.podIPs.map(address, address.ip) : []) + \
             (has({status}.podIP) ? [{status}.podIP] : []) : [])"
        )
    };
    let unchanged = format!("{} == {}", addresses("object"), addresses("oldObject"));
    AdmissionPolicy {
        name: "hexabase-tenants-pod-status",
        group: "",
        resources: &["pods/status"],
        variables: json!([]),
        validations: json!([rule(&unchanged, "the addresses of a pod are reported by its node")]),
    }
}

pub(super) fn policy(labels: &Labels) -> AdmissionPolicy {
    AdmissionPolicy {
        name: "hexabase-tenants",
        group: "",
        resources: &["pods", "pods/ephemeralcontainers"],
        variables: policy_variables(labels),
        validations: validations(labels),
    }
}

fn validations(labels: &Labels) -> Value {
    let own_taints = own_taints(labels);
    let domain = labels.domain();
    let tolerates_no_control_plane = format!(
        "!has(object.spec.tolerations) || \
         !object.spec.tolerations.exists(taint, has(taint.key) && taint.key in {CONTROL_PLANE_TAINTS:?})"
    );
    let tolerates_own_taints = format!(
        "!has(object.spec.tolerations) || object.spec.tolerations.all(taint, !has(taint.key) || \
         !taint.key.startsWith('{domain}/') || taint.key in {own_taints:?})"
    );
    let runs_on_own_nodes = format!(
        "!has(object.spec.tolerations) || \
         !object.spec.tolerations.exists(taint, has(taint.key) && taint.key in {own_taints:?}) || \
         (has(object.spec.nodeSelector) && '{workspace}' in object.spec.nodeSelector && \
          object.spec.nodeSelector['{workspace}'] == namespaceObject.metadata.labels['{workspace}'])",
        workspace = labels.workspace(),
    );
    json!([
        rule(
            "!has(object.spec.tolerations) || object.spec.tolerations.all(taint, has(taint.key) && taint.key != '')",
            "a toleration must have a key: one without a key tolerates every node",
        ),
        rule(&tolerates_no_control_plane, "nodes of the host's control plane are not for tenants"),
        rule(
            &tolerates_own_taints,
            &format!("of the taints of {domain}, pods may tolerate only {}", own_taints.join(" and ")),
        ),
        rule(
            &runs_on_own_nodes,
            "nodes that are set aside for workspaces accept only pods of the workspace that they are assigned to",
        ),
        rule(
            "!has(object.spec.nodeName) || oldObject != null",
            "spec.nodeName must be empty: the scheduler chooses the node; use a node selector or an affinity",
        ),
        rule(
            "!has(object.spec.priorityClassName) || !object.spec.priorityClassName.startsWith('system-')",
            "priorities of the system are not for tenants",
        ),
        images(),
        volumes(),
        rule(
            &format!(
                "!has(object.spec.volumes) || object.spec.volumes.all(v, !has(v.persistentVolumeClaim) || \
                 !v.persistentVolumeClaim.claimName.matches({CONTROL_PLANE_CLAIMS}))"
            ),
            "volumes of the control plane are not for workloads",
        ),
    ])
}

/// Requires every volume to have an allowed type. The volumes of a pod cannot change after its creation.
fn volumes() -> Value {
    let has_allowed_type = VOLUME_TYPES.map(|name| format!("has(v.{name})")).join(" || ");
    rule(
        &format!(
            "oldObject != null || !has(object.spec.volumes) || object.spec.volumes.all(v, {has_allowed_type})"
        ),
        &format!(
            "volumes must be of the types {}: with others the node would connect to servers that are not for tenants",
            VOLUME_TYPES.join(", ")
        ),
    )
}

/// Requires every image to be one of the allowed sources, or to come from one.
fn images() -> Value {
    rule_with_message_expression(
        "variables.sources.size() == 0 || \
         variables.images.all(image, variables.sources.exists(source, image.startsWith(source + '/') || \
         source.contains('/') && (image == source || image.startsWith(source + ':') || image.startsWith(source + '@'))))",
        "images may only come from the sources of the plan",
        "'images may only come from ' + variables.sources.join(', ')",
    )
}

/// Variables of the policy: allowed image sources, and images that are new in a pod, as fully qualified references
/// (<https://kubernetes.io/docs/concepts/containers/images/#image-names>). Images that the pod already had are not
/// checked, so that its labels, for example, can still be changed.
fn policy_variables(labels: &Labels) -> Value {
    let sources = format!("{0} == '' ? [] : {0}.split(',')", namespace_annotation(labels.image_sources()));
    let images = "variables.named.filter(image, !(image in variables.known)).map(image, \
        !image.contains('/') ? 'docker.io/library/' + image : \
        image.split('/')[0].contains('.') || image.split('/')[0].contains(':') || image.split('/')[0] == 'localhost' ? \
        image : 'docker.io/' + image)";
    variables([
        ("sources", sources),
        ("named", image_references("object")),
        ("known", format!("oldObject == null ? [] : {}", image_references("oldObject"))),
        ("images", images.to_owned()),
    ])
}

/// Expression for the image references of a pod as written: those of its containers of all kinds, and of its volumes.
fn image_references(pod: &str) -> String {
    let containers = ["containers", "initContainers", "ephemeralContainers"]
        .map(|list| format!("(has({pod}.spec.{list}) ? {pod}.spec.{list}.map(c, c.image) : [])"));
    format!(
        "{} + (has({pod}.spec.volumes) ? {pod}.spec.volumes.filter(v, has(v.image) && has(v.image.reference))\
         .map(v, v.image.reference) : [])",
        containers.join(" + "),
    )
}
