//! Checks of the tenant's NetworkPolicies on its host.

use std::net::IpAddr;

use hexabase_core::model::{IsolationResult, Severity};
use serde_json::Value;

use super::{Identity, result_of, text};

pub(crate) const DEFAULT_DENY: Identity =
    ("TrafficDeniedByDefault", "Exchange traffic that no NetworkPolicy allows", Severity::High);
pub(crate) const METADATA_ADDRESSES: Identity =
    ("MetadataUnreachable", "Reach the metadata service of a cloud from pods", Severity::Critical);

/// Metadata services of clouds.
const ADDRESSES: [&str; 5] =
    ["169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"];
/// Port of all of them.
const PORT: u64 = 80;

const REMEDY: &str =
    "reconcile the workspace, so that its NetworkPolicies on the host are restored, and delete foreign ones";

fn entries<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value[field].as_array().into_iter().flatten()
}

/// Checks that a policy denies all traffic of all pods in the namespace.
pub(crate) fn default_deny(policies: &[Value]) -> IsolationResult {
    let denies_all = |policy: &Value| {
        let spec = &policy["spec"];
        let selects_all = spec["podSelector"].as_object().is_some_and(serde_json::Map::is_empty);
        let covers = |direction: &str| entries(spec, "policyTypes").any(|entry| entry == direction);
        let is_empty = |field: &str| entries(spec, field).next().is_none();
        selects_all && covers("Ingress") && covers("Egress") && is_empty("ingress") && is_empty("egress")
    };
    let findings = match policies.iter().any(denies_all) {
        true => vec![],
        false => vec!["no NetworkPolicy denies all traffic of the namespace".to_owned()],
    };
    result_of(DEFAULT_DENY, &findings, "a NetworkPolicy denies all traffic of the namespace", REMEDY)
}

/// Checks that no policy allows traffic to a metadata service.
pub(crate) fn metadata_addresses(policies: &[Value]) -> IsolationResult {
    let mut findings = Vec::new();
    for policy in policies {
        for rule in entries(&policy["spec"], "egress") {
            let reached = ADDRESSES.into_iter().find(|address| rule_allows(rule, address));
            findings.extend(
                reached.map(|address| {
                    format!("NetworkPolicy {} allows {address}", text(policy, "/metadata/name"))
                }),
            );
        }
    }
    result_of(METADATA_ADDRESSES, &findings, "no NetworkPolicy allows metadata addresses", REMEDY)
}

/// `true` if an egress rule allows traffic to the metadata service at an address. A rule without peers or ports allows
/// all of them.
fn rule_allows(rule: &Value, address: &str) -> bool {
    let includes = |block: &Value| {
        block["cidr"].as_str().is_some_and(|range| contains(range, address))
            && !entries(block, "except")
                .any(|range| range.as_str().is_some_and(|range| contains(range, address)))
    };
    let includes_port = |port: &Value| match (port["port"].as_u64(), port["endPort"].as_u64()) {
        (Some(first), last) => (first..=last.unwrap_or(first)).contains(&PORT),
        // A named port of a pod, or every port.
        (None, _) => port["port"].is_null(),
    };
    let mut ports = entries(rule, "ports").peekable();
    if ports.peek().is_some() && !ports.any(includes_port) {
        return false;
    }
    let mut peers = entries(rule, "to").peekable();
    peers.peek().is_none() || peers.any(|peer| includes(&peer["ipBlock"]))
}

/// `true` if an address is in a range of addresses. An invalid range contains nothing.
fn contains(range: &str, address: &str) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let parsed = || {
        let (network, length) = range.split_once('/')?;
        let (network, address) = (network.parse::<IpAddr>().ok()?, address.parse::<IpAddr>().ok()?);
        let ((network, width), (address, own_width)) = (bits(network), bits(address));
        let length: u32 = length.parse().ok().filter(|length| *length <= width)?;
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        Some(width == own_width && network & mask == address & mask)
    };
    parsed().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use hexabase_core::model::ConditionStatus::{False, True};
    use serde_json::json;

    use super::*;

    #[test]
    fn ranges_contain_their_addresses() {
        for (range, address, expected) in [
            ("0.0.0.0/0", "169.254.169.254", true),
            ("169.254.0.0/16", "169.254.169.254", true),
            ("169.254.169.254/32", "169.254.169.254", true),
            ("169.255.0.0/16", "169.254.169.254", false),
            ("::/0", "169.254.169.254", false),
            ("::/0", "fd00:ec2::254", true),
            ("fc00::/7", "fd00:ec2::254", true),
            ("fe80::/10", "fd00:ec2::254", false),
            ("0.0.0.0/33", "169.254.169.254", false),
            ("nowhere", "169.254.169.254", false),
        ] {
            assert_eq!(contains(range, address), expected, "{range} {address}");
        }
    }

    #[test]
    fn rules_that_reach_a_metadata_service_are_found() {
        let status = |egress: Value| {
            metadata_addresses(&[json!({ "metadata": { "name": "a" }, "spec": { "egress": egress } })]).status
        };
        let block = |cidr: &str, except: Value| json!([{ "to": [{ "ipBlock": { "cidr": cidr, "except": except } }] }]);
        assert_eq!(status(json!([])), True);
        assert_eq!(status(json!([{ "to": [{ "podSelector": {} }] }])), True);
        let others = json!(["169.254.0.0/16", "100.64.0.0/10", "168.63.129.16/32", "192.0.0.0/24"]);
        assert_eq!(status(block("0.0.0.0/0", others)), True);
        assert_eq!(status(block("0.0.0.0/0", json!(["169.254.0.0/16", "100.64.0.0/10"]))), False);
        assert_eq!(status(block("::/0", json!(["fc00::/7"]))), True);
        assert_eq!(status(block("0.0.0.0/0", json!(["10.0.0.0/8"]))), False);
        assert_eq!(status(block("::/0", json!([]))), False);
        assert_eq!(status(json!([{}])), False);
        for (ports, expected) in [
            (json!([{ "port": 443 }, { "port": 6443 }]), True),
            (json!([{ "port": 443 }, { "port": 80 }]), False),
            (json!([{ "port": 1, "endPort": 1024 }]), False),
            (json!([{ "protocol": "TCP" }]), False),
            (json!([]), False),
        ] {
            assert_eq!(status(json!([{ "ports": ports }])), expected, "{ports}");
        }
    }

    #[test]
    fn a_policy_must_deny_all_traffic() {
        let spec = json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"] });
        let status = |spec: &Value| default_deny(&[json!({ "spec": spec })]).status;
        assert_eq!(status(&spec), True);
        assert_eq!(default_deny(&[]).status, False);
        for (field, value) in [
            ("podSelector", json!({ "matchLabels": { "a": "b" } })),
            ("policyTypes", json!(["Ingress"])),
            ("egress", json!([{}])),
        ] {
            let mut changed = spec.clone();
            changed[field] = value;
            assert_eq!(status(&changed), False, "{field}");
        }
    }
}
