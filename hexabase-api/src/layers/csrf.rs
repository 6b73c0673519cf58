//! Protection of credentials that browsers attach by themselves against requests that other sites forge (CSRF).

use axum::extract::{Request, State};
use axum::http::header::ORIGIN;
use axum::http::{HeaderMap, HeaderName};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use hexabase_core::Platform;
use hexabase_core::authenticator::CsrfProtection;
use hexabase_core::secret::ExposeSecret as _;
use subtle::ConstantTimeEq as _;

use super::credentials::Identity;
use crate::html_pages::origin;
use crate::problem::ApiError;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Middleware that rejects the credentials of a request that another site may have forged: one that does more than read,
/// and lacks the proof that [`CsrfProtection`] demands.
pub async fn csrf(State(platform): State<Platform>, mut request: Request, next: Next) -> Response {
    if let Identity::Unchecked(principal, protection) = Identity::of(&request) {
        let own_origin = origin(&platform.config().public_url);
        let identity = match check(&protection, request.headers(), own_origin) {
            Ok(()) => Identity::Principal(principal),
            Err(error) => Identity::Rejected(error),
        };
        request.extensions_mut().insert(identity);
    }
    next.run(request).await
}

/// Middleware for routers of pages, in place of [`csrf`]: rejects every request that does more than read, with or without
/// credentials, unless it is from a page of this server. A form cannot send the header that [`CsrfProtection::Token`]
/// demands, so a page must also check a token in its form.
pub async fn forms_of_this_site(
    State(platform): State<Platform>,
    mut request: Request,
    next: Next,
) -> Response {
    if !request.method().is_safe() {
        let own_origin = origin(&platform.config().public_url);
        if let Err(error) = check(&CsrfProtection::SameOrigin, request.headers(), own_origin) {
            return error.into_response();
        }
        if let Identity::Unchecked(principal, _) = Identity::of(&request) {
            request.extensions_mut().insert(Identity::Principal(principal));
        }
    }
    next.run(request).await
}

fn check(protection: &CsrfProtection, headers: &HeaderMap, own_origin: &str) -> Result<(), ApiError> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match protection {
        CsrfProtection::NotAmbient => Ok(()),
        CsrfProtection::Token(token) => {
            let sent = text(HeaderName::from_static("x-csrf-token")).unwrap_or_default();
            let is_equal: bool = token.expose_secret().as_bytes().ct_eq(sent.as_bytes()).into();
            if is_equal { Ok(()) } else { Err(ApiError::csrf()) }
        }
        // Browsers set one of these headers on every request that does more than read, and scripts cannot change them
        // (https://www.w3.org/TR/fetch-metadata/). A request without both is not from a browser.
        CsrfProtection::SameOrigin => match (text(SEC_FETCH_SITE), text(ORIGIN)) {
            (Some("same-origin" | "none"), _) | (None, None) => Ok(()),
            (None, Some(sender)) if sender == own_origin => Ok(()),
            _ => Err(ApiError::foreign_site()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_accepted(protection: &CsrfProtection, headers: &[(&'static str, &str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        check(protection, &headers.collect(), "https://hexabase.example").is_ok()
    }

    #[test]
    fn a_credential_that_a_proxy_adds_counts_from_pages_of_this_server_only() {
        for (headers, accepted) in [
            (vec![("sec-fetch-site", "same-origin")], true),
            (vec![("sec-fetch-site", "none")], true),
            (vec![("sec-fetch-site", "same-site")], false),
            (vec![("sec-fetch-site", "cross-site"), ("origin", "https://hexabase.example")], false),
            (vec![("origin", "https://hexabase.example")], true),
            (vec![("origin", "https://hexabase.example.evil.example")], false),
            (vec![("origin", "http://hexabase.example")], false),
            (vec![("origin", "null")], false),
            (vec![], true),
        ] {
            assert_eq!(is_accepted(&CsrfProtection::SameOrigin, &headers), accepted, "{headers:?}");
        }
    }

    #[test]
    fn a_session_cookie_counts_with_its_token_only() {
        let protection = CsrfProtection::Token("secret".into());
        for (headers, accepted) in [
            (vec![("x-csrf-token", "secret")], true),
            (vec![("x-csrf-token", "other")], false),
            (vec![("sec-fetch-site", "same-origin")], false),
        ] {
            assert_eq!(is_accepted(&protection, &headers), accepted, "{headers:?}");
        }
        assert!(is_accepted(&CsrfProtection::NotAmbient, &[("sec-fetch-site", "cross-site")]));
    }
}
