//! Bearer secrets: refresh tokens, API tokens, invitations.
//!
//! Each has the form `<prefix>_<selector><verifier>`: the selector identifies the record, the verifier proves
//! possession. Only the hash of the verifier is stored. The verifier has 256 random bits, so plain SHA-256 without
//! salt is sufficient.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

pub use secrecy::{ExposeSecret, SecretString};

use crate::id_source::{IdSource, IdSourceExt as _};
use crate::seal::MasterKey;

const SUCCESSOR_PURPOSE: &str = "next verifier";

/// Random half of a token. It is shown once and never stored.
#[derive(Clone)]
pub struct Verifier([u8; 32]);

impl Verifier {
    /// Creates a new verifier.
    #[must_use]
    pub fn generate(ids: &dyn IdSource) -> Self {
        Self(ids.bytes())
    }

    /// Derives the successor of the verifier from the verifier, the master key and a context. A client that presents
    /// the
    /// same verifier twice, such as after a lost response, receives the same successor.
    #[must_use]
    pub fn derive_next(&self, key: &MasterKey, context: &str) -> Self {
        let from = [context.as_bytes(), &self.0].concat();
        Self(key.derive(SUCCESSOR_PURPOSE, &from))
    }

    /// Derives the successors of [`Self::derive_next`] that any of the keys derives, while the master key is rotated.
    #[must_use]
    pub fn derive_all_next(&self, key: &MasterKey, context: &str) -> Vec<Self> {
        let from = [context.as_bytes(), &self.0].concat();
        key.derive_all(SUCCESSOR_PURPOSE, &from).map(Self).collect()
    }

    /// Parses the output of [`Self::reveal`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// Returns the verifier as text for its owner: 43 characters of base64url.
    #[must_use]
    pub fn reveal(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Returns the hash for storage.
    #[must_use]
    pub fn hash(&self) -> VerifierHash {
        VerifierHash(Sha256::digest(self.0).into())
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Verifier(…)")
    }
}

/// Stored half of a token's secret: the SHA-256 hash of a [`Verifier`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VerifierHash([u8; 32]);

impl VerifierHash {
    /// The bytes of the hash, for keys of stores.
    pub(crate) const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Hashes several parts, each prefixed with its length, so that a shifted boundary between parts changes the hash.
    pub(crate) fn of_parts(parts: &[&[u8]]) -> Self {
        let hash = parts.iter().fold(Sha256::new(), |hash, part| {
            hash.chain_update((part.len() as u64).to_be_bytes()).chain_update(part)
        });
        Self(hash.finalize().into())
    }

    /// `true` if this is the hash of the verifier. The comparison takes constant time.
    #[must_use]
    pub fn matches(&self, verifier: &Verifier) -> bool {
        self.0.ct_eq(&verifier.hash().0).into()
    }
}

impl fmt::Debug for VerifierHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("VerifierHash(…)")
    }
}

impl fmt::Display for VerifierHash {
    /// Formats the hash as base64url, for stores.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl From<VerifierHash> for String {
    fn from(hash: VerifierHash) -> Self {
        hash.to_string()
    }
}

impl std::str::FromStr for VerifierHash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidHash)?;
        bytes.try_into().map(Self).map_err(|_| InvalidHash)
    }
}

impl TryFrom<String> for VerifierHash {
    type Error = InvalidHash;

    fn try_from(text: String) -> Result<Self, InvalidHash> {
        text.parse()
    }
}

/// Stored text that is not a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a SHA-256 hash in base64url")]
pub struct InvalidHash;

/// Token in the form that its owner holds: a prefix for secret scanners, the ids that identify its record, and the
/// verifier.
///
/// ```
/// use hexabase_core::id::TokenId;
/// use hexabase_core::id_source::{IdSourceExt as _, SeededIds};
/// use hexabase_core::secret::{BearerToken, ExposeSecret as _, Verifier};
///
/// let ids = SeededIds::new(1);
/// let id: TokenId = ids.id(jiff::Timestamp::UNIX_EPOCH);
/// let token = BearerToken::new("hxb", &[&id], &Verifier::generate(&ids));
/// let text = token.expose_secret().to_owned();
/// let (found, _verifier) = BearerToken::split::<TokenId>("hxb", &text).unwrap();
/// assert_eq!(found, id);
/// ```
#[derive(Debug)]
pub struct BearerToken;

