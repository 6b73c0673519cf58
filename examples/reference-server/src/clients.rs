//! Who lets people sign in with this server, as an operator registers them.

use std::path::PathBuf;

use hexabase_auth::issuer::{COMMAND_LINE, ClientCredential, RegisteredClient};
use hexabase_core::error::{Check, Result};
use hexabase_core::id::WorkspaceId;
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::named::list;

/// The shortest secret that is taken: nobody guesses it.
const SHORTEST_SECRET: usize = 16;

/// A client of the OpenID Connect provider: the table `[clients.NAME]`, or variables `HEXABASE_CLIENTS__NAME__…`. The
/// name is its `client_id`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ClientOptions {
    /// What people call it; the name if not said.
    title: Option<String>,
    /// What it proves itself with; without it, and without keys, it is a public client.
    secret: Option<SecretString>,
    /// A file with the keys that it signs assertions with, as a JSON Web Key Set.
    jwks: Option<PathBuf>,
    /// Where browsers may be sent back to.
    #[serde(deserialize_with = "list")]
    redirect_uris: Vec<String>,
    /// Where browsers may be sent after signing out.
    #[serde(deserialize_with = "list")]
    post_logout_redirect_uris: Vec<String>,
    /// The workspace whose groups its tokens carry, and whose people alone can sign in.
    workspace: Option<String>,
    /// Whether people are not asked whether they agree.
    trusted: Option<bool>,
    /// How its ID tokens are signed: `ES256`, or `RS256` for one that knows nothing newer.
    id_token_signed_response_alg: Option<String>,
}

impl ClientOptions {
    /// The client that is set here.
    ///
    /// # Errors
    /// `Invalid`, naming everything that is missing or wrong.
    pub(crate) fn client(self, name: &str) -> Result<RegisteredClient> {
        let mut check = Check::default();
        let at = |key: &str| format!("clients.{name}.{key}");
        let is_taken = name == COMMAND_LINE || name.parse::<WorkspaceId>().is_ok();
        check.require(!is_taken, at("name"), "is a client by itself; choose another name");
        check.require(!self.redirect_uris.is_empty(), at("redirect_uris"), "is missing");
        for uri in self.redirect_uris.iter().chain(&self.post_logout_redirect_uris) {
            let scheme = uri.split_once(':').map(|(scheme, _)| scheme);
            let harmless =
                scheme.is_some_and(|scheme| !["javascript", "data", "vbscript", "file"].contains(&scheme));
            let fine = harmless && !uri.contains('#') && uri.bytes().all(|byte| byte.is_ascii_graphic());
            check.require(
                fine,
                at("redirect_uris"),
                format!("{uri:?} must be a whole URL without a fragment"),
            );
        }
        let long_enough =
            self.secret.as_ref().is_none_or(|secret| secret.expose_secret().len() >= SHORTEST_SECRET);
        let advice = format!("must have {SHORTEST_SECRET} characters or more: openssl rand -base64 32");
        check.require(long_enough, at("secret"), advice);
        check.require(self.secret.is_none() || self.jwks.is_none(), at("jwks"), "does not go with a secret");
        let workspace = self.workspace.as_deref().map(str::parse).transpose();
        let workspace = check.field(at("workspace"), workspace);
        let keys = self.jwks.map(|file| {
            let text = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
            serde_json::from_str(&text).map_err(|error| error.to_string())
        });
        let keys = check.field(at("jwks"), keys.transpose());
        let algorithm = self.id_token_signed_response_alg.as_deref().unwrap_or("ES256").parse();
        let algorithm = check.field(at("id_token_signed_response_alg"), algorithm);
        let (workspace, keys, algorithm) = check.all((workspace, keys, algorithm))?;
        let credential = match (self.secret, keys) {
            (Some(secret), _) => ClientCredential::Secret(secret),
            (None, Some(keys)) => ClientCredential::Keys(keys),
            (None, None) => ClientCredential::Public,
        };
        Ok(RegisteredClient {
            name: self.title.unwrap_or_else(|| name.to_owned()),
            id: name.to_owned(),
            redirect_uris: self.redirect_uris,
            post_logout_redirect_uris: self.post_logout_redirect_uris,
            credential,
            workspace,
            trusted: self.trusted.unwrap_or(false),
            algorithm,
        })
    }
}
