//! Bearer tokens of settings, with which programs of the operator authenticate that cannot sign in.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

/// Bearer token of a setting. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct BearerToken(Arc<SecretString>);

impl BearerToken {
    pub(crate) fn new(token: SecretString) -> Self {
        Self(Arc::new(token))
    }

    /// `true` if a request has the token. The comparison takes the same time for every other token of this length.
    pub(crate) fn is_sent(&self, headers: &HeaderMap) -> bool {
        let sent = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        sent.is_some_and(|sent| self.0.expose_secret().as_bytes().ct_eq(sent).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_is_accepted() {
        let token = BearerToken::new("0123456789abcdef".into());
        for (header, is_sent) in [
            (Some("Bearer 0123456789abcdef"), true),
            (Some("Bearer 0123456789abcdeg"), false),
            (Some("Bearer 0123456789abcdef "), false),
            (Some("Bearer "), false),
            (Some("Basic 0123456789abcdef"), false),
            (None, false),
        ] {
            let headers = header.map(|value| (AUTHORIZATION, value.parse().unwrap()));
            assert_eq!(token.is_sent(&headers.into_iter().collect()), is_sent, "{header:?}");
        }
        assert!(!format!("{token:?}").contains("0123"));
    }
}
