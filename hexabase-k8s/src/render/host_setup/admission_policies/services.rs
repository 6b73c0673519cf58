//! Admission policy for Services of tenants: their types and external addresses.

use serde_json::json;

use super::{AdmissionPolicy, rule};

pub(super) fn policy() -> AdmissionPolicy {
    let validations = json!([
        rule(
            "!has(object.spec.externalIPs) || object.spec.externalIPs.size() == 0",
            "spec.externalIPs must be empty: external addresses would receive the traffic of others (CVE-2020-8554)",
        ),
        rule(
            "object.spec.type != 'NodePort'",
            "Services of type NodePort are not allowed: ports of the nodes are not for tenants",
        ),
        rule(
            "object.spec.type != 'ExternalName' && (!has(object.spec.externalName) || object.spec.externalName == '')",
            "Services of type ExternalName are not allowed: the host's controllers would forward traffic to any server",
        ),
        rule(
            "!has(object.spec.loadBalancerIP) || object.spec.loadBalancerIP == '' || \
             oldObject != null && has(oldObject.spec.loadBalancerIP) && \
             oldObject.spec.loadBalancerIP == object.spec.loadBalancerIP",
            "spec.loadBalancerIP must be empty: the host assigns the addresses of load balancers",
        ),
    ]);
    AdmissionPolicy {
        name: "hexabase-tenants-services",
        group: "",
        resources: &["services"],
        variables: json!([]),
        validations,
    }
}
