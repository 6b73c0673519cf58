//! Credential of the user for the API.

use hexabase_core::error::Result;
use hexabase_core::secret::{ExposeSecret as _, SecretString};

use super::super::Server;
use super::super::saved_logins::SavedLogins;

/// Variable with an API token.
const TOKEN_VARIABLE: &str = "HEXABASE_TOKEN";

/// Credential that is sent as a bearer token.
pub(super) enum Bearer {
    /// API token, with the scopes that it was created with.
    Token(SecretString),
    /// Saved login, which acts as the user.
    Login,
}

impl Bearer {
    /// Returns the API token of the environment, or else the saved login.
    pub(super) fn from_environment() -> Self {
        let token = std::env::var(TOKEN_VARIABLE).ok().filter(|value| !value.is_empty());
        token.map_or(Self::Login, |token| Self::Token(SecretString::from(token)))
    }

    /// `true` for a saved login, which can be refreshed.
    pub(super) const fn is_of_login(&self) -> bool {
        matches!(self, Self::Login)
    }

    /// Returns the token for a server, refreshed if it expires soon.
    ///
    /// # Errors
    /// `Unauthenticated` without a saved login for the server.
    pub(super) async fn get(&self, server: &Server) -> Result<String> {
        match self {
            Self::Token(token) => Ok(token.expose_secret().to_owned()),
            Self::Login => SavedLogins::read()?.access_token(server).await,
        }
    }

    /// Returns a token in place of one of the login that the server rejected.
    ///
    /// # Errors
    /// `Unauthenticated` if the session has ended.
    pub(super) async fn renew(&self, server: &Server, rejected: &str) -> Result<String> {
        match self {
            Self::Token(token) => Ok(token.expose_secret().to_owned()),
            Self::Login => SavedLogins::replace_rejected(server, rejected).await,
        }
    }

    /// Returns the remedy for a rejected credential.
    pub(super) fn remedy(&self, server: &Server) -> String {
        match self {
            Self::Token(_) => {
                format!("replace the API token in {TOKEN_VARIABLE}, or unset the variable to use your login")
            }
            Self::Login => format!("run hexabase login --server {}", server.url),
        }
    }
}
