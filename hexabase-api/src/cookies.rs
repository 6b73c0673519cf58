//! Cookies of browsers.

use std::time::Duration;

use cookie::{Cookie, CookieBuilder, SameSite};
use hexabase_core::Platform;

/// Cookie with the session of a browser; not readable by scripts.
pub(crate) const SESSION_COOKIE: &str = "hexabase_session";
/// Cookie with the CSRF token, which scripts send as `X-CSRF-Token`.
pub(crate) const CSRF_COOKIE: &str = "hexabase_csrf";
/// Prefix of the cookies that bind the sign-ins in progress to their browser, one each.
pub(crate) const LOGIN_COOKIE: &str = "hexabase_login";

/// `true` if browsers reach the server over https, so that cookies can require it.
pub(crate) fn is_secure(platform: &Platform) -> bool {
    platform.config().public_url.starts_with("https://")
}

/// Returns the name of a cookie. With HTTPS it has the prefix `__Host-`, which binds the cookie to this host
/// (<https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis>, section 4.1.3.2).
pub(crate) fn cookie_name(platform: &Platform, name: &str) -> String {
    if is_secure(platform) { format!("__Host-{name}") } else { name.to_owned() }
}

/// Builds the cookie with this name, to which the prefix for HTTPS is added.
pub(crate) fn cookie_for(
    platform: &Platform,
    name: &str,
    value: String,
    lifetime: Duration,
) -> CookieBuilder<'static> {
    build_cookie(platform, cookie_name(platform, name), value, lifetime)
}

/// Builds the cookie with this full name.
pub(crate) fn build_cookie(
    platform: &Platform,
    full_name: String,
    value: String,
    lifetime: Duration,
) -> CookieBuilder<'static> {
    let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
    Cookie::build((full_name, value))
        .path("/")
        .secure(is_secure(platform))
        .same_site(SameSite::Lax)
        .max_age(cookie::time::Duration::seconds(seconds))
}

/// Returns the cookie that removes the one with this name.
pub(crate) fn expired_cookie(platform: &Platform, name: &str) -> Cookie<'static> {
    cookie_for(platform, name, String::new(), Duration::ZERO).build()
}
