//! Device authorization grant: sign-in on a device without a browser (RFC 8628).

use std::time::Duration;

use hexabase_core::clock::{after, until};
use hexabase_core::ephemeral::Rate;
use hexabase_core::error::{Error, ErrorKind, Result};
use hexabase_core::id::UserId;
use hexabase_core::id_source::IdSourceExt as _;
use hexabase_core::model::Origin;
use hexabase_core::platform::ClusterAccess;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::OidcIssuer;
use super::authorize::supported_scope;
use super::client::Client;
use super::error::OAuthError;
use super::grant::AuthenticatedUser;
use super::parameters::Parameters;
use super::response::TokenResponse;
use crate::browser::CookiePrincipal;
use crate::digest::hash;

/// `grant_type` of the device authorization grant.
pub(super) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Lifetime of a device authorization: time that the user has to open a browser and consent.
const DEVICE_CODE_LIFETIME: Duration = Duration::from_secs(600);
/// Minimum interval between two polls of a device.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// Characters of user codes: letters that are not mistaken for each other and form no words (RFC 8628 section 6.1).
const USER_CODE_ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// Number of letters of a user code. With the attempts that a user has, guessing one is infeasible (RFC 8628 section
/// 5.1).
const USER_CODE_LENGTH: usize = 8;
/// Number of user codes that one user may try.
const USER_CODE_RATE: Rate = Rate { burst: 10, period: Duration::from_secs(600) };
/// Number of device authorizations that all callers together can start. They need no credentials, so this bounds the
/// memory that anonymous callers can use.
const AUTHORIZATION_RATE: Rate = Rate { burst: 3_000, period: Duration::from_secs(60) };
/// Purpose that device authorizations are encrypted for.
const SEAL_PURPOSE: &str = "device";

/// Device authorization response (RFC 8628 section 3.2).
#[derive(Clone, Serialize)]
pub struct DeviceAuthorization {
    /// Code that the device requests tokens with.
    pub device_code: String,
    /// Code that the user enters.
    pub user_code: String,
    /// URI of the page on which the user enters the code.
    pub verification_uri: String,
    /// Verification URI that includes the user code.
    pub verification_uri_complete: String,
    /// Lifetime of the codes, in seconds.
    pub expires_in: u64,
    /// Minimum interval between two token requests of the device, in seconds.
    pub interval: u64,
}

impl std::fmt::Debug for DeviceAuthorization {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("DeviceAuthorization(…)")
    }
}

/// Consent request for a device.
#[derive(Debug, Clone)]
pub struct DeviceRequest {
    /// User code, in the form that the device shows.
    pub user_code: String,
    /// Display name of the client.
    pub client_name: String,
    /// Name of the workspace that the client gets access to on behalf of the user; `None` if it is for none.
    pub workspace: Option<String>,
    /// Scopes that the client requests.
    pub scopes: Vec<String>,
    /// Client address of the device; `None` if unknown.
    pub address: Option<String>,
}

/// Stored state of a device authorization.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct PendingAuthorization {
    client_id: String,
    scope: String,
    address: Option<String>,
    expires_at: Timestamp,
    decision: Option<DeviceDecision>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum DeviceDecision {
    Approved(AuthenticatedUser),
    Denied,
}

