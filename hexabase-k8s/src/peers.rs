//! Addresses outside a tenant's namespace that its control plane needs: those of the host's API server, and of the
//! issuer of the tokens that it verifies.

use std::str::FromStr;

use serde_json::{Value, json};

use crate::config::{cidrs, is_name};

/// Ports of the API server of a host whose addresses are configured.
const API_SERVER_PORTS: [u16; 2] = [443, 6443];

/// Addresses of the host's API server, with its ports there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiServerAddresses {
    /// CIDRs of the addresses.
    pub ranges: Vec<String>,
    /// Ports at these addresses.
    pub ports: Vec<u16>,
}

impl ApiServerAddresses {
    /// Returns the addresses of the Service `kubernetes` and of its EndpointSlice. Which of both a NetworkPolicy sees
    /// depends on the network plugin; most see the latter.
    pub(crate) fn of(service: &Value, endpoint_slice: &Value) -> Vec<Self> {
        let items = |body: &'static str, of: &Value| of.pointer(body).and_then(Value::as_array).cloned();
        let ports = |body: &'static str, of: &Value| -> Vec<u16> {
            let ports = items(body, of).unwrap_or_default();
            ports.iter().filter_map(|port| port["port"].as_u64()?.try_into().ok()).collect()
        };
        let single = |address: &Value| {
            let address: std::net::IpAddr = address.as_str()?.parse().ok()?;
            Some(ipnet::IpNet::from(address).to_string())
        };
        let endpoints = items("/endpoints", endpoint_slice).unwrap_or_default();
        let endpoint_addresses =
            endpoints.iter().filter_map(|endpoint| endpoint["addresses"].as_array()).flatten();
        let mut endpoint_ranges: Vec<String> = endpoint_addresses.filter_map(single).collect();
        // The order of endpoints is not stable.
        endpoint_ranges.sort();
        let service_ranges =
            items("/spec/clusterIPs", service).unwrap_or_default().iter().filter_map(single).collect();
        let all = [
            Self { ranges: endpoint_ranges, ports: ports("/ports", endpoint_slice) },
            Self { ranges: service_ranges, ports: ports("/spec/ports", service) },
        ];
        // Without endpoints, the addresses are unknown.
        match all[0].is_known() {
            true => all.into_iter().filter(Self::is_known).collect(),
            false => Vec::new(),
        }
    }

    fn is_known(&self) -> bool {
        !self.ranges.is_empty() && !self.ports.is_empty()
    }
}

impl FromStr for ApiServerAddresses {
    type Err = &'static str;

    /// # Errors
    /// The required format, if the text is not a list of CIDRs.
    fn from_str(text: &str) -> Result<Self, &'static str> {
        let ranges = cidrs(text).ok_or("must be CIDRs separated by commas, as in 10.0.0.2/32,fd00::2/128")?;
        Ok(Self { ranges, ports: API_SERVER_PORTS.to_vec() })
    }
}

/// Peer of control planes at which they reach the issuer. The text form is a CIDR, or `namespace/NAME` for the pods in
/// a namespace of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IssuerPeer {
    /// CIDR of addresses.
    Range(String),
    /// Namespace of pods: those of Hexabase, or of the Ingress controller in front of it.
    Namespace(String),
}

impl IssuerPeer {
    /// Returns the peer of a NetworkPolicy.
    pub(crate) fn rendered(&self) -> Value {
        match self {
            Self::Range(range) => json!({ "ipBlock": { "cidr": range } }),
            Self::Namespace(name) => {
                json!({ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": name } } })
            }
        }
    }
}

impl FromStr for IssuerPeer {
    type Err = &'static str;

    /// # Errors
    /// The required format, if the text has none of these forms.
    fn from_str(text: &str) -> Result<Self, &'static str> {
        let namespace = text.strip_prefix("namespace/").filter(|name| is_name(name));
        let range = || cidrs(text).and_then(|mut ranges| ranges.pop());
        namespace.map(|name| Self::Namespace(name.to_owned())).or_else(|| range().map(Self::Range)).ok_or(
            "must be CIDRs or namespaces separated by commas, as in 10.0.0.5/32,namespace/ingress-nginx",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_are_those_of_the_endpoints_and_of_the_service() {
        let service = json!({ "spec": {
            "clusterIPs": ["10.96.0.1", "fd00:10:96::1"],
            "ports": [{ "name": "https", "port": 443, "targetPort": 6443 }],
        } });
        let slice = json!({
            "endpoints": [{ "addresses": ["10.0.0.3"] }, { "addresses": ["10.0.0.2"] }],
            "ports": [{ "name": "https", "port": 6443 }],
        });
        let addresses = |ranges: &[&str], ports: &[u16]| ApiServerAddresses {
            ranges: ranges.iter().map(ToString::to_string).collect(),
            ports: ports.to_vec(),
        };
        assert_eq!(
            ApiServerAddresses::of(&service, &slice),
            [
                addresses(&["10.0.0.2/32", "10.0.0.3/32"], &[6443]),
                addresses(&["10.96.0.1/32", "fd00:10:96::1/128"], &[443]),
            ]
        );
        for unknown in [json!({}), json!({ "endpoints": null, "ports": [{ "port": 6443 }] })] {
            assert_eq!(ApiServerAddresses::of(&service, &unknown), []);
        }
    }

    #[test]
    fn peers_of_the_issuer_are_ranges_and_namespaces() {
        assert_eq!("10.0.0.5/32".parse(), Ok(IssuerPeer::Range("10.0.0.5/32".to_owned())));
        assert_eq!("namespace/edge".parse(), Ok(IssuerPeer::Namespace("edge".to_owned())));
        for invalid in ["", "10.0.0.5", "namespace/", "namespace/a/b", "edge", "0.0.0.0/0"] {
            assert!(invalid.parse::<IssuerPeer>().is_err(), "{invalid}");
        }
    }
}
