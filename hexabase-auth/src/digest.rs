//! SHA-256 digests, computed by the library that also signs.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Returns the SHA-256 digest of a text.
pub(crate) fn sha256(text: impl AsRef<[u8]>) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, text.as_ref()).as_ref());
    hash
}

/// Returns the SHA-256 digest of a text in base64url, as in RFC 7636 section 4.2 and RFC 7638.
pub(crate) fn hash(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(sha256(text))
}