impl BearerToken {
    /// Formats a token: `<prefix>_<id suffixes><verifier>`.
    #[must_use]
    #[expect(clippy::new_ret_no_self, reason = "a token is a secret text")]
    pub fn new(prefix: &str, selectors: &[&dyn fmt::Display], verifier: &Verifier) -> SecretString {
        let mut text = format!("{prefix}_");
        for selector in selectors {
            let selector = selector.to_string();
            text.push_str(selector.split_once('_').map_or(selector.as_str(), |(_, suffix)| suffix));
        }
        text.push_str(&verifier.reveal());
        text.into()
    }

    /// Parses a token with one selector.
    #[must_use]
    pub fn split<A: crate::id::TypedId>(prefix: &str, token: &str) -> Option<(A, Verifier)> {
        let rest = token.strip_prefix(prefix)?.strip_prefix('_')?;
        let (id, rest) = take_id(rest)?;
        Some((id, Verifier::parse(rest)?))
    }

    /// Parses a token with two selectors.
    #[must_use]
    pub fn split_two<A: crate::id::TypedId, B: crate::id::TypedId>(
        prefix: &str,
        token: &str,
    ) -> Option<(A, B, Verifier)> {
        let rest = token.strip_prefix(prefix)?.strip_prefix('_')?;
        let (first, rest) = take_id(rest)?;
        let (second, rest) = take_id(rest)?;
        Some((first, second, Verifier::parse(rest)?))
    }
}

fn take_id<T: crate::id::TypedId>(text: &str) -> Option<(T, &str)> {
    let (suffix, rest) = text.split_at_checked(26)?;
    Some((format!("{}_{suffix}", T::PREFIX).parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{InvitationId, OrganizationId};
    use crate::id_source::SeededIds;
    use jiff::Timestamp;

    #[test]
    fn debug_output_contains_no_secret() {
        let verifier = Verifier::generate(&SeededIds::new(3));
        assert_eq!(format!("{verifier:?} {:?}", verifier.hash()), "Verifier(…) VerifierHash(…)");
    }

    #[test]
    fn a_hash_matches_only_its_verifier() {
        let ids = SeededIds::new(3);
        let (one, other) = (Verifier::generate(&ids), Verifier::generate(&ids));
        let stored: VerifierHash = one.hash().to_string().parse().unwrap();
        assert!(stored.matches(&one));
        assert!(!stored.matches(&other));
    }

    #[test]
    fn a_shifted_boundary_between_parts_changes_the_hash() {
        assert_ne!(VerifierHash::of_parts(&[b"ab", b"c"]), VerifierHash::of_parts(&[b"a", b"bc"]));
    }

    #[test]
    fn a_token_with_two_selectors_round_trips() {
        let ids = SeededIds::new(3);
        let organization: OrganizationId = ids.id(Timestamp::UNIX_EPOCH);
        let invitation: InvitationId = ids.id(Timestamp::UNIX_EPOCH);
        let token = BearerToken::new("hxi", &[&organization, &invitation], &Verifier::generate(&ids));
        let (first, second, _) = BearerToken::split_two("hxi", token.expose_secret()).unwrap();
        assert_eq!((organization, invitation), (first, second));
    }

    #[test]
    fn a_malformed_token_is_rejected() {
        for bad in
            ["", "hxi", "hxi_", "hxi_é", "hxb_01h455vb4pex5vsknk084sn02q", "hxi_01h455vb4pex5vsknk084sn02qAA"]
        {
            assert!(BearerToken::split::<OrganizationId>("hxi", bad).is_none(), "{bad}");
        }
    }
}
