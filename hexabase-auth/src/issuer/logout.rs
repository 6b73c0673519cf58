//! Logout on request of a client (OpenID Connect RP-Initiated Logout 1.0).

use hexabase_core::error::{Error, Result};

use super::OidcIssuer;
use super::parameters::Parameters;
use crate::query::with_query;

/// Validated logout request of a client. It signs the user out only after the user has confirmed it: clients, and all
/// servers that they pass ID tokens on to, could otherwise end sessions of this server.
#[derive(Debug, Clone)]
pub struct LogoutRequest {
    client_id: Option<String>,
    redirect_uri: Option<String>,
    state: Option<String>,
}

impl LogoutRequest {
    /// Returns the URI to redirect the browser to afterwards; `None` if the client named none.
    #[must_use]
    pub fn destination(&self) -> Option<String> {
        let uri = self.redirect_uri.as_ref()?;
        Some(with_query(uri, &[("state", self.state.as_deref())]))
    }

    /// Returns the parameters of an equivalent request, without the ID token.
    pub fn parameters(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let parameters = [
            ("client_id", &self.client_id),
            ("post_logout_redirect_uri", &self.redirect_uri),
            ("state", &self.state),
        ];
        parameters.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }
}

impl OidcIssuer<'_> {
    /// Validates a logout request of a client.
    ///
    /// # Errors
    /// - `Invalid` if the hint is not an ID token of this server, or the redirect URI is not registered for the
    ///   client.
    /// - `Unavailable`.
    pub async fn logout_request(&self, parameters: &Parameters) -> Result<LogoutRequest> {
        let as_invalid = |error: super::OAuthError| Error::invalid("id_token_hint", error.description);
        parameters.reject_duplicates().map_err(as_invalid)?;
        let hint = match parameters.get("id_token_hint") {
            Some(hint) => Some(self.verify_id_token_hint(hint).await.map_err(as_invalid)?),
            None => None,
        };
        let requested = parameters.get("client_id");
        let hint_client = hint.as_ref().map(|hint| hint.client_id.as_str());
        if let (Some(requested), Some(hint_client)) = (requested, hint_client)
            && requested != hint_client
        {
            return Err(Error::invalid("client_id", "differs from the client of id_token_hint"));
        }
        let client_id = requested.or(hint_client);
        let redirect_uri = parameters.get("post_logout_redirect_uri");
        if let Some(uri) = redirect_uri {
            let id = client_id.ok_or_else(|| Error::invalid("client_id", "is required"))?;
            let client = self.find_client(id);
            if !client.is_some_and(|client| client.allows_post_logout_redirect_uri(uri)) {
                let message = "is not registered for this client";
                return Err(Error::invalid("post_logout_redirect_uri", message));
            }
        }
        Ok(LogoutRequest {
            client_id: client_id.map(str::to_owned),
            redirect_uri: redirect_uri.map(str::to_owned),
            state: parameters.get("state").map(str::to_owned),
        })
    }
}
