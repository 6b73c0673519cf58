//! Message on the page after a form: a one-time cookie, sealed by the server.

use std::time::Duration;

use axum_extra::extract::CookieJar;
use hexabase_api::{cookie_for, expired_cookie};
use hexabase_auth::Auth;
use serde::{Deserialize, Serialize};

/// Name of the cookie, without the prefix for HTTPS.
const COOKIE: &str = "hexabase_flash";
/// Purpose of the seal.
const PURPOSE: &str = "console.flash";
/// Time until which the next page must be requested.
const LIFETIME: Duration = Duration::from_secs(60);
/// Maximum length of the cookie's value, in bytes. A longer message is not shown.
const MAX_BYTES: usize = 2_048;

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

    /// Adds the cookie with the message to a response.
    pub(crate) fn put(&self, auth: &Auth, jar: CookieJar) -> CookieJar {
        let platform = auth.platform();
        let text = serde_json::to_string(self).unwrap_or_default();
        let sealed = platform.master_key().seal_text(&**platform.ids(), PURPOSE, &text);
        match sealed {
            Ok(value) if value.len() <= MAX_BYTES => {
                jar.add(cookie_for(auth, COOKIE, value, LIFETIME).http_only(true).build())
            }
            _ => jar,
        }
    }

    /// Takes the message out of the cookies of a request.
    pub(crate) fn take(auth: &Auth, jar: CookieJar) -> (Option<Self>, CookieJar) {
        let Some(cookie) = jar.get(&auth.cookie_name(COOKIE)) else { return (None, jar) };
        let opened = auth.platform().master_key().open_text(PURPOSE, cookie.value());
        let flash = opened.ok().and_then(|text| serde_json::from_str(&text).ok());
        (flash, jar.remove(expired_cookie(auth, COOKIE)))
    }
}
