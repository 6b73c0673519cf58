use crate::access::Principal;
use crate::error::{Error, Result};
use crate::model::Origin;
use crate::secret::VerifierHash;

/// On whose behalf a service acts, from where, and as which repetition.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who calls.
    pub principal: Principal,
    /// From where, for the audit log.
    pub origin: Origin,
    /// What marks repetitions of this request, if the caller sent something.
    pub idempotency: Option<IdempotencyKey>,
}

/// What marks repetitions of a request.
#[derive(Debug, Clone)]
pub struct IdempotencyKey {
    pub(super) key: String,
    pub(super) fingerprint: VerifierHash,
}

impl IdempotencyKey {
    /// The caller's `key` for a request that consists of these parts: method, path, body or whatever makes it
    /// another request when it differs.
    ///
    /// # Errors
    /// `Invalid` for a key that is not 1 to 255 printable ASCII characters.
    pub fn new(key: &str, request: &[&[u8]]) -> Result<Self> {
        let fine = (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        if !fine {
            let message = "must be 1 to 255 printable ASCII characters without spaces";
            return Err(Error::invalid("Idempotency-Key", message));
        }
        Ok(Self { key: key.to_owned(), fingerprint: VerifierHash::of_parts(request) })
    }
}

impl Caller {
    /// A caller of whom nothing but the principal is known.
    #[must_use]
    pub fn new(principal: Principal) -> Self {
        Self { principal, origin: Origin::default(), idempotency: None }
    }
}
