//! Where one is signed in: a file that only its owner can read, `hexabase/logins.json` among their configuration
//! (<https://specifications.freedesktop.org/basedir-spec/latest/>).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use hexabase_core::error::{Error, Result};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{CLIENT_ID, Server};
use hexabase_core::clock::{Clock as _, SystemClock};

/// How long an access token must still be good for to be used.
const SLACK: SignedDuration = SignedDuration::from_secs(60);

/// What one has at a server.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) access_token: String,
    pub(super) expires_at: Timestamp,
    pub(super) refresh_token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) certificate_authority_data: Option<String>,
}

/// What the token endpoint answers.
#[derive(Deserialize)]
pub(super) struct Tokens {
    pub(super) access_token: String,
    pub(super) refresh_token: String,
    pub(super) expires_in: i64,
}

impl Tokens {
    pub(super) fn held(self, server: &Server) -> Held {
        let life = SignedDuration::from_secs(self.expires_in);
        Held {
            access_token: self.access_token,
            expires_at: SystemClock.now().saturating_add(life).unwrap_or(Timestamp::MAX),
            refresh_token: self.refresh_token,
            certificate_authority_data: server.authority.clone(),
        }
    }
}

/// All places where one is signed in.
pub(super) struct Logins {
    file: PathBuf,
    servers: BTreeMap<String, Held>,
}

impl Logins {
    /// As they are now.
    pub(super) fn read() -> Result<Self> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let configuration = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")));
        let homeless = || Error::invalid("HOME", "is not set; say where your files are");
        let file = configuration.ok_or_else(homeless)?.join("hexabase/logins.json");
        let servers = match std::fs::read_to_string(&file) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| {
                let message = format!("{} is broken; remove it and sign in again", file.display());
                Error::invalid("logins", message).caused_by(error)
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(unusable(&file, error)),
        };
        Ok(Self { file, servers })
    }

    /// The server that one is signed in at, if there is just one.
    pub(super) fn only_server(&self) -> Result<String> {
        match self.servers.keys().collect::<Vec<_>>().as_slice() {
            [only] => Ok((*only).clone()),
            [] => Err(Error::unauthenticated("you are signed in nowhere: hexabase login --server https://…")),
            several => {
                let several: Vec<&str> = several.iter().map(|url| url.as_str()).collect();
                let message = format!("say which one with --server: {}", several.join(", "));
                Err(Error::invalid("server", message))
            }
        }
    }

    /// Who has signed what a server shows, if that was said at sign-in.
    pub(super) fn authority(&self, url: &str) -> Option<String> {
        self.servers.get(url).and_then(|held| held.certificate_authority_data.clone())
    }

    /// Notes that one has signed in at a server, or that one has not any more; answers what one had.
    pub(super) fn note(url: &str, held: Option<Held>) -> Result<Option<Held>> {
        let (_lock, mut logins) = Self::locked()?;
        let before = match held {
            Some(held) => logins.servers.insert(url.to_owned(), held),
            None => logins.servers.remove(url),
        };
        logins.write()?;
        Ok(before)
    }

    /// A token for the API of a server, which is renewed if it must be. Of several programs that want to at once, one
    /// does, and the others have what it got.
    pub(super) async fn access_token(&self, server: &Server) -> Result<String> {
        let fresh = |held: &&Held| held.expires_at.duration_since(SystemClock.now()) > SLACK;
        if let Some(held) = self.servers.get(&server.url).filter(fresh) {
            return Ok(held.access_token.clone());
        }
        let (_lock, mut logins) = Self::locked()?;
        let nowhere =
            |why: &str| Error::unauthenticated(format!("{why}: hexabase login --server {}", server.url));
        let held = logins.servers.get(&server.url).ok_or_else(|| nowhere("you are not signed in there"))?;
        if fresh(&held) {
            return Ok(held.access_token.clone());
        }
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &held.refresh_token),
            ("client_id", CLIENT_ID),
        ];
        match server.post_form(&format!("{}/oauth2/token", server.url), &form).await? {
            Ok(text) => {
                let renewed = server.read::<Tokens>(&text)?.held(server);
                let token = renewed.access_token.clone();
                logins.servers.insert(server.url.clone(), renewed);
                logins.write()?;
                Ok(token)
            }
            Err(failed) if failed.wrong.error.as_deref() == Some("invalid_grant") => {
                logins.servers.remove(&server.url);
                logins.write()?;
                Err(nowhere("your sign-in there is over"))
            }
            Err(failed) => Err(failed.into_error("renews nothing")),
        }
    }

    /// What there is, for as long as the file is held open, nobody else's to change.
    fn locked() -> Result<(File, Self)> {
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
            .map_err(|error| Error::unexpected("logins cannot be written as JSON").caused_by(error))?;
        replace(&self.file, &text)
    }
}

/// Puts a text into a file that only its owner can read: all of it, or nothing.
pub(super) fn replace(file: &Path, text: &str) -> Result<()> {
    let next = file.with_extension("new");
    let write = || {
        let mut opened = File::options().write(true).create(true).truncate(true).mode(0o600).open(&next)?;
        opened.write_all(text.as_bytes())?;
        opened.sync_all()?;
        std::fs::rename(&next, file)
    };
    write().map_err(|error| unusable(file, error))
}

fn unusable(file: &Path, error: std::io::Error) -> Error {
    Error::invalid("file", format!("{} cannot be used: {error}", file.display()))
}