impl OidcIssuer<'_> {
    /// Starts a device authorization.
    ///
    /// # Errors
    /// Errors of RFC 8628 section 3.2.
    pub async fn authorize_device(
        &self,
        authorization: Option<&str>,
        parameters: &Parameters,
        origin: &Origin,
    ) -> Result<DeviceAuthorization, OAuthError> {
        parameters.reject_duplicates()?;
        let client = self.authenticate_client(authorization, parameters).await?;
        let started =
            self.0.platform.ephemeral().take_token("device-authorizations", AUTHORIZATION_RATE).await?;
        if !started.allowed {
            return Err(Error::rate_limited(started.retry_after).into());
        }
        let pending = PendingAuthorization {
            scope: supported_scope(parameters.get("scope"))?,
            client_id: client.id,
            address: origin.address.clone(),
            expires_at: after(self.0.platform.clock().now(), DEVICE_CODE_LIFETIME),
            decision: None,
        };
        let (device_code, user_code) = (self.0.random_text(), self.user_code());
        let key = device_key(&hash(&device_code));
        self.0
            .platform
            .ephemeral()
            .put(&key, &self.0.seal(SEAL_PURPOSE, &pending)?, DEVICE_CODE_LIFETIME)
            .await?;
        self.0
            .platform
            .ephemeral()
            .put(&user_key(&user_code), hash(&device_code).as_bytes(), DEVICE_CODE_LIFETIME)
            .await?;
        let formatted_code = format_user_code(&user_code);
        let verification_uri = format!("{}/oauth2/device", self.0.platform.config().issuer.url);
        Ok(DeviceAuthorization {
            verification_uri_complete: format!("{verification_uri}?user_code={formatted_code}"),
            verification_uri,
            user_code: formatted_code,
            device_code,
            expires_in: DEVICE_CODE_LIFETIME.as_secs(),
            interval: POLL_INTERVAL.as_secs(),
        })
    }

    /// Returns the consent request for a user code.
    ///
    /// # Errors
    /// - `NotFound` if the code is unknown or has expired, or is for a workspace that does not exist or that the user
    ///   may not know.
    /// - `Forbidden` and other errors if the user has no access to the workspace.
    /// - `RateLimited` if the user tries too many codes.
    /// - `Unavailable`.
    pub async fn device_request(&self, user_code: &str, browser: &CookiePrincipal) -> Result<DeviceRequest> {
        let (_, _, pending) = self.find_pending(user_code, browser.session.user_id).await?;
        let client = self.find_client(&pending.client_id).ok_or_else(code_not_found)?;
        let access = self.device_access(&client, browser).await?;
        Ok(DeviceRequest {
            user_code: format_user_code(&normalize_user_code(user_code)),
            workspace: access.map(|access| access.workspace.name.to_string()),
            client_name: client.name,
            scopes: pending.scope.split(' ').map(str::to_owned).collect(),
            address: pending.address,
        })
    }

    /// Submits the consent decision of the user.
    ///
    /// # Errors
    /// - `NotFound` if the code is unknown, has expired, was decided before, or is for a workspace that does not exist
    ///   or that the user may not know.
    /// - `Forbidden` and other errors if the user has no access to the workspace.
    /// - `RateLimited` if the user tries too many codes.
    /// - `Unavailable`.
    pub async fn submit_device_consent(
        &self,
        user_code: &str,
        approved: bool,
        browser: &CookiePrincipal,
    ) -> Result<()> {
        let session = &browser.session;
        let (key, expected, pending) = self.find_pending(user_code, session.user_id).await?;
        let client = self.find_client(&pending.client_id).ok_or_else(code_not_found)?;
        self.device_access(&client, browser).await?;
        let decision = Some(match approved {
            true => DeviceDecision::Approved(AuthenticatedUser::of(session)),
            false => DeviceDecision::Denied,
        });
        let ttl = until(self.0.platform.clock().now(), pending.expires_at);
        let decided = self.0.seal(SEAL_PURPOSE, &PendingAuthorization { decision, ..pending })?;
        match self.0.platform.ephemeral().compare_and_set(&key, &expected, &decided, ttl).await? {
            true => Ok(()),
            false => Err(code_not_found()),
        }
    }

    /// Returns the access of the user to the workspace of a client; `None` for a client that is for no workspace. A code
    /// for a workspace that the user may not know is reported as unknown.
    async fn device_access(
        &self,
        client: &Client,
        browser: &CookiePrincipal,
    ) -> Result<Option<ClusterAccess>> {
        let access = self.cluster_access_of(client, browser.session.user_id, browser.session.id).await;
        access.map_err(|error| match error.kind() {
            ErrorKind::NotFound => code_not_found(),
            _ => error,
        })
    }

    /// Returns the undecided device authorization of a user code: its key and encrypted value in the ephemeral store,
    /// and its content.
    async fn find_pending(
        &self,
        user_code: &str,
        user: UserId,
    ) -> Result<(String, Vec<u8>, PendingAuthorization)> {
        let ephemeral = self.0.platform.ephemeral();
        let attempts = ephemeral.take_token(&format!("device-tries:{user}"), USER_CODE_RATE).await?;
        if !attempts.allowed {
            return Err(Error::rate_limited(attempts.retry_after));
        }
        let device =
            ephemeral.get(&user_key(&normalize_user_code(user_code))).await?.ok_or_else(code_not_found)?;
        let key = device_key(&String::from_utf8(device).map_err(|_| code_not_found())?);
        let sealed = ephemeral.get(&key).await?.ok_or_else(code_not_found)?;
        let pending: PendingAuthorization =
            self.0.unseal(SEAL_PURPOSE, &sealed).ok_or_else(code_not_found)?;
        if pending.decision.is_some() {
            return Err(code_not_found());
        }
        Ok((key, sealed, pending))
    }

    /// Redeems a device code: issues tokens once the user has consented.
    pub(super) async fn redeem_device_code(
        &self,
        authorization: Option<&str>,
        parameters: &Parameters,
        origin: &Origin,
    ) -> Result<TokenResponse, OAuthError> {
        let client = self.authenticate_client(authorization, parameters).await?;
        let code = hash(parameters.require("device_code")?);
        let expired = || OAuthError::new("expired_token", "the device code has expired; start again");
        let ephemeral = self.0.platform.ephemeral();
        let sealed = ephemeral.get(&device_key(&code)).await?.ok_or_else(expired)?;
        let pending: PendingAuthorization = self.0.unseal(SEAL_PURPOSE, &sealed).ok_or_else(expired)?;
        if pending.client_id != client.id {
            return Err(OAuthError::invalid_grant("the device code belongs to another client"));
        }
        let intervals = Rate { burst: 1, period: POLL_INTERVAL };
        if !ephemeral.take_token(&format!("device-polls:{code}"), intervals).await?.allowed {
            return Err(OAuthError::new("slow_down", "increase the polling interval by five seconds"));
        }
        if pending.decision.is_none() {
            return Err(OAuthError::new("authorization_pending", "the user has not decided yet"));
        }
        // The decision is returned once, whatever it is.
        let taken = ephemeral.take(&device_key(&code)).await?.ok_or_else(expired)?;
        match self.0.unseal(SEAL_PURPOSE, &taken).and_then(|decided: PendingAuthorization| decided.decision) {
            Some(DeviceDecision::Approved(user)) => {
                self.issue_device_tokens(&client, &user, pending.scope, origin).await
            }
            _ => Err(OAuthError::new("access_denied", "the user denied the request")),
        }
    }

    async fn issue_device_tokens(
        &self,
        client: &Client,
        user: &AuthenticatedUser,
        scope: String,
        origin: &Origin,
    ) -> Result<TokenResponse, OAuthError> {
        let client_session = self.begin_client_session(client, user, &scope, origin).await?;
        self.issue_tokens(client, client_session, scope, None).await
    }

    /// Generates a user code of eight letters, all equally likely.
    fn user_code(&self) -> String {
        let unbiased_limit =
            u8::try_from(256 / USER_CODE_ALPHABET.len() * USER_CODE_ALPHABET.len()).unwrap_or(u8::MAX);
        let mut code = String::new();
        while code.len() < USER_CODE_LENGTH {
            let bytes: [u8; 16] = self.0.platform.ids().bytes();
            let unbiased = bytes.iter().filter(|byte| **byte < unbiased_limit);
            code.extend(
                unbiased.map(|byte| {
                    char::from(USER_CODE_ALPHABET[usize::from(*byte) % USER_CODE_ALPHABET.len()])
                }),
            );
        }
        code.truncate(USER_CODE_LENGTH);
        code
    }
}

/// Normalizes a user code as a user entered it.
fn normalize_user_code(typed: &str) -> String {
    typed
        .chars()
        .filter(char::is_ascii_alphabetic)
        .map(|letter| letter.to_ascii_uppercase())
        .take(64)
        .collect()
}

/// Returns a user code in the form that devices show: in two halves, so that a user can compare them.
fn format_user_code(code: &str) -> String {
    match code.split_at_checked(USER_CODE_LENGTH / 2) {
        Some((left, right)) => format!("{left}-{right}"),
        None => code.to_owned(),
    }
}

fn code_not_found() -> Error {
    Error::not_found("code")
}

fn device_key(code_hash: &str) -> String {
    format!("device:{code_hash}")
}

fn user_key(user_code: &str) -> String {
    format!("user-code:{}", hash(user_code))
}
