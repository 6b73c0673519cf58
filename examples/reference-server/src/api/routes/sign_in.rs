//! Signing in and out.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse as _, Response};
use axum_extra::extract::CookieJar;
use cookie::{Cookie, CookieBuilder, SameSite};
use hexabase_auth::{LoginAnswer, LoginRequest, TokenPair};
use hexabase_core::error::Error;
use hexabase_core::model::{Invitation, Organization};
use hexabase_core::secret::SecretString;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::members::UserView;
use super::organizations::OwnOrganization;
use super::place::AtProvider;
use crate::api::edge::{CSRF_COOKIE, LOGIN_COOKIE, SESSION_COOKIE, SignedIn, Visitor, cookie_name};
use crate::api::extract::{Body, Path, Query};
use crate::api::problem::{Answer, Problems};
use crate::app::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(providers))
        .routes(routes!(login))
        .routes(routes!(link))
        .routes(routes!(callback))
        .routes(routes!(token))
        .routes(routes!(refresh))
        .routes(routes!(logout))
        .routes(routes!(me))
}

/// A way to sign in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Provider)]
struct ProviderView {
    /// What it goes by in paths.
    #[schema(example = "google")]
    id: String,
    /// What people call it.
    #[schema(example = "Google")]
    name: String,
}

/// List the ways to sign in.
#[utoipa::path(get, path = "/auth/providers", tag = "Sign-in", security(()),
    responses((status = 200, body = Vec<ProviderView>), Problems))]
async fn providers(State(app): State<App>) -> Json<Vec<ProviderView>> {
    let view = |provider: &dyn hexabase_core::identity::IdentityProvider| ProviderView {
        id: provider.name().to_string(),
        name: provider.title().to_owned(),
    };
    Json(app.auth.providers().map(view).collect())
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LoginQuery {
    /// Where to go afterwards: a path on this server.
    #[serde(default = "home")]
    #[param(default = "/")]
    return_to: String,
    /// Whoever is expected, as they would write it themselves.
    login_hint: Option<String>,
    /// `login` to prove anew who you are, although the provider may know your browser.
    #[param(inline)]
    prompt: Option<Prompt>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Prompt {
    Login,
}

fn home() -> String {
    "/".to_owned()
}

/// Begin to sign in with a provider: the browser is sent there.
#[utoipa::path(get, path = "/auth/login/{provider}", tag = "Sign-in", security(()),
    params(AtProvider, LoginQuery),
    responses((status = 302, description = "On to the provider."), Problems))]
async fn login(
    State(app): State<App>,
    Path(at): Path<AtProvider>,
    jar: CookieJar,
    Query(query): Query<LoginQuery>,
) -> Answer<Response> {
    let wanted = LoginRequest {
        return_to: query.return_to,
        login_hint: query.login_hint,
        reauthenticate: query.prompt.is_some(),
    };
    let started = app.auth.start_login(&at.provider, wanted).await?;
    Ok(found(jar.add(binding(&app, started.binding)), started.authorization_url))
}

/// What binds a sign-in to the browser that began it.
fn binding(app: &App, value: String) -> Cookie<'static> {
    cookie_for(app, LOGIN_COOKIE, value, app.auth.config().login).http_only(true).build()
}

/// Where to go afterwards.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Link {
    /// A path on this server.
    #[serde(default = "home")]
    #[schema(default = "/")]
    return_to: String,
}

/// Where to send the browser.
#[derive(Debug, Serialize, ToSchema)]
struct Linking {
    /// A page of the provider.
    authorization_url: String,
}

/// Begin to link an account at a provider to one's own: afterwards one can sign in with either. The browser that asks is the
/// one to send on, and comes back signed in as before.
#[utoipa::path(post, path = "/auth/link/{provider}", tag = "Sign-in", params(AtProvider), request_body = Link,
    responses((status = 200, body = Linking), Problems))]
async fn link(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<AtProvider>,
    jar: CookieJar,
    Body(wanted): Body<Link>,
) -> Answer<(CookieJar, Json<Linking>)> {
    let wanted = LoginRequest { return_to: wanted.return_to, login_hint: None, reauthenticate: false };
    let started = app.auth.start_link(&caller, &at.provider, wanted).await?;
    let linking = Linking { authorization_url: started.authorization_url };
    Ok((jar.add(binding(&app, started.binding)), Json(linking)))
}

pub(super) fn found(jar: CookieJar, location: String) -> Response {
    (StatusCode::FOUND, jar, [(LOCATION, location)]).into_response()
}

fn cookie_for(app: &App, name: &str, value: String, lifetime: Duration) -> CookieBuilder<'static> {
    let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
    Cookie::build((cookie_name(app, name), value))
        .path("/")
        .secure(app.is_secure())
        .same_site(SameSite::Lax)
        .max_age(cookie::time::Duration::seconds(seconds))
}

/// What the provider sends the browser back with. It may send more, which is left alone.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct CallbackQuery {
    /// The code, when it went well.
    #[param(value_type = Option<String>)]
    code: Option<SecretString>,
    /// What the sign-in began with.
    state: Option<String>,
    /// Who says that they sent the code (RFC 9207).
    iss: Option<String>,
    /// What went wrong, when it did not go well.
    error: Option<String>,
}

/// Finish signing in, or linking an account: the session's cookies are set, and the browser goes where it wanted to.
#[utoipa::path(get, path = "/auth/callback/{provider}", tag = "Sign-in", security(()),
    params(AtProvider, CallbackQuery),
    responses((status = 302, description = "Signed in; on to `return_to`."), Problems))]
