//! Form of a session that ended while the user filled it in. The entries are kept in a sealed cookie while the user signs
//! in, so nothing is stored; the page then shows the form with them. It is never sent without the user.

use std::time::Duration;

use axum_extra::extract::CookieJar;
use hexabase_api::{cookie_for, expired_cookie};
use hexabase_auth::Auth;
use hexabase_core::clock::after;
use hexabase_core::id::UserId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::form::Fields;

/// Name of the cookie, without the prefix for HTTPS.
const COOKIE: &str = "hexabase_form";
/// Purpose of the seal.
const PURPOSE: &str = "console.saved-form";
/// Time for which the entries are kept.
const LIFETIME: Duration = Duration::from_secs(30 * 60);
/// Fields whose values are secrets, which are entered again.
pub(crate) const SECRET_FIELDS: [&str; 1] = ["kubeconfig"];
/// Maximum length of the cookie's value, in bytes. Browsers and proxies limit cookies, so a longer form is lost.
const MAX_BYTES: usize = 3_072;

/// Entries of a form.
#[derive(Serialize, Deserialize)]
struct SavedForm {
    /// Path of the page.
    path: String,
    /// User of the page, if known: no other user sees the entries.
    user: Option<UserId>,
    fields: Vec<(String, String)>,
    expires_at: Timestamp,
}

/// Adds the cookie with the entries of a form to a response. Returns `false` if they are too long.
pub(crate) fn save(
    auth: &Auth,
    jar: CookieJar,
    path: &str,
    user: Option<UserId>,
    fields: &Fields,
) -> (CookieJar, bool) {
    let platform = auth.platform();
    let kept = fields.entries().filter(|(name, _)| !SECRET_FIELDS.contains(name));
    let saved = SavedForm {
        path: path.to_owned(),
        user,
        fields: kept.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        expires_at: after(platform.clock().now(), LIFETIME),
    };
    let text = serde_json::to_string(&saved).unwrap_or_default();
    match platform.master_key().seal_text(&**platform.ids(), PURPOSE, &text) {
        Ok(value) if value.len() <= MAX_BYTES => {
            (jar.add(cookie_for(auth, COOKIE, value, LIFETIME).http_only(true).build()), true)
        }
        _ => (jar, false),
    }
}

/// Takes the entries for the page with this path and user out of the cookies of a request. Those of another page stay.
pub(crate) fn take(auth: &Auth, jar: CookieJar, path: &str, user: UserId) -> (Option<Fields>, CookieJar) {
    let Some(cookie) = jar.get(&auth.cookie_name(COOKIE)) else { return (None, jar) };
    let opened = auth.platform().master_key().open_text(PURPOSE, cookie.value());
    let saved: Option<SavedForm> = opened.ok().and_then(|text| serde_json::from_str(&text).ok());
    match saved {
        Some(saved) if saved.path != path && auth.platform().clock().now() < saved.expires_at => (None, jar),
        Some(saved) => {
            let is_valid = auth.platform().clock().now() < saved.expires_at
                && saved.user.is_none_or(|known| known == user);
            let fields = is_valid.then(|| Fields::new(saved.fields));
            (fields, jar.remove(expired_cookie(auth, COOKIE)))
        }
        None => (None, jar.remove(expired_cookie(auth, COOKIE))),
    }
}
