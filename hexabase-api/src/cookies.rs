//! Cookies of browsers.

use std::time::Duration;

use cookie::{Cookie, CookieBuilder, SameSite};
use hexabase_auth::Auth;
pub(crate) use hexabase_auth::SESSION_COOKIE;
use hexabase_core::Platform;

/// Cookie with the CSRF token, which scripts send as `X-CSRF-Token`.
pub(crate) const CSRF_COOKIE: &str = "hexabase_csrf";
/// Prefix of the cookies that bind the sign-ins in progress to their browser, one each.
pub(crate) const LOGIN_COOKIE: &str = "hexabase_login";

/// `true` if browsers reach the server over https, so that cookies can require it.
pub(crate) fn is_secure(platform: &Platform) -> bool {
    platform.config().public_url.starts_with("https://")
}

/// Builds the cookie with this name, to which the prefix for HTTPS is added. Browsers send it to all paths of this server,
/// with navigations from other sites, too.
#[must_use]
pub fn cookie_for(auth: &Auth, name: &str, value: String, lifetime: Duration) -> CookieBuilder<'static> {
    build_cookie(auth, auth.cookie_name(name), value, lifetime)
}

/// Builds the cookie with this full name.
pub(crate) fn build_cookie(
    auth: &Auth,
    full_name: String,
    value: String,
    lifetime: Duration,
) -> CookieBuilder<'static> {
    let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
    Cookie::build((full_name, value))
        .path("/")
        .secure(is_secure(auth.platform()))
        .same_site(SameSite::Lax)
        .max_age(cookie::time::Duration::seconds(seconds))
}

/// Returns the cookie that removes the one with this name.
#[must_use]
pub fn expired_cookie(auth: &Auth, name: &str) -> Cookie<'static> {
    cookie_for(auth, name, String::new(), Duration::ZERO).build()
}
