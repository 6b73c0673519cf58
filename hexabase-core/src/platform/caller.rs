use crate::access::{Credential, Principal};
use crate::model::{Origin, Scope};
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
    /// The caller's key: 1 to 255 printable ASCII characters.
    pub key: String,
    /// The SHA-256 of what was asked, to notice a key that is used for something else.
    pub fingerprint: VerifierHash,
}

impl Caller {
    /// A caller of whom nothing but the principal is known.
    #[must_use]
    pub fn new(principal: Principal) -> Self {
        Self { principal, origin: Origin::default(), idempotency: None }
    }

    /// Whether the credential covers a scope. A session covers all.
    #[must_use]
    pub fn covers(&self, scope: Scope) -> bool {
        match &self.principal.credential {
            Credential::Session(_) => true,
            Credential::Token(_, scopes) => scopes.cover(scope),
        }
    }
}
