//! Address ranges of NetworkPolicies: public addresses, and addresses that belong to no pod of the host.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};

use crate::config::HostConfig;
use crate::peers::IssuerPeer;

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

impl HostConfig {
    /// `true` if the NetworkPolicies of control planes allow connections to one of these addresses of the issuer, or
    /// name pods of the host that may have them: control planes verify the tokens of users only with its keys.
    #[must_use]
    pub fn allows_issuer_at(&self, addresses: &[IpAddr]) -> bool {
        addresses.iter().any(|address| {
            let address = IpNet::from(address.to_canonical()).to_string();
            let may_match = |peer: &IssuerPeer| match peer {
                IssuerPeer::Range(range) => is_within(&address, [range.as_str()]),
                IssuerPeer::Namespace(_) => true,
            };
            is_public(&address, self) || self.issuer_peers.iter().any(may_match)
        })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(issuer_network: &str, addresses: &[&str]) -> bool {
        let mut config = HostConfig::default();
        if !issuer_network.is_empty() {
            config.set("issuer_network", issuer_network).unwrap();
        }
        let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        config.allows_issuer_at(&addresses)
    }

    #[test]
    fn an_issuer_is_reached_at_public_and_at_configured_addresses() {
        assert!(allows("", &["93.184.216.34"]));
        assert!(allows("", &["10.0.0.5", "2606:2800:220:1::1"]), "one address suffices");
        for private in ["10.0.0.5", "192.168.1.9", "::ffff:10.0.0.5", "fd00::5", "127.0.0.1"] {
            assert!(!allows("", &[private]), "{private}");
        }
        assert!(allows("10.0.0.0/24", &["10.0.0.5"]));
        assert!(!allows("10.0.0.0/24", &["10.0.1.5"]));
        assert!(allows("namespace/ingress-nginx", &["10.0.0.5"]), "pods may have any address");
        assert!(!allows("", &[]));
    }
}
