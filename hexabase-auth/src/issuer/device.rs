//! Signing in where there is no browser (RFC 8628).

use std::time::Duration;

use hexabase_core::clock::{after, until};
use hexabase_core::ephemeral::Rate;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::UserId;
use hexabase_core::id_source::IdSourceExt as _;
use hexabase_core::model::Origin;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::authorize::known_scope;
use super::client::Client;
use super::grant::Person;
use super::parameters::Parameters;
use super::refusal::OAuthError;
use super::response::TokenResponse;
use crate::auth::Auth;
use crate::browser::CookiePrincipal;
use crate::digest::hash;

/// The grant's name.
pub(super) const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// For how long somebody may take to get to a browser and agree.
const LIFETIME: Duration = Duration::from_secs(600);
/// How often a device may ask.
const INTERVAL: Duration = Duration::from_secs(5);
/// What codes for people are made of: letters that are not mistaken for each other and make no words (RFC 8628
/// section 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// How many letters: with the tries that one person has, nobody guesses any (RFC 8628 section 5.1).
const LENGTH: usize = 8;
/// How many codes one person may try.
const TRIES: Rate = Rate { burst: 10, period: Duration::from_secs(600) };
/// The purpose under which requests are sealed.
const SEALED: &str = "device";

/// What a device is given to begin with (RFC 8628 section 3.2).
#[derive(Clone, Serialize)]
pub struct DeviceAuthorization {
    /// What the device asks for tokens with.
    pub device_code: String,
    /// What the person types.
    pub user_code: String,
    /// Where they type it.
    pub verification_uri: String,
    /// The same with the code in it.
    pub verification_uri_complete: String,
    /// For how long, in seconds.
    pub expires_in: u64,
    /// How many seconds the device waits before it asks again.
    pub interval: u64,
}

impl std::fmt::Debug for DeviceAuthorization {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("DeviceAuthorization(…)")
    }
}

/// What somebody is asked to agree to.
#[derive(Debug, Clone)]
pub struct DeviceRequest {
    /// The code, as they typed it.
    pub user_code: String,
    /// The client.
    pub client_name: String,
    /// The workspace that it gets into on their behalf.
    pub workspace: Option<String>,
    /// What it asks for.
    pub scopes: Vec<String>,
    /// From where the device asks, if that is known.
    pub address: Option<String>,
}

/// A device that waits.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Waiting {
    client_id: String,
    scope: String,
    address: Option<String>,
    expires_at: Timestamp,
    answer: Option<Answer>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Answer {
    Agreed(Person),
    Refused,
}

impl Auth {
    /// A device begins.
    ///
    /// # Errors
    /// As RFC 8628 section 3.2 says.
    pub async fn authorize_device(
        &self,
        authorization: Option<&str>,
        parameters: &Parameters,
        origin: &Origin,
    ) -> Result<DeviceAuthorization, OAuthError> {
        parameters.require_single()?;
        let client = self.authenticate_client(authorization, parameters).await?;
        let waiting = Waiting {
            scope: known_scope(parameters.get("scope"))?,
            client_id: client.id,
            address: origin.address.clone(),
            expires_at: after(self.platform.clock().now(), LIFETIME),
            answer: None,
        };
        let (device_code, user_code) = (self.random_text(), self.user_code());
        let place = device_key(&hash(&device_code));
        self.platform.ephemeral().put(&place, &self.sealed(SEALED, &waiting)?, LIFETIME).await?;
        self.platform.ephemeral().put(&user_key(&user_code), hash(&device_code).as_bytes(), LIFETIME).await?;
        let shown = format!("{}-{}", &user_code[..LENGTH / 2], &user_code[LENGTH / 2..]);
        let verification_uri = format!("{}/oauth2/device", self.platform.settings().issuer.url);
        Ok(DeviceAuthorization {
            verification_uri_complete: format!("{verification_uri}?user_code={shown}"),
            verification_uri,
            user_code: shown,
            device_code,
            expires_in: LIFETIME.as_secs(),
            interval: INTERVAL.as_secs(),
        })
    }

    /// What somebody with a code is asked to agree to.
    ///
    /// # Errors
    /// - `NotFound` for a code that is not one, or not any more.
    /// - `RateLimited` when somebody tries too many.
    /// - `Unavailable`.
    pub async fn device_request(&self, user_code: &str, user: UserId) -> Result<DeviceRequest> {
        let (_, _, waiting) = self.waiting(user_code, user).await?;
        let client = self.find_client(&waiting.client_id).await?.ok_or_else(gone)?;
        Ok(DeviceRequest {
            user_code: user_code.to_owned(),
            workspace: self.workspace_of(&client).await?,
            client_name: client.name,
            scopes: waiting.scope.split(' ').map(str::to_owned).collect(),
            address: waiting.address,
        })
    }

