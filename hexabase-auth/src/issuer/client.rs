//! Clients of the OpenID Connect provider: registered clients, workspaces and the command line.

use std::net::IpAddr;

use hexabase_core::id::WorkspaceId;
use hexabase_core::model::SignatureAlgorithm;
use hexabase_core::secret::SecretString;
use jsonwebtoken::jwk::JwkSet;

use super::OidcIssuer;

/// `client_id` of the command line (`hexabase login`). Its tokens are for the API itself.
pub const CLI_CLIENT_ID: &str = "hexabase";

/// Client (relying party) that an operator registered.
#[derive(Debug, Clone)]
pub struct RegisteredClient {
    /// Client id.
    pub id: String,
    /// Display name.
    pub name: String,
    /// URIs that a browser may be redirected to with an authorization code, each exactly as the client sends it.
    pub redirect_uris: Vec<String>,
    /// URIs that a browser may be redirected to after logout.
    pub post_logout_redirect_uris: Vec<String>,
    /// Credential that the client authenticates with.
    pub credential: ClientCredential,
    /// Workspace whose groups are in the client's tokens, and whose members alone get any; `None` for all users.
    pub workspace: Option<WorkspaceId>,
    /// `true` if the client belongs to the operator of the installation, so that users are not asked for consent.
    pub trusted: bool,
    /// Signature algorithm of its ID tokens (`id_token_signed_response_alg`).
    pub algorithm: SignatureAlgorithm,
}

/// Credential of a client.
#[derive(Debug, Clone)]
pub enum ClientCredential {
    /// No credential: a public client cannot keep one secret (RFC 6749 section 2.1).
    Public,
    /// Secret, sent in the header or in the body.
    Secret(SecretString),
    /// Keys that verify the client's assertions (`private_key_jwt`, RFC 7523).
    Keys(JwkSet),
}

/// Purpose of a client's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Requests to the API of this server.
    Api,
    /// Access to a workspace: only its members get tokens, which carry its groups. The workspace need not exist.
    Workspace(WorkspaceId),
    /// Identity of the user, and nothing else.
    Identity,
}

/// Client of the OpenID Connect provider, registered or built in.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) purpose: Purpose,
    pub(super) credential: ClientCredential,
    pub(super) trusted: bool,
    pub(super) algorithm: SignatureAlgorithm,
    redirect_uris: Vec<String>,
    post_logout_redirect_uris: Vec<String>,
}

impl Client {
    /// Returns a native client (RFC 8252): a program on the user's machine, which listens there for the redirect.
    fn native(id: &str, name: &str, purpose: Purpose) -> Self {
        let hosts = ["127.0.0.1", "[::1]", "localhost"];
        let uris =
            hosts.iter().flat_map(|host| ["", "/", "/callback"].map(|path| format!("http://{host}{path}")));
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            purpose,
            credential: ClientCredential::Public,
            trusted: false,
            algorithm: SignatureAlgorithm::Es256,
            redirect_uris: uris.clone().collect(),
            post_logout_redirect_uris: uris.collect(),
        }
    }

    fn registered(client: &RegisteredClient, purpose: Purpose) -> Self {
        Self {
            id: client.id.clone(),
            name: client.name.clone(),
            purpose,
            credential: client.credential.clone(),
            trusted: client.trusted,
            algorithm: client.algorithm,
            redirect_uris: client.redirect_uris.clone(),
            post_logout_redirect_uris: client.post_logout_redirect_uris.clone(),
        }
    }

    pub(super) const fn is_public(&self) -> bool {
        matches!(self.credential, ClientCredential::Public)
    }

    /// `true` if the client is a workspace itself. Its API server receives all claims that it authorizes by, whatever
    /// scope was requested.
    pub(super) fn is_workspace(&self) -> bool {
        matches!(self.purpose, Purpose::Workspace(id) if self.id == id.to_string())
    }

    /// `true` if a browser may be redirected to the URI with an authorization code.
    pub(super) fn allows_redirect_uri(&self, uri: &str) -> bool {
        self.contains_uri(&self.redirect_uris, uri)
    }

    /// `true` if only the client itself can use a response to the redirect URI. Any program on the user's machine can
    /// listen on a loopback port, so that a public client there cannot be told from another program (RFC 8252 section
    /// 8.6).
    pub(super) fn is_assured_at(&self, redirect_uri: &str) -> bool {
        !self.is_public() || loopback(redirect_uri).is_none()
    }

    /// `true` if a browser may be redirected to the URI after logout.
    pub(super) fn allows_post_logout_redirect_uri(&self, uri: &str) -> bool {
        self.contains_uri(&self.post_logout_redirect_uris, uri)
    }

    fn contains_uri(&self, registered: &[String], uri: &str) -> bool {
        registered.iter().any(|known| known == uri || (self.is_public() && is_same_loopback(known, uri)))
    }
}

