//! Address ranges of NetworkPolicies: public addresses, and addresses that belong to no pod of the host.

use ipnet::IpNet;
use serde_json::{Value, json};

use crate::config::HostConfig;

/// All addresses, per address family.
const ALL: [&str; 2] = ["0.0.0.0/0", "::/0"];

/// Ranges that are not public. Private networks, shared address space and link-local addresses belong to the host and
/// its surroundings: nodes, Services, metadata services of clouds (169.254.169.254, 100.100.100.200, 192.0.0.192,
/// fd00:ec2::254) and their DNS servers. 168.63.129.16 is Azure's wire server, which hands out configuration and
/// certificates of the node. Ranges that embed IPv4 addresses lead to all of these through a translator: `::/8` has
/// the mapped ones and those of NAT64 (64:ff9b::/96), 2001::/32 and 2002::/16 are tunnels.
const NOT_PUBLIC: [&str; 19] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/8",
    "2001::/32",
    "2002::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

/// Link-local ranges.
const LINK_LOCAL: [&str; 2] = ["169.254.0.0/16", "fe80::/10"];

/// `true` if both are of the same address family.
fn same_family(one: &str, other: &str) -> bool {
    one.contains(':') == other.contains(':')
}

/// `true` if `inner` is within one of the ranges.
fn is_within<'a>(inner: &str, ranges: impl IntoIterator<Item = &'a str>) -> bool {
    let Ok(inner) = inner.parse::<IpNet>() else { return false };
    ranges.into_iter().filter_map(|range| range.parse::<IpNet>().ok()).any(|range| range.contains(&inner))
}

/// `true` if tenants may reach a range because it counts as public on this host.
pub(crate) fn is_public(range: &str, config: &HostConfig) -> bool {
    let own = config.pod_ranges.iter().map(String::as_str).chain(config.service_ranges());
    !is_within(range, NOT_PUBLIC.into_iter().chain(own))
}

/// Peers for all public addresses of both families: without those of the host's pods and Services.
pub(super) fn public_addresses(config: &HostConfig) -> Vec<Value> {
    let own = config.pod_ranges.iter().map(String::as_str).chain(config.service_ranges());
    let own: Vec<&str> = own.filter(|range| !is_within(range, NOT_PUBLIC)).collect();
    let block = |all: &str| {
        let except: Vec<&str> = NOT_PUBLIC
            .into_iter()
            .chain(own.iter().copied())
            .filter(|range| same_family(range, all))
            .collect();
        json!({ "ipBlock": { "cidr": all, "except": except } })
    };
    ALL.into_iter().map(block).collect()
}

/// Peers for all addresses except link-local ones, with the metadata services of clouds, and those of the host's pods as
/// far as they are known.
pub(super) fn addresses_of_no_known_pod(config: &HostConfig) -> Vec<Value> {
    let block = |all: &str| {
        let except: Vec<&str> = LINK_LOCAL
            .into_iter()
            .chain(config.pod_ranges.iter().map(String::as_str))
            .filter(|range| same_family(range, all))
            .collect();
        json!({ "ipBlock": { "cidr": all, "except": except } })
    };
    ALL.into_iter().map(block).collect()
}

/// Peers for all addresses that do not belong to pods of the host. A family whose pod ranges are unknown is left out:
/// any of its addresses could be a pod of another tenant.
pub(super) fn addresses_of_no_pod(config: &HostConfig) -> Vec<Value> {
    let block = |all: &str| {
        let except: Vec<&String> = config.pod_ranges.iter().filter(|range| same_family(range, all)).collect();
        (!except.is_empty()).then(|| json!({ "ipBlock": { "cidr": all, "except": except } }))
    };
    ALL.into_iter().filter_map(block).collect()
}
