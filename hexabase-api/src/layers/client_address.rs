//! Network address of the client.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::USER_AGENT;
use axum::middleware::Next;
use axum::response::Response;
use hexabase_core::model::Origin;
use ipnet::IpNet;

use super::request_context::RequestContext;
use crate::state::ApiConfig;

/// Maximum length of the recorded `User-Agent`, in characters.
const MAX_DEVICE_CHARS: usize = 256;

/// Address of the client of a request; `None` if it is unknown.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ClientAddress(pub(crate) Option<IpAddr>);

impl ClientAddress {
    /// Returns the address of the client of a request; unknown without the layer [`client_address`].
    pub(super) fn of(request: &Request) -> Option<IpAddr> {
        request.extensions().get().copied().unwrap_or(Self(None)).0
    }
}

/// Middleware that adds the [`Origin`] of a request, for the audit log, with the address of its client: the peer of the
/// connection ([`ConnectInfo`]), or, if the peer is one of [`ApiConfig::trusted_proxies`], the last address in
/// `X-Forwarded-For` that is not one.
pub async fn client_address(
    State(config): State<Arc<ApiConfig>>,
    mut request: Request,
    next: Next,
) -> Response {
    let address = address_of(&request, &config.trusted_proxies);
    let device = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let origin = Origin {
        address: address.map(|address| address.to_string()),
        device: device.chars().take(MAX_DEVICE_CHARS).collect(),
        request_id: RequestContext::of(request.extensions()).id.clone(),
    };
    request.extensions_mut().insert(origin);
    request.extensions_mut().insert(ClientAddress(address));
    next.run(request).await
}

/// Returns the address of the client: the peer of the connection, or, if the peer is a trusted proxy, the last address
/// in `X-Forwarded-For` that is not one. `None` if the peer is unknown.
fn address_of(request: &Request, trusted: &[IpNet]) -> Option<IpAddr> {
    let peer = peer(request)?;
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(&peer) {
        return Some(peer);
    }
    let values = request.headers().get_all("x-forwarded-for").iter().rev();
    let hops = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.rsplit(','));
    let mut last = peer;
    for hop in hops {
        // Trusted proxies write valid addresses only, so an invalid one is not theirs.
        let Some(address) = parse_hop(hop) else { break };
        last = address.to_canonical();
        if !is_trusted(&last) {
            break;
        }
    }
    Some(last)
}

/// Returns the address of the peer of the connection; `None` without [`ConnectInfo`].
pub(super) fn peer(request: &Request) -> Option<IpAddr> {
    Some(request.extensions().get::<ConnectInfo<SocketAddr>>()?.0.ip().to_canonical())
}

/// Parses an entry of `X-Forwarded-For`: an address, or an address with a port, with IPv6 in brackets or without. Some
/// proxies and load balancers append the port of the client.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    if let Ok(address) = hop.parse::<IpAddr>() {
        return Some(address);
    }
    if let Ok(address) = hop.parse::<SocketAddr>() {
        return Some(address.ip());
    }
    hop.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

/// Returns the part of an address that identifies one subscriber: the IPv4 address, or the /64 network of IPv6.
#[must_use]
pub fn subscriber_network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http;

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut request = http::Request::builder();
        for value in forwarded {
            request = request.header("x-forwarded-for", *value);
        }
        let mut request = request.body(axum::body::Body::empty()).unwrap();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1)));
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        address_of(&request, &trusted).unwrap().to_string()
    }

    #[test]
    fn an_untrusted_peer_cannot_forge_its_address() {
        assert_eq!(client("203.0.113.9", &["10.1.1.1"], &["10.0.0.0/8"]), "203.0.113.9");
    }

    #[test]
    fn the_last_hop_that_is_not_a_trusted_proxy_is_the_client() {
        let chain = ["6.6.6.6, 198.51.100.7", "10.0.0.3"];
        assert_eq!(client("10.0.0.2", &chain, &["10.0.0.0/8"]), "198.51.100.7");
    }

    #[test]
    fn an_invalid_address_ends_the_chain() {
        assert_eq!(client("10.0.0.2", &["1.2.3.4, junk, 10.0.0.3"], &["10.0.0.0/8"]), "10.0.0.3");
    }

    #[test]
    fn a_port_and_brackets_are_no_part_of_the_address() {
        for (hop, address) in [
            ("198.51.100.7:50312", "198.51.100.7"),
            ("[2001:db8::7]:50312", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("2001:db8::7", "2001:db8::7"),
            (" ::ffff:198.51.100.7 ", "198.51.100.7"),
            ("[::ffff:198.51.100.7]:1", "198.51.100.7"),
        ] {
            assert_eq!(
                client("10.0.0.2", &[&format!("6.6.6.6, {hop}, 10.0.0.3:80")], &["10.0.0.0/8"]),
                address
            );
        }
    }

    #[test]
    fn an_entry_that_is_no_address_ends_the_chain() {
        for hop in
            ["198.51.100.7:port", "198.51.100.7:99999", "[198.51.100.7]:1", "[2001:db8::7", "unknown", ""]
        {
            assert_eq!(client("10.0.0.2", &[hop, "10.0.0.3"], &["10.0.0.0/8"]), "10.0.0.3", "{hop}");
        }
    }

    #[test]
    fn an_ipv6_subscriber_is_a_64_bit_network() {
        assert_eq!(subscriber_network("2001:db8:1:2:3:4:5:6".parse().unwrap()), "2001:db8:1:2");
    }
}
