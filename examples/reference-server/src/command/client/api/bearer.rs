//! Credential of the user, or of a job of a CI system, for the API.

use hexabase_core::clock::{Clock as _, SystemClock};
use hexabase_core::error::{Error, Result};
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use jiff::Timestamp;
use tokio::sync::Mutex;

use super::super::Server;
use super::super::job_token::{self, ID_TOKEN_TYPE};
use super::super::saved_logins::SavedLogins;

/// Variable with an API token.
const TOKEN_VARIABLE: &str = "HEXABASE_TOKEN";

/// Credential that is sent as a bearer token.
pub(super) enum Bearer {
    /// API token, with the scopes that it was created with.
    Token(SecretString),
    /// Token that the server issues for the token of the job, with its expiry; `None` before the first request.
    Job(Mutex<Option<(SecretString, Timestamp)>>),
    /// Saved login, which acts as the user.
    Login,
}

impl Bearer {
    /// Returns the API token of the environment, or else the credential of the job, or else the saved login.
    pub(super) fn from_environment() -> Self {
        match job_token::variable(TOKEN_VARIABLE) {
            Some(token) => Self::Token(SecretString::from(token)),
            None if job_token::is_job() => Self::Job(Mutex::default()),
            None => Self::Login,
        }
    }

    /// `true` for credentials that can be refreshed.
    pub(super) const fn is_renewable(&self) -> bool {
        matches!(self, Self::Login | Self::Job(_))
    }

    /// Returns the token for a server, refreshed if it expires soon.
    ///
    /// # Errors
    /// `Unauthenticated` without a saved login for the server, or if the server does not trust the job.
    pub(super) async fn get(&self, server: &Server) -> Result<String> {
        match self {
            Self::Token(token) => Ok(token.expose_secret().to_owned()),
            Self::Job(issued) => {
                let mut issued = issued.lock().await;
                let current = issued.as_ref().filter(|(_, expires_at)| SystemClock.now() < *expires_at);
                if let Some((token, _)) = current {
                    return Ok(token.expose_secret().to_owned());
                }
                let (token, expires_at) = exchange(server).await?;
                *issued = Some((SecretString::from(token.clone()), expires_at));
                Ok(token)
            }
            Self::Login => SavedLogins::read()?.access_token(server).await,
        }
    }

    /// Returns a token in place of one of the login or job that the server rejected.
    ///
    /// # Errors
    /// `Unauthenticated` if the session has ended, or the server no longer trusts the job.
    pub(super) async fn renew(&self, server: &Server, rejected: &str) -> Result<String> {
        match self {
            Self::Token(token) => Ok(token.expose_secret().to_owned()),
            Self::Job(issued) => {
                issued.lock().await.take_if(|(token, _)| token.expose_secret() == rejected);
                self.get(server).await
            }
            Self::Login => SavedLogins::replace_rejected(server, rejected).await,
        }
    }

    /// Returns the remedy for a rejected credential.
    pub(super) fn remedy(&self, server: &Server) -> String {
        match self {
            Self::Token(_) => {
                format!("replace the API token in {TOKEN_VARIABLE}, or unset the variable to use your login")
            }
            Self::Job(_) => {
                "ask the operator of the server to trust this job for the API (api_scopes)".to_owned()
            }
            Self::Login => format!("run hexabase login --server {}", server.url),
        }
    }
}

/// Exchanges the token of the job for a token for the API.
async fn exchange(server: &Server) -> Result<(String, Timestamp)> {
    let missing = || Error::unauthenticated("the CI system issued no token for this job");
    let token = job_token::find(server).await?.ok_or_else(missing)?;
    let issued = job_token::exchange(server, (&token, ID_TOKEN_TYPE), &server.url).await?;
    issued.map_err(|error| error.into_error("issued no token for this job"))
}
