//! Message on the page after a form: a one-time cookie, sealed by the server.

use std::time::Duration;

use axum_extra::extract::CookieJar;
use hexabase_api::{cookie_for, expired_cookie};
use hexabase_auth::Auth;
use hexabase_core::clock::after;
use hexabase_core::id::UserId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Name of the cookie, without the prefix for HTTPS.
const COOKIE: &str = "hexabase_flash";
/// Purpose of the seal.
const PURPOSE: &str = "console.flash";
/// Time until which the next page must be requested.
const LIFETIME: Duration = Duration::from_secs(60);
/// Maximum length of the cookie's value, in bytes. A longer message is not shown.
const MAX_BYTES: usize = 2_048;

/// Message with its user and its end, as the cookie seals them.
#[derive(Serialize, Deserialize)]
struct SealedFlash {
    /// User of the form: no other user of the browser sees the message, or undoes the change.
    user: UserId,
    expires_at: Timestamp,
    flash: Flash,
}

/// Message on the next page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Flash {
    /// Sentence in the language of the user.
    pub text: String,
    /// Form that reverts the change; `None` if there is none.
    pub undo: Option<Undo>,
}

/// Form that reverts a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Undo {
    /// Path of the form, without the path that the console is mounted under.
    pub action: String,
    /// Names and values of the fields.
    pub fields: Vec<(String, String)>,
}

impl Flash {
    /// Creates a message.
    #[must_use]
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), undo: None }
    }

    /// Adds a form that reverts the change.
    #[must_use]
    pub(crate) fn with_undo(self, action: String, fields: &[(&str, &str)]) -> Self {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { undo: Some(Undo { action, fields }), ..self }
    }

    /// Adds the cookie with the message for a user to a response.
    pub(crate) fn put(self, auth: &Auth, user: UserId, jar: CookieJar) -> CookieJar {
        let platform = auth.platform();
        let expires_at = after(platform.clock().now(), LIFETIME);
        let sealed = SealedFlash { user, expires_at, flash: self };
        let text = serde_json::to_string(&sealed).unwrap_or_default();
        let sealed = platform.master_key().seal_text(&**platform.ids(), PURPOSE, &text);
        match sealed {
            Ok(value) if value.len() <= MAX_BYTES => {
                jar.add(cookie_for(auth, COOKIE, value, LIFETIME).http_only(true).build())
            }
            _ => jar,
        }
    }

    /// Takes the message out of the cookies of a request of a user.
    pub(crate) fn take(auth: &Auth, user: UserId, jar: CookieJar) -> (Option<Self>, CookieJar) {
        let Some(cookie) = jar.get(&auth.cookie_name(COOKIE)) else { return (None, jar) };
        let opened = auth.platform().master_key().open_text(PURPOSE, cookie.value());
        let sealed: Option<SealedFlash> = opened.ok().and_then(|text| serde_json::from_str(&text).ok());
        let now = auth.platform().clock().now();
        let own = sealed.filter(|sealed| sealed.user == user && now < sealed.expires_at);
        (own.map(|sealed| sealed.flash), jar.remove(expired_cookie(auth, COOKIE)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hexabase_auth::AuthConfig;
    use hexabase_core::Platform;
    use hexabase_core::clock::ManualClock;
    use hexabase_core::fixture;

    use super::*;

    #[tokio::test]
    async fn a_message_is_for_its_user_and_expires() {
        let clock = Arc::new(ManualClock::new(fixture::FIXTURE_TIME));
        let builder = Platform::builder("https://hexabase.example").with_clock(clock.clone());
        let platform = builder.with_plans(vec![fixture::plan("small")]).build().unwrap();
        let auth = Auth::new(platform, Vec::new(), AuthConfig::default()).await.unwrap();
        let (ann, bob) = (fixture::id("ann"), fixture::id("bob"));
        let flash = Flash::new("Saved.").with_undo("/undo".to_owned(), &[("name", "before")]);
        let jar = flash.clone().put(&auth, ann, CookieJar::new());
        assert_eq!(Flash::take(&auth, ann, jar.clone()).0, Some(flash));
        assert_eq!(Flash::take(&auth, bob, jar.clone()).0, None);
        // A client that keeps the cookie for longer does not keep the message.
        clock.advance(LIFETIME);
        assert_eq!(Flash::take(&auth, ann, jar.clone()).0, None);
        let (_, emptied) = Flash::take(&auth, ann, jar);
        assert!(emptied.get(&auth.cookie_name(COOKIE)).is_none());
    }
}
