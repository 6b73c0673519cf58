//! Whose traffic Services of tenants take in.

use serde_json::json;

use super::{Guard, rule};

pub(super) fn guard() -> Guard {
    let validations = json!([
        rule(
            "!has(object.spec.externalIPs) || object.spec.externalIPs.size() == 0",
            "external addresses would take in the traffic of others (CVE-2020-8554)",
        ),
        rule("object.spec.type != 'NodePort'", "ports of the nodes are not for tenants"),
    ]);
    Guard {
        name: "hexabase-tenants-services",
        group: "",
        resources: &["services"],
        variables: json!([]),
        validations,
    }
}
