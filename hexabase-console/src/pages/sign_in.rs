//! Entry of the console: sign-in, sign-out, preferences and the probe of the session.

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::CookieJar;
use cookie::{Cookie, SameSite};
use hexabase_api::layers::{PREFERENCES_COOKIE, server_path};
use hexabase_api::sign_in::{end_session, sign_in_options};
use hexabase_api::{PageCaller, last_provider};
use hexabase_auth::issuer::SignInRequired;
use hexabase_auth::require_local_path;
use hexabase_core::Platform;
use maud::{Markup, html};

use crate::components::{Choice, Control, Field, field};
use crate::context::{Context, View};
use crate::form::Submission;
use crate::language::Language;
use crate::pages::api_pages::{Frame, provider_links};
use crate::preferences::Preferences;
use crate::response::PageResult;
use crate::routes::{Page, show, submit};
use crate::state::ConsoleState;
use crate::urls::{self, Access};

/// Time for which a browser keeps the preferences, in days.
const PREFERENCES_DAYS: i64 = 365;
/// Page of the form of the preferences besides their own.
pub(super) const FROM_PROFILE: &str = "profile";

pub(super) fn pages() -> Vec<Page> {
    vec![
        show(urls::HOME, Access::Session, home),
        show(urls::SIGN_IN, Access::Public, sign_in),
        submit(urls::SIGN_OUT, Access::Session, sign_out),
        show(urls::SESSION, Access::Public, session),
        show(urls::PREFERENCES, Access::Public, preferences),
        submit(urls::PREFERENCES, Access::Public, set_preferences),
    ]
}

/// Leads to the only organization of the user, or to the list.
async fn home(context: Context) -> Response {
    let url = match context.organizations.as_slice() {
        [(only, _)] => urls::organization(only.id),
        _ => urls::organizations(),
    };
    (context.jar, Redirect::to(&url)).into_response()
}

/// Parameters of the sign-in page.
struct SignInQuery {
    /// Path to return to, without the path that the console is mounted under.
    return_to: String,
    is_signed_out: bool,
}

impl SignInQuery {
    /// Parses a query string. A `return_to` that leads to another host is ignored.
    fn parse(query: &str) -> Self {
        let mut parsed = Self { return_to: urls::HOME.to_owned(), is_signed_out: false };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "return_to" if require_local_path(&value).is_ok() => parsed.return_to = value.into_owned(),
                "signed_out" => parsed.is_signed_out = true,
                _ => {}
            }
        }
        parsed
    }
}

async fn sign_in(
    State(state): State<ConsoleState>,
    PageCaller(caller): PageCaller,
    jar: CookieJar,
    RawQuery(query): RawQuery,
) -> Response {
    let query = SignInQuery::parse(query.as_deref().unwrap_or_default());
    if caller.is_some() {
        return Redirect::to(&server_path(&query.return_to)).into_response();
    }
    let required = SignInRequired { return_to: query.return_to, login_hint: None, reauthenticate: false };
    let auth = state.api.auth();
    let options = sign_in_options(auth, &required, last_provider(auth, &jar).as_deref());
    let texts = View::current().texts;
    // Not a redirect: after a form, browsers apply `form-action` to the whole chain, which ends at the provider.
    let next = match options.as_slice() {
        [only] if !query.is_signed_out => Some(only.url.clone()),
        _ => None,
    };
    let is_sandbox = state.api.platform().fleet().fixed().any(|(host, _)| host.sandbox);
    let content = html! {
        @if query.is_signed_out { p role="status" { (texts.text("signed-out-about")) } }
        (provider_links(&texts, &options))
        @if state.api.development_provider().is_some() { p class="note" { (texts.text("sign-in-development")) } }
        @if is_sandbox { p class="note" { (texts.text("sign-in-sandbox")) } }
    };
    let title = texts.text(if query.is_signed_out { "signed-out-title" } else { "sign-in-title" });
    Frame::new(&state.product, &title).continuing_at(next).respond(StatusCode::OK, &content)
}

