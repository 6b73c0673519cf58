//! Who gets tokens on people's behalf.

use std::net::IpAddr;

use hexabase_core::error::Result;
use hexabase_core::id::{OrganizationId, WorkspaceId};
use hexabase_core::model::SignatureAlgorithm;
use hexabase_core::secret::SecretString;
use jsonwebtoken::jwk::JwkSet;

use crate::auth::Auth;

/// The `client_id` of the command line, `hexabase login`: its tokens are for the API itself.
pub const COMMAND_LINE: &str = "hexabase";

/// A client that an operator has registered.
#[derive(Debug, Clone)]
pub struct RegisteredClient {
    /// Its `client_id`.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Where browsers may be sent back to, each exactly as the client will write it.
    pub redirect_uris: Vec<String>,
    /// Where browsers may be sent after signing out.
    pub post_logout_redirect_uris: Vec<String>,
    /// What it proves itself with.
    pub credential: ClientCredential,
    /// The workspace whose groups its tokens carry, and whose people alone get any; none for everybody who can sign
    /// in.
    pub workspace: Option<WorkspaceId>,
    /// Whether it belongs to whoever runs the installation, so that people are not asked whether they agree.
    pub trusted: bool,
    /// How its ID tokens are signed (`id_token_signed_response_alg`).
    pub algorithm: SignatureAlgorithm,
}

/// What a client proves itself with.
#[derive(Debug, Clone)]
pub enum ClientCredential {
    /// Nothing: whatever it knew everybody could know (RFC 6749 section 2.1).
    Public,
    /// A secret, in a header or in the body.
    Secret(SecretString),
    /// Assertions that are signed with one of these keys (`private_key_jwt`, RFC 7523).
    Keys(JwkSet),
}

/// Whom a client's tokens are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The API of this server.
    Api,
    /// A workspace: only its people get tokens, with its groups.
    Workspace(OrganizationId, WorkspaceId),
    /// Knowing who somebody is.
    Identity,
}

/// Who gets tokens on people's behalf.
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
    /// A program on somebody's own machine (RFC 8252): it listens there for the browser to come back.
    fn native(id: &str, name: &str, purpose: Purpose) -> Self {
        let hosts = ["127.0.0.1", "[::1]", "localhost"];
        let places =
            hosts.iter().flat_map(|host| ["", "/", "/callback"].map(|path| format!("http://{host}{path}")));
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            purpose,
            credential: ClientCredential::Public,
            trusted: false,
            algorithm: SignatureAlgorithm::Es256,
            redirect_uris: places.clone().collect(),
            post_logout_redirect_uris: places.collect(),
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

    /// Whether it is a workspace by itself: its API server is told all that it decides by, whatever was asked for.
    pub(super) fn is_a_workspace(&self) -> bool {
        matches!(self.purpose, Purpose::Workspace(_, id) if self.id == id.to_string())
    }

    /// Whether a browser may be sent there with a code.
    pub(super) fn may_redirect_to(&self, uri: &str) -> bool {
        self.is_one_of(&self.redirect_uris, uri)
    }

    /// Whether a browser may be sent there after signing out.
    pub(super) fn may_end_at(&self, uri: &str) -> bool {
        self.is_one_of(&self.post_logout_redirect_uris, uri)
    }

    fn is_one_of(&self, registered: &[String], uri: &str) -> bool {
        registered.iter().any(|known| known == uri || (self.is_public() && is_same_loopback(known, uri)))
    }
}

/// Whether two addresses lead to the same place on somebody's own machine, at whichever ports: a program there takes
/// one that is free (RFC 8252 section 7.3).
fn is_same_loopback(one: &str, other: &str) -> bool {
    match (loopback(one), loopback(other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

/// Host and rest of an address on somebody's own machine, without the port.
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

impl Auth {
    /// The client of an id.
    pub(super) async fn find_client(&self, id: &str) -> Result<Option<Client>> {
        if id == COMMAND_LINE {
            return Ok(Some(Client::native(id, "the command line of Hexabase", Purpose::Api)));
        }
        if let Some(registered) = self.clients.iter().find(|client| client.id == id) {
            let purpose = match registered.workspace {
                None => Some(Purpose::Identity),
                Some(workspace) => self.workspace_purpose(workspace).await?,
            };
            return Ok(purpose.map(|purpose| Client::registered(registered, purpose)));
        }
        let Ok(workspace) = id.parse::<WorkspaceId>() else { return Ok(None) };
        let purpose = self.workspace_purpose(workspace).await?;
        Ok(purpose.map(|purpose| Client::native(id, "kubectl", purpose)))
    }

    async fn workspace_purpose(&self, workspace: WorkspaceId) -> Result<Option<Purpose>> {
        let organization = self.platform.store().organization_of_workspace(workspace).await?;
        Ok(organization.map(|organization| Purpose::Workspace(organization, workspace)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_on_ones_own_machine_takes_any_port_and_no_other_place() {
        let client = Client::native("hexabase", "", Purpose::Api);
        for fine in [
            "http://127.0.0.1:8000",
            "http://127.0.0.1:51234/callback",
            "http://localhost:8000/",
            "http://[::1]:9/callback",
            "http://localhost",
        ] {
            assert!(client.may_redirect_to(fine), "{fine}");
        }
        for bad in [
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
            assert!(!client.may_redirect_to(bad), "{bad}");
        }
    }

    #[test]
    fn a_registered_address_is_compared_as_it_is_written() {
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
        assert!(client.may_redirect_to("https://grafana.example/login"));
        for bad in [
            "https://grafana.example/login/",
            "https://grafana.example/login?x=1",
            "https://GRAFANA.example/login",
            "https://grafana.example:443/login",
            "https://grafana.example/login/../evil",
            "http://127.0.0.1:2/a",
        ] {
            assert!(!client.may_redirect_to(bad), "{bad}");
        }
        assert!(!client.may_end_at("https://grafana.example/login"));
    }
}
