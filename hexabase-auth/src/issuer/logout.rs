//! Logout on request of a client (OpenID Connect RP-Initiated Logout 1.0).

use hexabase_core::error::{Error, Result};
use hexabase_core::model::Origin;

use super::id_token::IdTokenHint;
use super::parameters::Parameters;
use crate::auth::Auth;
use crate::browser::CookiePrincipal;
use crate::query::with_query;

/// Outcome of a logout request for the browser.
#[derive(Debug)]
pub enum Logout {
    /// The user must confirm the logout: the request carries no ID token of the signed-in user.
    ConfirmationRequired,
    /// The user is signed out; the URI is the one to redirect to, `None` if the client named none.
    Completed(Option<String>),
}

impl Auth {
    /// Handles a logout request of a client. `confirmed` is `true` if the user has confirmed it.
    ///
    /// # Errors
    /// - `Invalid` if the hint is not an ID token of this server, or the redirect URI is not registered for the
    ///   client.
    /// - `Unavailable`.
    pub async fn log_out(
        &self,
        parameters: &Parameters,
        browser: Option<&CookiePrincipal>,
        confirmed: bool,
        origin: &Origin,
    ) -> Result<Logout> {
        let as_invalid = |error: super::OAuthError| Error::invalid("id_token_hint", error.description);
        parameters.reject_duplicates().map_err(as_invalid)?;
        let hint = match parameters.get("id_token_hint") {
            Some(hint) => Some(self.verify_id_token_hint(hint).await.map_err(as_invalid)?),
            None => None,
        };
        let destination = self.destination(parameters, hint.as_ref()).await?;
        if let Some(browser) = browser {
            let is_hinted_user = hint.is_some_and(|hint| hint.subject == browser.session.user_id);
            if !is_hinted_user && !confirmed {
                return Ok(Logout::ConfirmationRequired);
            }
            self.revoke(browser.session.user_id, browser.session.id, origin).await?;
        }
        Ok(Logout::Completed(destination))
    }

    /// Returns the redirect URI of the request with its `state`; `None` if the request has none.
    async fn destination(
        &self,
        parameters: &Parameters,
        hint: Option<&IdTokenHint>,
    ) -> Result<Option<String>> {
        let Some(uri) = parameters.get("post_logout_redirect_uri") else { return Ok(None) };
        let requested = parameters.get("client_id");
        let hint_client = hint.map(|hint| hint.client_id.as_str());
        if let (Some(requested), Some(hint_client)) = (requested, hint_client)
            && requested != hint_client
        {
            return Err(Error::invalid("client_id", "differs from the client of id_token_hint"));
        }
        let id = requested.or(hint_client).ok_or_else(|| Error::invalid("client_id", "is required"))?;
        let client = self.find_client(id).await?;
        match client.is_some_and(|client| client.allows_post_logout_redirect_uri(uri)) {
            true => Ok(Some(with_query(uri, &[("state", parameters.get("state"))]))),
            false => Err(Error::invalid("post_logout_redirect_uri", "is not registered for this client")),
        }
    }
}