async fn callback(
    State(app): State<App>,
    Visitor(origin): Visitor,
    Path(at): Path<AtProvider>,
    jar: CookieJar,
    Query(query): Query<CallbackQuery>,
) -> Answer<Response> {
    if query.error.is_some() {
        let message = "the provider did not sign you in; begin again, and agree to what it asks";
        return Err(Error::unauthenticated(message).into());
    }
    let (Some(code), Some(state)) = (query.code, query.state) else {
        return Err(Error::unauthenticated("the provider sent no code; begin to sign in again").into());
    };
    let login_cookie = cookie_name(&app, LOGIN_COOKIE);
    let binding = jar.get(&login_cookie).map(|cookie| cookie.value().to_owned()).unwrap_or_default();
    let answer = LoginAnswer { state, code, issuer: query.iss };
    let finished = app.auth.finish_login(&at.provider, answer, &binding, &origin).await?;
    let mut jar = jar.remove(gone(&app, LOGIN_COOKIE));
    if let Some(session) = finished.session {
        let lifetime = app.auth.config().session;
        let cookie = cookie_for(&app, SESSION_COOKIE, session.cookie, lifetime).http_only(true);
        let csrf = cookie_for(&app, CSRF_COOKIE, session.csrf_token, lifetime);
        jar = jar.add(cookie.build()).add(csrf.build());
    }
    Ok(found(jar, finished.return_to))
}

pub(super) fn gone(app: &App, name: &str) -> Cookie<'static> {
    cookie_for(app, name, String::new(), Duration::ZERO).build()
}

/// What to call with, and what to renew it with.
#[derive(Serialize, ToSchema)]
#[schema(as = TokenPair)]
pub(super) struct TokenPairView {
    /// What to send as `Authorization: Bearer`.
    access_token: String,
    /// What the next pair is exchanged for, once.
    refresh_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// How long the access token is valid, in seconds.
    #[schema(example = 900)]
    expires_in: u64,
}

impl From<TokenPair> for TokenPairView {
    fn from(pair: TokenPair) -> Self {
        Self {
            access_token: pair.access_token,
            refresh_token: pair.refresh_token,
            token_type: "Bearer",
            expires_in: pair.expires_in,
        }
    }
}

/// Exchange a finished sign-in for tokens: a session of its own, to be ended by itself.
#[utoipa::path(post, path = "/auth/token", tag = "Sign-in",
    responses((status = 200, body = TokenPairView), Problems))]
async fn token(
    State(app): State<App>,
    Visitor(origin): Visitor,
    signed_in: SignedIn,
) -> Answer<Json<TokenPairView>> {
    let session = signed_in.session()?;
    Ok(Json(app.auth.tokens_for_browser(session, &origin).await?.into()))
}

/// What to exchange.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Refresh {
    /// The refresh token of the pair before.
    #[schema(value_type = String, format = Password)]
    refresh_token: SecretString,
}

/// Exchange a refresh token for a new pair. Showing an old one again ends the session.
#[utoipa::path(post, path = "/auth/refresh", tag = "Sign-in", security(()), request_body = Refresh,
    responses((status = 200, body = TokenPairView), Problems))]
async fn refresh(
    State(app): State<App>,
    Visitor(origin): Visitor,
    Body(wanted): Body<Refresh>,
) -> Answer<Json<TokenPairView>> {
    use hexabase_core::secret::ExposeSecret as _;
    Ok(Json(app.auth.refresh(wanted.refresh_token.expose_secret(), &origin).await?.into()))
}

/// Sign out: the session ends at once.
#[utoipa::path(post, path = "/auth/logout", tag = "Sign-in",
    responses((status = 204, description = "Signed out."), Problems))]
async fn logout(
    State(app): State<App>,
    Visitor(origin): Visitor,
    signed_in: SignedIn,
    jar: CookieJar,
) -> Answer<Response> {
    let session = signed_in.session()?;
    app.auth.revoke(signed_in.0.principal.user_id, session, &origin).await?;
    let jar = jar.remove(gone(&app, SESSION_COOKIE)).remove(gone(&app, CSRF_COOKIE));
    Ok((StatusCode::NO_CONTENT, jar).into_response())
}

/// Who you are, and where you belong.
#[derive(Debug, Serialize, ToSchema)]
struct Me {
    #[serde(flatten)]
    user: UserView,
    /// The organizations you belong to, each with your role: the first 200.
    organizations: Vec<OwnOrganization>,
    /// The organizations you are invited to, by your address: the first 50.
    invitations: Vec<Offer>,
}

/// An invitation that can be accepted, at `/api/v1/invitations/accept`.
#[derive(Debug, Serialize, ToSchema)]
struct Offer {
    /// Which.
    id: String,
    /// Into which organization.
    organization_id: String,
    /// What that calls itself.
    organization: String,
    /// As what.
    #[schema(example = "member")]
    role: String,
    /// Until when.
    expires_at: Timestamp,
}

/// Show who you are, and where you belong.
#[utoipa::path(get, path = "/auth/me", tag = "Sign-in", responses((status = 200, body = Me), Problems))]
async fn me(State(app): State<App>, SignedIn(caller): SignedIn) -> Answer<Json<Me>> {
    let profile = app.platform.users().profile(caller.principal.user_id).await?;
    let organizations = profile.organizations.into_iter().map(OwnOrganization::from).collect();
    let offer = |(organization, invitation): (Organization, Invitation)| Offer {
        id: invitation.id.to_string(),
        organization_id: organization.id.to_string(),
        organization: organization.display_name.to_string(),
        role: invitation.role.to_string(),
        expires_at: invitation.expires_at,
    };
    let invitations = app.platform.invitations().offered(&caller).await?.into_iter().map(offer).collect();
    Ok(Json(Me { user: profile.user.into(), organizations, invitations }))
}