/// Ends the session, and removes what the browser has cached of it.
async fn sign_out(Submission { context, .. }: Submission) -> PageResult {
    let jar = end_session(context.state.api.auth(), &context.caller, context.jar).await?;
    let mut response = (jar, Redirect::to(&urls::signed_out())).into_response();
    let cache = HeaderValue::from_static("\"cache\"");
    response.headers_mut().insert(HeaderName::from_static("clear-site-data"), cache);
    Ok(response)
}

/// Says if the session is alive, to a script of a page.
async fn session(PageCaller(caller): PageCaller) -> StatusCode {
    if caller.is_some() { StatusCode::NO_CONTENT } else { StatusCode::UNAUTHORIZED }
}

/// Sets the preferences of the browser. They are no secret and belong to no user, so that the sign-in page has the
/// language, too; the form needs no token.
async fn set_preferences(State(platform): State<Platform>, jar: CookieJar, form: Bytes) -> Response {
    let mut fields = form_urlencoded::parse(&form);
    let from_profile = fields.any(|(name, value)| name == "from" && value == FROM_PROFILE);
    let value = Preferences::of_form(&form).cookie();
    let cookie = Cookie::build((PREFERENCES_COOKIE, value))
        .path("/")
        .secure(platform.config().public_url.starts_with("https://"))
        .same_site(SameSite::Lax)
        .max_age(cookie::time::Duration::days(PREFERENCES_DAYS));
    // The profile has the same form, and the user returns to it.
    let next = if from_profile { urls::account() } else { urls::preferences() };
    (jar.add(cookie), Redirect::to(&next)).into_response()
}

/// Shows the preferences of the browser.
async fn preferences(State(state): State<ConsoleState>) -> Response {
    let view = View::current();
    let texts = view.texts;
    let content = html! {
        (preference_form(view, None))
        p { a href=(urls::home()) { (texts.text("preferences-back")) } }
    };
    Frame::new(&state.product, &texts.text("preferences-title")).respond(StatusCode::OK, &content)
}

/// Form of the preferences of the browser, on the page `from` that it returns to.
pub(super) fn preference_form(view: View, from: Option<&str>) -> Markup {
    let texts = view.texts;
    let languages = Language::CHOICES.map(|language| Choice::new(language.tag(), language.name()));
    let language =
        Field::new("language", texts.text("preferences-language"), Control::Select(languages.to_vec()))
            .value(texts.language().tag())
            .required();
    let themes = vec![
        Choice::new("", texts.text("theme-system")),
        Choice::new("light", texts.text("theme-light")),
        Choice::new("dark", texts.text("theme-dark")),
    ];
    let theme = Field::new("theme", texts.text("preferences-theme"), Control::Radio(themes))
        .value(view.appearance.theme.as_str().unwrap_or_default())
        .required();
    let zones = vec![Choice::new("", texts.text("zone-browser")), Choice::new("utc", texts.text("zone-utc"))];
    let zone = Field::new("zone", texts.text("preferences-zone"), Control::Radio(zones))
        .value(view.appearance.zone.as_str().unwrap_or_default())
        .hint(texts.text("preferences-zone-hint"))
        .required();
    let densities = vec![
        Choice::new("", texts.text("density-comfortable")),
        Choice::new("compact", texts.text("density-compact")),
    ];
    let density = Field::new("density", texts.text("preferences-density"), Control::Radio(densities))
        .value(view.appearance.density.as_str().unwrap_or_default())
        .required();
    html! {
        form class="form" method="post" action=(urls::preferences()) {
            @if let Some(page) = from { input type="hidden" name="from" value=(page); }
            (field(&texts, &language))
            (field(&texts, &theme))
            (field(&texts, &zone))
            (field(&texts, &density))
            button class="button primary" type="submit" { (texts.text("settings-save")) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sign_in_returns_to_this_server_only() {
        for (query, expected) in [
            ("", "/console"),
            ("return_to=%2Fconsole%2Forgs", "/console/orgs"),
            ("return_to=https%3A%2F%2Fevil.example", "/console"),
            ("return_to=%2F%2Fevil.example", "/console"),
            ("return_to=%2F%5Cevil.example", "/console"),
            ("return_to=javascript%3Aalert(1)", "/console"),
        ] {
            assert_eq!(SignInQuery::parse(query).return_to, expected, "{query}");
        }
    }
}
