//! Signing out, as a client asks for it (OpenID Connect RP-Initiated Logout 1.0).

use hexabase_core::error::{Error, Result};
use hexabase_core::model::Origin;

use super::id_token::Hint;
use super::parameters::Parameters;
use crate::auth::Auth;
use crate::browser::CookiePrincipal;
use crate::query::with_query;

/// What a browser is told that comes to sign out.
#[derive(Debug)]
pub enum Logout {
    /// To ask the person whether they want that: nobody but the client says so.
    Ask,
    /// That they are signed out, and where to go on; nowhere if the client named no address of its own.
    Done(Option<String>),
}

impl Auth {
    /// A browser comes from a client to sign out. `confirmed` says that the person has said so themselves.
    ///
    /// # Errors
    /// - `Invalid` for a hint that is no token of ours, and an address that is none of the client's.
    /// - `Unavailable`.
    pub async fn log_out(
        &self,
        parameters: &Parameters,
        browser: Option<&CookiePrincipal>,
        confirmed: bool,
        origin: &Origin,
    ) -> Result<Logout> {
        let as_invalid = |error: super::OAuthError| Error::invalid("id_token_hint", error.description);
        parameters.require_single().map_err(as_invalid)?;
        let hint = match parameters.get("id_token_hint") {
            Some(hint) => Some(self.hinted(hint).await.map_err(as_invalid)?),
            None => None,
        };
        let destination = self.destination(parameters, hint.as_ref()).await?;
        if let Some(browser) = browser {
            let is_meant = hint.is_some_and(|hint| hint.subject == browser.session.user_id);
            if !is_meant && !confirmed {
                return Ok(Logout::Ask);
            }
            self.revoke(browser.session.user_id, browser.session.id, origin).await?;
        }
        Ok(Logout::Done(destination))
    }

    /// Where the client wants the browser: one of its own addresses, or none.
    async fn destination(&self, parameters: &Parameters, hint: Option<&Hint>) -> Result<Option<String>> {
        let Some(uri) = parameters.get("post_logout_redirect_uri") else { return Ok(None) };
        let named = parameters.get("client_id");
        let hinted = hint.map(|hint| hint.client_id.as_str());
        if let (Some(named), Some(hinted)) = (named, hinted)
            && named != hinted
        {
            return Err(Error::invalid("client_id", "is not the one that id_token_hint was given to"));
        }
        let id = named.or(hinted).ok_or_else(|| Error::invalid("client_id", "is missing"))?;
        let client = self.find_client(id).await?;
        match client.is_some_and(|client| client.may_end_at(uri)) {
            true => Ok(Some(with_query(uri, &[("state", parameters.get("state"))]))),
            false => Err(Error::invalid("post_logout_redirect_uri", "is not registered for this client")),
        }
    }
}
