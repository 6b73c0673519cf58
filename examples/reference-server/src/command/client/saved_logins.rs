//! Saved logins: tokens for servers in `hexabase/logins.json` below the user's configuration directory
//! (<https://specifications.freedesktop.org/basedir-spec/latest/>), which only the owner can read.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use hexabase_core::error::{Error, Result};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{CLIENT_ID, Server};
use crate::files;
use hexabase_core::clock::{Clock as _, SystemClock};

/// Minimum remaining lifetime of an access token to be used without a refresh.
const MIN_TOKEN_LIFETIME: SignedDuration = SignedDuration::from_secs(60);

/// Tokens for one server.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct SavedLogin {
    pub(super) access_token: String,
    pub(super) expires_at: Timestamp,
    pub(super) refresh_token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) certificate_authority_data: Option<String>,
}

impl SavedLogin {
    /// `true` if the access token does not expire soon.
    fn is_fresh(&self) -> bool {
        self.expires_at.duration_since(SystemClock.now()) > MIN_TOKEN_LIFETIME
    }
}

/// Successful response of the token endpoint.
#[derive(Deserialize)]
pub(super) struct TokenResponse {
    pub(super) access_token: String,
    pub(super) refresh_token: String,
    pub(super) expires_in: i64,
}

impl TokenResponse {
    pub(super) fn into_login(self, server: &Server) -> SavedLogin {
        let lifetime = SignedDuration::from_secs(self.expires_in);
        SavedLogin {
            access_token: self.access_token,
            expires_at: SystemClock.now().saturating_add(lifetime).unwrap_or(Timestamp::MAX),
            refresh_token: self.refresh_token,
            certificate_authority_data: server.certificate_authority_data.clone(),
        }
    }
}

/// Saved logins by server URL.
pub(super) struct SavedLogins {
    file: PathBuf,
    servers: BTreeMap<String, SavedLogin>,
}

impl SavedLogins {
    /// Reads the file; without a file there are no logins.
    pub(super) fn read() -> Result<Self> {
        let file = state_folder()?.join("logins.json");
        let servers = match std::fs::read_to_string(&file) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| {
                let message = format!("{} is corrupt; remove it and sign in again", file.display());
                Error::invalid("logins", message).caused_by(error)
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(unusable(&file, error)),
        };
        Ok(Self { file, servers })
    }

    /// Returns the URL of the server that the user is signed in to.
    ///
    /// # Errors
    /// `Unauthenticated` if there is none, and `Invalid` if there are several.
    pub(super) fn only_server(&self) -> Result<String> {
        match self.servers.keys().collect::<Vec<_>>().as_slice() {
            [only] => Ok((*only).clone()),
            [] => Err(Error::unauthenticated(
                "you are not signed in to any server; run hexabase login --server https://…",
            )),
            several => {
                let several: Vec<&str> = several.iter().map(|url| url.as_str()).collect();
                let message = format!("select a server with --server: {}", several.join(", "));
                Err(Error::invalid("server", message))
            }
        }
    }

    /// Returns the certificates of the server's private CA that were given at sign-in, in base64-encoded PEM.
    pub(super) fn authority(&self, url: &str) -> Option<String> {
        self.servers.get(url).and_then(|login| login.certificate_authority_data.clone())
    }

    /// Saves the login for a server, or removes it with `None`. Returns the previous login.
    pub(super) fn update(url: &str, login: Option<SavedLogin>) -> Result<Option<SavedLogin>> {
        let (_lock, mut logins) = Self::read_locked()?;
        let previous = match login {
            Some(login) => logins.servers.insert(url.to_owned(), login),
            None => logins.servers.remove(url),
        };
        logins.write()?;
        Ok(previous)
    }

    /// Returns an access token for the API of a server. Refreshes the saved one if it expires soon; concurrent
    /// processes wait for one refresh and share its result.
    pub(super) async fn access_token(&self, server: &Server) -> Result<String> {
        match self.servers.get(&server.url).filter(|login| login.is_fresh()) {
            Some(login) => Ok(login.access_token.clone()),
            None => Self::refreshed_token(server, SavedLogin::is_fresh).await,
        }
    }

    /// Returns an access token in place of one that the server rejected. A token can become invalid before it expires:
    /// its signing key was retired, its session was ended elsewhere, or the clock of this machine is wrong.
    pub(super) async fn replace_rejected(server: &Server, rejected: &str) -> Result<String> {
        Self::refreshed_token(server, |login| login.is_fresh() && login.access_token != rejected).await
    }

    /// Returns the saved access token if it is usable, perhaps since another process refreshed it, or else refreshes it.
    async fn refreshed_token(
        server: &Server,
        is_usable: impl Fn(&SavedLogin) -> bool + Send,
    ) -> Result<String> {
        let (_lock, mut logins) = Self::read_locked()?;
        let signed_out = |reason: &str| {
            Error::unauthenticated(format!("{reason}; run hexabase login --server {}", server.url))
        };
        let login = logins
            .servers
            .get(&server.url)
            .ok_or_else(|| signed_out("you are not signed in to this server"))?;
        if is_usable(login) {
            return Ok(login.access_token.clone());
        }
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &login.refresh_token),
            ("client_id", CLIENT_ID),
        ];
        match server.post_form(&format!("{}/oauth2/token", server.url), &form).await? {
            Ok(text) => {
                let refreshed = server.parse::<TokenResponse>(&text)?.into_login(server);
                let token = refreshed.access_token.clone();
                logins.servers.insert(server.url.clone(), refreshed);
                logins.write()?;
                Ok(token)
            }
            Err(error) if error.body.error.as_deref() == Some("invalid_grant") => {
                logins.servers.remove(&server.url);
                logins.write()?;
                Err(signed_out("your session has ended"))
            }
            Err(error) => Err(error.into_error("did not refresh the token")),
        }
    }

    /// Locks the file against other processes, for as long as the returned handle is open, and reads it.
    fn read_locked() -> Result<(File, Self)> {
        let file = Self::read()?.file;
        let folder = file.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(|error| unusable(folder, error))?;
        let lock = folder.join("logins.lock");
        let opened = File::options().create(true).append(true).mode(0o600).open(&lock);
        let opened = opened.and_then(|opened| opened.lock().map(|()| opened));
        Ok((opened.map_err(|error| unusable(&lock, error))?, Self::read()?))
    }

    fn write(&self) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.servers)
            .map_err(|error| Error::unexpected("the logins cannot be serialized").caused_by(error))?;
        files::replace_private(&self.file, &text).map_err(|error| unusable(&self.file, error))
    }
}

/// Returns the folder for the state of the client commands, `hexabase` below the user's configuration directory.
///
/// # Errors
/// `Invalid` if the user has no home directory.
pub(super) fn state_folder() -> Result<PathBuf> {
    let path = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = path("XDG_CONFIG_HOME").or_else(|| Some(path("HOME")?.join(".config")));
    let missing = || Error::invalid("HOME", "is not set; set it to your home directory");
    Ok(folder.ok_or_else(missing)?.join("hexabase"))
}

fn unusable(file: &Path, error: std::io::Error) -> Error {
    Error::invalid("file", format!("{} cannot be used: {error}", file.display()))
}
