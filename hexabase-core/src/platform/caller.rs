use crate::access::{Credential, Principal};
use crate::error::{Error, Result};
use crate::model::Origin;
use crate::secret::VerifierHash;

/// Principal, origin and idempotency key of a call.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Authenticated principal.
    pub principal: Principal,
    /// Origin of the request, for the audit log.
    pub origin: Origin,
    /// Idempotency key of the request; `None` if the caller sent none.
    pub idempotency: Option<IdempotencyKey>,
}

/// Idempotency key of a request, with a fingerprint of the request.
#[derive(Debug, Clone)]
pub struct IdempotencyKey {
    pub(super) key: String,
    fingerprint: VerifierHash,
}

impl IdempotencyKey {
    /// Creates the key from the caller's `key` and the parts that identify the request, such as method, path and body.
    /// Requests with different parts are different requests.
    ///
    /// # Errors
    /// `Invalid` if the key is not 1 to 255 printable ASCII characters without spaces.
    pub fn new(key: &str, request: &[&[u8]]) -> Result<Self> {
        let is_valid = (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_valid {
            let message = "must be 1 to 255 printable ASCII characters without spaces";
            return Err(Error::invalid("Idempotency-Key", message));
        }
        Ok(Self { key: key.to_owned(), fingerprint: VerifierHash::of_parts(request) })
    }

    /// Returns the fingerprint of the request as sent with a credential. A response is replayed to the credential that
    /// received it only: another token of the same user may have narrower scopes.
    pub(super) fn fingerprint_for(&self, credential: &Credential) -> VerifierHash {
        let id = match credential {
            Credential::Session(id) => id.to_string(),
            Credential::Token(id, _) => id.to_string(),
            Credential::Workload => "workload".to_owned(),
        };
        VerifierHash::of_parts(&[self.fingerprint.to_string().as_bytes(), id.as_bytes()])
    }
}

impl Caller {
    /// Creates a caller without origin and idempotency key.
    #[must_use]
    pub fn new(principal: Principal) -> Self {
        Self { principal, origin: Origin::default(), idempotency: None }
    }
}
