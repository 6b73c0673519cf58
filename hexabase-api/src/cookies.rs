//! Cookies of browsers.

use std::time::Duration;

use axum_extra::extract::CookieJar;
use cookie::{Cookie, CookieBuilder, SameSite};
use hexabase_auth::Auth;
pub(crate) use hexabase_auth::SESSION_COOKIE;
use hexabase_core::Platform;

/// Cookie with the CSRF token, which scripts send as `X-CSRF-Token`.
pub(crate) const CSRF_COOKIE: &str = "hexabase_csrf";
/// Cookie with the name of the provider that the browser signed in with last. It is no secret and proves nothing.
const PROVIDER_COOKIE: &str = "hexabase_provider";
/// Time for which a browser keeps the name of the provider.
const PROVIDER_LIFETIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);
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

/// Returns the cookie with the provider that a browser signed in with.
pub(crate) fn provider_cookie(auth: &Auth, provider: &str) -> Cookie<'static> {
    cookie_for(auth, PROVIDER_COOKIE, provider.to_owned(), PROVIDER_LIFETIME).http_only(true).build()
}

/// Returns the name of the provider that a browser signed in with last; `None` if it is unknown.
#[must_use]
pub fn last_provider(auth: &Auth, jar: &CookieJar) -> Option<String> {
    jar.get(&auth.cookie_name(PROVIDER_COOKIE)).map(|cookie| cookie.value().to_owned())
}
