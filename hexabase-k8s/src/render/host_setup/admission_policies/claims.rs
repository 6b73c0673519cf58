//! Admission policy for volume claims of tenants: a claim gets a new volume, or a copy of one of the tenant's own.

use serde_json::json;

use super::{AdmissionPolicy, CONTROL_PLANE_CLAIMS, rule};

pub(super) fn policy() -> AdmissionPolicy {
    // The data source and the selector of a claim cannot change after its creation. The API server copies
    // `dataSourceRef` to `dataSource` unless it names another namespace.
    let sources = format!(
        "oldObject != null || {} && {} && (!has(object.spec.dataSourceRef) || has(object.spec.dataSource))",
        copies_own_claim("dataSource"),
        copies_own_claim("dataSourceRef"),
    );
    let validations = json!([
        rule(
            &sources,
            "data sources of a claim must be claims of the same project: snapshots and other sources of the host are not \
             for tenants",
        ),
        rule(
            "!has(object.spec.volumeName) || object.spec.volumeName == '' || oldObject != null && \
             has(oldObject.spec.volumeName) && oldObject.spec.volumeName == object.spec.volumeName",
            "spec.volumeName must be empty: the host chooses the volume of a claim",
        ),
        rule(
            "oldObject != null || !has(object.spec.selector)",
            "spec.selector must not be set: the host chooses the volume of a claim",
        ),
        rule(
            "!has(object.spec.storageClassName) || object.spec.storageClassName != '' || oldObject != null && \
             has(oldObject.spec.storageClassName) && oldObject.spec.storageClassName == ''",
            "spec.storageClassName must not be empty text: volumes without a class are not for tenants; omit the field for \
             the default class",
        ),
    ]);
    AdmissionPolicy {
        name: "hexabase-tenants-claims",
        group: "",
        resources: &["persistentvolumeclaims"],
        variables: json!([]),
        validations,
    }
}

/// Expression that is true if the claim has no such data source, or one that is a claim of a workload.
fn copies_own_claim(field: &str) -> String {
    let source = format!("object.spec.{field}");
    format!(
        "(!has({source}) || {source}.kind == 'PersistentVolumeClaim' && \
         (!has({source}.apiGroup) || {source}.apiGroup == '') && !{source}.name.matches({CONTROL_PLANE_CLAIMS}))"
    )
}
