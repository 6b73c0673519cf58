use std::collections::BTreeSet;
use std::sync::Arc;

use async_lock::Mutex;

use super::SharedReads;
use crate::access::{Credential, Principal};
use crate::error::{Error, Result};
use crate::id::{OrganizationId, UserId};
use crate::model::{Origin, Scope};
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
    /// Accounting of the calls against the rate limits of organizations.
    pub accounting: RateAccounting,
    /// Reads that the calls of a request share; by default none.
    pub reads: SharedReads,
}

/// Accounting of calls against the rate limit that the members of an organization share.
#[derive(Debug, Clone, Default)]
pub enum RateAccounting {
    /// Each authorization of the caller counts as a request, so a caller that is reused for many calls stays limited.
    #[default]
    PerCall,
    /// All calls with the caller and its clones count as one request of each organization concerned. For callers that
    /// exist for one request only, such as those of an HTTP server.
    PerRequest(CountedOrganizations),
}

/// Organizations that a request was counted for. Clones share the set.
#[derive(Debug, Clone, Default)]
pub struct CountedOrganizations(Arc<Mutex<BTreeSet<OrganizationId>>>);

impl RateAccounting {
    /// Counts a call in an organization: runs `take_token`, unless the request took a token of the organization before.
    ///
    /// # Errors
    /// Any error of `take_token`; the next call then runs it again.
    pub(super) async fn count(
        &self,
        organization: OrganizationId,
        take_token: impl Future<Output = Result<()>>,
    ) -> Result<()> {
        let Self::PerRequest(CountedOrganizations(counted)) = self else { return take_token.await };
        // The lock is held while the token is taken, so of concurrent calls of the request only one takes it.
        let mut counted = counted.lock().await;
        if !counted.contains(&organization) {
            take_token.await?;
            counted.insert(organization);
        }
        Ok(())
    }
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
            // Every job has a new token, so that a repeated request has another one of the same scopes.
            Credential::Workload { scopes, .. } => {
                let scopes: Vec<&str> = scopes.iter().map(Scope::as_str).collect();
                format!("workload {}", scopes.join(" "))
            }
            Credential::External(authenticator) => format!("external{authenticator}"),
        };
        VerifierHash::of_parts(&[self.fingerprint.to_string().as_bytes(), id.as_bytes()])
    }
}

impl Caller {
    /// Creates a caller without origin and idempotency key, each of whose calls counts as a request.
    #[must_use]
    pub fn new(principal: Principal) -> Self {
        let (accounting, reads) = (RateAccounting::PerCall, SharedReads::default());
        Self { principal, origin: Origin::default(), idempotency: None, accounting, reads }
    }

    /// Creates a caller for a user whom the embedding program has authenticated, with the credential
    /// [`Credential::EXTERNAL`]. The program vouches for the user: nothing is verified here.
    #[must_use]
    pub fn for_user(user_id: UserId) -> Self {
        Self::new(Principal { user_id, credential: Credential::EXTERNAL })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::fixture::id;

    /// Token bucket that suspends its callers, as a remote one does.
    #[derive(Default)]
    struct Bucket(AtomicU32);

    impl Bucket {
        async fn take_token(&self, allowed: bool) -> Result<()> {
            tokio::task::yield_now().await;
            self.0.fetch_add(1, Ordering::Relaxed);
            if allowed { Ok(()) } else { Err(Error::forbidden("empty")) }
        }

        fn taken(&self) -> u32 {
            self.0.load(Ordering::Relaxed)
        }
    }

    fn per_request() -> RateAccounting {
        RateAccounting::PerRequest(CountedOrganizations::default())
    }

    #[tokio::test]
    async fn concurrent_calls_of_a_request_take_one_token_of_each_organization() {
        let (acme, globex) = (Bucket::default(), Bucket::default());
        let accounting = per_request();
        let clones: Vec<RateAccounting> = (0..10).map(|_| accounting.clone()).collect();
        let calls = clones.iter().flat_map(|clone| {
            [("acme", &acme), ("globex", &globex)]
                .map(|(name, bucket)| clone.count(id(name), bucket.take_token(true)))
        });
        futures_util::future::try_join_all(calls).await.unwrap();
        assert_eq!((acme.taken(), globex.taken()), (1, 1));
        per_request().count(id("acme"), acme.take_token(true)).await.unwrap();
        assert_eq!(acme.taken(), 2, "another request takes its own token");
    }

    #[tokio::test]
    async fn a_rejected_or_cancelled_call_does_not_count() {
        let (bucket, accounting) = (Bucket::default(), per_request());
        assert!(accounting.count(id("acme"), bucket.take_token(false)).await.is_err());
        {
            let mut cancelled = Box::pin(accounting.count(id("acme"), bucket.take_token(true)));
            assert!(futures_util::poll!(&mut cancelled).is_pending());
        }
        accounting.count(id("acme"), bucket.take_token(true)).await.unwrap();
        accounting.count(id("acme"), bucket.take_token(true)).await.unwrap();
        assert_eq!(bucket.taken(), 2);
    }

    #[tokio::test]
    async fn without_a_request_every_call_takes_a_token() {
        let bucket = Bucket::default();
        for _ in 0..3 {
            RateAccounting::default().count(id("acme"), bucket.take_token(true)).await.unwrap();
        }
        assert_eq!(bucket.taken(), 3);
    }
}