    /// Somebody answers whether they agree.
    ///
    /// # Errors
    /// - `NotFound` for a code that is not one, or not any more, or was answered before.
    /// - `Forbidden` and others as they may not get into the workspace.
    /// - `RateLimited` when somebody tries too many.
    /// - `Unavailable`.
    pub async fn answer_device(
        &self,
        user_code: &str,
        agrees: bool,
        browser: &CookiePrincipal,
    ) -> Result<()> {
        let session = &browser.session;
        let (place, before, waiting) = self.waiting(user_code, session.user_id).await?;
        let client = self.find_client(&waiting.client_id).await?.ok_or_else(gone)?;
        if agrees {
            self.access_of(&client, session.user_id, session.id).await?;
        }
        let person = Person {
            user_id: session.user_id,
            provider: session.provider.clone(),
            auth_time: session.created_at,
        };
        let answer = Some(if agrees { Answer::Agreed(person) } else { Answer::Refused });
        let left = until(self.platform.clock().now(), waiting.expires_at);
        let answered = self.sealed(SEALED, &Waiting { answer, ..waiting })?;
        match self.platform.ephemeral().compare_and_set(&place, &before, &answered, left).await? {
            true => Ok(()),
            false => Err(gone()),
        }
    }

    /// The device that waits for the answer to a code: where that is kept, as what, and what it says.
    async fn waiting(&self, user_code: &str, user: UserId) -> Result<(String, Vec<u8>, Waiting)> {
        let ephemeral = self.platform.ephemeral();
        let tries = ephemeral.take_token(&format!("device-tries:{user}"), TRIES).await?;
        if !tries.allowed {
            return Err(Error::rate_limited(tries.retry_after));
        }
        let device = ephemeral.get(&user_key(&letters(user_code))).await?.ok_or_else(gone)?;
        let place = device_key(&String::from_utf8(device).map_err(|_| gone())?);
        let sealed = ephemeral.get(&place).await?.ok_or_else(gone)?;
        let waiting: Waiting = self.opened(SEALED, &sealed).ok_or_else(gone)?;
        if waiting.answer.is_some() {
            return Err(gone());
        }
        Ok((place, sealed, waiting))
    }

    /// A device asks whether there is an answer.
    pub(super) async fn redeem_device_code(
        &self,
        authorization: Option<&str>,
        parameters: &Parameters,
        origin: &Origin,
    ) -> Result<TokenResponse, OAuthError> {
        let client = self.authenticate_client(authorization, parameters).await?;
        let code = hash(parameters.need("device_code")?);
        let expired = || OAuthError::new("expired_token", "nobody agreed in time; begin again");
        let ephemeral = self.platform.ephemeral();
        let sealed = ephemeral.get(&device_key(&code)).await?.ok_or_else(expired)?;
        let waiting: Waiting = self.opened(SEALED, &sealed).ok_or_else(expired)?;
        if waiting.client_id != client.id {
            return Err(OAuthError::invalid_grant("the code is another client's"));
        }
        let pace = Rate { burst: 1, period: INTERVAL };
        if !ephemeral.take_token(&format!("device-polls:{code}"), pace).await?.allowed {
            return Err(OAuthError::new("slow_down", "wait five seconds longer before asking again"));
        }
        if waiting.answer.is_none() {
            return Err(OAuthError::new("authorization_pending", "nobody has answered yet"));
        }
        // Whatever was answered, it is said once.
        let taken = ephemeral.take(&device_key(&code)).await?.ok_or_else(expired)?;
        match self.opened(SEALED, &taken).and_then(|answered: Waiting| answered.answer) {
            Some(Answer::Agreed(person)) => {
                self.tokens_for_device(&client, &person, waiting.scope, origin).await
            }
            _ => Err(OAuthError::new("access_denied", "the person did not agree")),
        }
    }

    async fn tokens_for_device(
        &self,
        client: &Client,
        person: &Person,
        scope: String,
        origin: &Origin,
    ) -> Result<TokenResponse, OAuthError> {
        let granted = self.begin_grant(client, person, &scope, origin).await?;
        self.tokens_for(client, granted, scope, None).await
    }

    /// Eight letters, all equally likely.
    fn user_code(&self) -> String {
        let fair = u8::try_from(256 / LETTERS.len() * LETTERS.len()).unwrap_or(u8::MAX);
        let mut code = String::new();
        while code.len() < LENGTH {
            let bytes: [u8; 16] = self.platform.ids().bytes();
            let letters = bytes.iter().filter(|byte| **byte < fair);
            code.extend(letters.map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])));
        }
        code.truncate(LENGTH);
        code
    }
}

/// A code as it was given out, however somebody typed it.
fn letters(typed: &str) -> String {
    typed
        .chars()
        .filter(char::is_ascii_alphabetic)
        .map(|letter| letter.to_ascii_uppercase())
        .take(64)
        .collect()
}

fn gone() -> Error {
    Error::not_found("code")
}

fn device_key(code_hash: &str) -> String {
    format!("device:{code_hash}")
}

fn user_key(letters: &str) -> String {
    format!("user-code:{}", hash(letters))
}
