//! Where pods of tenants may run, and what with.

use serde_json::{Value, json};

use super::{Guard, annotation, rule, rule_saying, variables};
use crate::labels;

/// Tolerations that no tenant's pod has any business with.
const OF_THE_HOST: [&str; 2] = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

pub(super) fn guard() -> Guard {
    Guard {
        name: "hexabase-tenants",
        group: "",
        resources: &["pods", "pods/ephemeralcontainers"],
        variables: looked_at(),
        validations: validations(),
    }
}

fn validations() -> Value {
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
    rule_saying(
        "variables.sources.size() == 0 || \
         variables.images.all(image, variables.sources.exists(source, image.startsWith(source + '/') || \
         source.contains('/') && (image == source || image.startsWith(source + ':') || image.startsWith(source + '@'))))",
        "images may only come from where the plan says",
        "'images may only come from ' + variables.sources.join(', ')",
    )
}

/// What is looked at more than once: where images may come from, and those that are new in a pod, with all that goes without
/// saying (<https://kubernetes.io/docs/concepts/containers/images/#image-names>). What a pod had before stays: whoever changes
/// its labels has not brought the image.
fn looked_at() -> Value {
    let sources = format!("{0} == '' ? [] : {0}.split(',')", annotation(labels::IMAGE_SOURCES));
    let images = "variables.named.filter(image, !(image in variables.known)).map(image, \
        !image.contains('/') ? 'docker.io/library/' + image : \
        image.split('/')[0].contains('.') || image.split('/')[0].contains(':') || image.split('/')[0] == 'localhost' ? \
        image : 'docker.io/' + image)";
    variables([
        ("sources", sources),
        ("named", named_in("object")),
        ("known", format!("oldObject == null ? [] : {}", named_in("oldObject"))),
        ("images", images.to_owned()),
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
