//! Admission policy for the resources that pods of tenants request: those of the quota, and those of the plan.
//!
//! A quota limits only resources that it names, so GPUs and other devices of the nodes would be free of charge.

use serde_json::{Value, json};

use super::{AdmissionPolicy, namespace_annotation, rule, rule_with_message_expression, variables};
use crate::labels::Labels;

/// Resources that every quota may limit.
const COUNTED: [&str; 3] = ["cpu", "ephemeral-storage", "memory"];

pub(super) fn policy(labels: &Labels) -> AdmissionPolicy {
    let additional = namespace_annotation(labels.extended_resources());
    AdmissionPolicy {
        name: "hexabase-tenants-resources",
        group: "",
        resources: &["pods"],
        variables: variables([
            // Without its type: the API server does not know the keys of resource lists.
            ("pod", "dyn(object.spec)".to_owned()),
            ("countable", format!("{COUNTED:?} + ({additional} == '' ? [] : {additional}.split(','))")),
        ]),
        validations: validations(),
    }
}

/// Requires every requested resource to be countable. The resources that a pod requests cannot change after its
/// creation, only their amounts.
fn validations() -> Value {
    let are_countable = |resources: &str| {
        let lists = ["requests", "limits"].map(|list| {
            let list = format!("{resources}.{list}");
            format!("(!has({list}) || {list}.all(name, name in variables.countable))")
        });
        format!("(!has({resources}) || {})", lists.join(" && "))
    };
    let containers = ["containers", "initContainers"].map(|list| {
        let list = format!("variables.pod.{list}");
        format!("(!has({list}) || {list}.all(c, {}))", are_countable("c.resources"))
    });
    let requests = format!(
        "oldObject != null || {} && {}",
        containers.join(" && "),
        are_countable("variables.pod.resources")
    );
    json!([
        rule_with_message_expression(
            &requests,
            "containers may request only resources of the plan",
            "'containers may request only resources of the plan: ' + variables.countable.join(', ')",
        ),
        rule(
            "oldObject != null || !has(variables.pod.resourceClaims) || variables.pod.resourceClaims.size() == 0",
            "spec.resourceClaims must not be set: devices of resource claims are not for tenants",
        ),
    ])
}