/// `true` if two loopback URIs differ in the port at most: a native client listens on a free port (RFC 8252 section
/// 7.3).
fn is_same_loopback(left: &str, right: &str) -> bool {
    match (loopback(left), loopback(right)) {
        (Some(left), Some(right)) => left == right,
        _ => false,
    }
}

/// Returns host and remainder of a loopback URI, without the port; `None` for any other URI.
fn loopback(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let is_port = |text: &str| text.parse::<u16>().is_ok() && text.bytes().all(|byte| byte.is_ascii_digit());
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if is_port(port) => host,
        _ => authority,
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback =
        host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    (is_loopback && !path.contains('#')).then_some((host, path))
}

impl OidcIssuer<'_> {
    /// Returns the display name of a client; `None` for an unknown one.
    #[must_use]
    pub fn client_name(&self, id: &str) -> Option<String> {
        self.find_client(id).map(|client| client.name)
    }

    /// Returns the client with this id. Every workspace id is a client, whether or not there is such a workspace, which
    /// only users find out who have access to it.
    pub(super) fn find_client(&self, id: &str) -> Option<Client> {
        if id == CLI_CLIENT_ID {
            return Some(Client::native(id, "the Hexabase command line", Purpose::Api));
        }
        if let Some(registered) = self.0.clients.iter().find(|client| client.id == id) {
            let purpose = registered.workspace.map_or(Purpose::Identity, Purpose::Workspace);
            return Some(Client::registered(registered, purpose));
        }
        let workspace = id.parse::<WorkspaceId>().ok()?;
        Some(Client::native(id, "kubectl", Purpose::Workspace(workspace)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_native_client_may_use_any_loopback_port_and_no_other_uri() {
        let client = Client::native("hexabase", "", Purpose::Api);
        for allowed in [
            "http://127.0.0.1:8000",
            "http://127.0.0.1:51234/callback",
            "http://localhost:8000/",
            "http://[::1]:9/callback",
            "http://localhost",
        ] {
            assert!(client.allows_redirect_uri(allowed), "{allowed}");
        }
        for rejected in [
            "https://127.0.0.1:8000",
            "http://127.0.0.1:8000/elsewhere",
            "http://127.0.0.1:8000/callback?more",
            "http://127.0.0.1:8000/callback#more",
            "http://127.0.0.1.evil.example/callback",
            "http://127.0.0.1:8000@evil.example/callback",
            "http://localhost:80:80/callback",
            "http://localhost:+80/callback",
            "http://evil.example/callback",
            "http://10.0.0.1/callback",
            "//127.0.0.1/callback",
            "http://LOCALHOST/callback",
            "",
        ] {
            assert!(!client.allows_redirect_uri(rejected), "{rejected}");
        }
    }

    #[test]
    fn a_public_client_is_not_assured_on_a_loopback_port() {
        let native = Client::native("hexabase", "", Purpose::Api);
        assert!(!native.is_assured_at("http://127.0.0.1:8000/callback"));
        assert!(!native.is_assured_at("http://[::1]"));
        assert!(native.is_assured_at("https://grafana.example/login"));
        let credential = ClientCredential::Secret("secret".to_owned().into());
        let confidential = Client { credential, ..native };
        assert!(confidential.is_assured_at("http://127.0.0.1:8000/callback"));
    }

    #[test]
    fn registered_redirect_uris_are_compared_as_exact_strings() {
        let registered = RegisteredClient {
            id: "grafana".to_owned(),
            name: "Grafana".to_owned(),
            redirect_uris: vec![
                "https://grafana.example/login".to_owned(),
                "http://127.0.0.1:1/a".to_owned(),
            ],
            post_logout_redirect_uris: Vec::new(),
            credential: ClientCredential::Secret("secret".to_owned().into()),
            workspace: None,
            trusted: true,
            algorithm: SignatureAlgorithm::Es256,
        };
        let client = Client::registered(&registered, Purpose::Identity);
        assert!(client.allows_redirect_uri("https://grafana.example/login"));
        for rejected in [
            "https://grafana.example/login/",
            "https://grafana.example/login?x=1",
            "https://GRAFANA.example/login",
            "https://grafana.example:443/login",
            "https://grafana.example/login/../evil",
            "http://127.0.0.1:2/a",
        ] {
            assert!(!client.allows_redirect_uri(rejected), "{rejected}");
        }
        assert!(!client.allows_post_logout_redirect_uri("https://grafana.example/login"));
    }
}
