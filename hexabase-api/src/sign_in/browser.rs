//! Sign-in and sign-out.

use std::sync::Arc;

use std::time::Duration;

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse as _, Response};
use axum_extra::extract::CookieJar;
use hexabase_auth::{Auth, LoginCallback, LoginRequest, StartedLogin, TokenPair, login_id};
use hexabase_core::error::Error;
use hexabase_core::model::{Invitation, Organization, User};
use hexabase_core::name::DisplayName;
use hexabase_core::platform::Caller;
use hexabase_core::version::Version;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::requests::{CallbackQuery, LinkOptions, LoginQuery, Refresh, UserPatch};
use crate::caller::{Authenticated, ClientOrigin};
use crate::cookies::{
    CSRF_COOKIE, LOGIN_COOKIE, SESSION_COOKIE, build_cookie, cookie_for, expired_cookie, provider_cookie,
};
use crate::extract::{Body, IfMatch, Path, Query};
use crate::organizations::members::UserView;
use crate::organizations::organization::OwnOrganization;
use crate::path_params::ProviderPath;
use crate::problem::{ApiError, ApiResult, Problems};
use crate::response::ApiResponse;
use crate::schema;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Auth>: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(providers))
        .routes(routes!(login))
        .routes(routes!(link))
        .routes(routes!(callback))
        .routes(routes!(token))
        .routes(routes!(refresh))
        .routes(routes!(logout))
        .routes(routes!(me, update_me))
}

/// Sign-in provider.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Provider)]
struct ProviderView {
    /// Id of the provider, as in paths.
    #[schema(example = "google")]
    id: String,
    /// Display name of the provider.
    #[schema(example = "Google")]
    name: String,
}

/// List the sign-in providers
#[utoipa::path(get, path = "/auth/providers", tag = "Sign-in", security(()),
    responses((status = 200, body = Vec<ProviderView>), Problems))]
async fn providers(State(auth): State<Arc<Auth>>) -> Json<Vec<ProviderView>> {
    let view = |provider: &dyn hexabase_core::identity::IdentityProvider| ProviderView {
        id: provider.name().to_string(),
        name: provider.title().to_owned(),
    };
    Json(auth.sign_in().providers().map(view).collect())
}

/// Start to sign in with a provider
///
/// Redirects the browser to the provider. A browser receives errors as pages.
#[utoipa::path(get, path = "/auth/login/{provider}", tag = "Sign-in", security(()),
    params(ProviderPath, LoginQuery),
    responses((status = 302, description = "Redirect to the provider."), Problems))]
async fn login(
    State(auth): State<Arc<Auth>>,
    Path(path): Path<ProviderPath>,
    jar: CookieJar,
    Query(query): Query<LoginQuery>,
) -> ApiResult<Response> {
    let request = LoginRequest {
        return_to: query.return_to,
        login_hint: query.login_hint,
        reauthenticate: query.prompt.is_some(),
    };
    let started = auth.sign_in().start(&path.provider, request).await?;
    Ok(redirect(bind_login(&auth, jar, &started), started.authorization_url))
}

/// Returns the name of the cookie of a sign-in, without the prefix for HTTPS.
fn login_cookie(id: &str) -> String {
    format!("{LOGIN_COOKIE}_{id}")
}

/// Adds the cookie that binds a sign-in to the browser that started it, and removes those of surplus sign-ins.
fn bind_login(auth: &Auth, jar: CookieJar, started: &StartedLogin) -> CookieJar {
    let prefix = auth.cookie_name(&login_cookie(""));
    let bindings = jar.iter().filter(|cookie| cookie.name().starts_with(&prefix));
    let bindings = bindings.map(|cookie| (cookie.name(), cookie.value()));
    let surplus = auth.sign_in().surplus(bindings, started).into_iter().map(str::to_owned);
    let removals: Vec<_> =
        surplus.map(|name| build_cookie(auth, name, String::new(), Duration::ZERO)).collect();
    let jar = removals.into_iter().fold(jar, |jar, cookie| jar.remove(cookie.build()));
    let timeout = auth.config().login_timeout;
    let cookie = cookie_for(auth, &login_cookie(&started.id), started.binding.clone(), timeout);
    jar.add(cookie.http_only(true).build())
}

/// Started linking of an account.
#[derive(Debug, Serialize, ToSchema)]
struct StartedLink {
    /// URL at the provider to send the browser to.
    #[schema(format = "uri")]
    authorization_url: String,
}

/// Start to link an account at a provider
///
/// Afterwards the user can sign in with either account. Send the browser that made this request to the returned URL;
/// it comes back with its session unchanged.
#[utoipa::path(post, path = "/auth/link/{provider}", tag = "Sign-in", params(ProviderPath), request_body = LinkOptions,
    responses((status = 200, body = StartedLink), Problems))]
async fn link(
    State(auth): State<Arc<Auth>>,
    Authenticated(caller): Authenticated,
    Path(path): Path<ProviderPath>,
    jar: CookieJar,
    Body(body): Body<LinkOptions>,
) -> ApiResult<(CookieJar, Json<StartedLink>)> {
    let (jar, authorization_url) = start_link(&auth, &caller, &path.provider, body.return_to, jar).await?;
    Ok((jar, Json(StartedLink { authorization_url })))
}

/// Starts to link an account at a provider to the user of a caller. Returns the URL at the provider to send the browser
/// to, and the cookies with the one that binds the linking to the browser.
///
/// # Errors
/// - `forbidden` for a caller without a session.
/// - `not_found` if there is no such provider.
/// - `invalid` if `return_to` is not a path on this server.
/// - `unavailable`.
pub async fn start_link(
    auth: &Auth,
    caller: &Caller,
    provider: &str,
    return_to: String,
    jar: CookieJar,
) -> Result<(CookieJar, String), ApiError> {
    let request = LoginRequest { return_to, login_hint: None, reauthenticate: false };
    let started = auth.sign_in().start_link(caller, provider, request).await?;
    Ok((bind_login(auth, jar, &started), started.authorization_url))
}

pub(crate) fn redirect(jar: CookieJar, location: String) -> Response {
    (StatusCode::FOUND, jar, [(LOCATION, location)]).into_response()
}

/// Finish a sign-in, or the linking of an account
///
/// Sets the cookies of the session after a sign-in, and redirects the browser to its `return_to`. A browser receives
/// errors as pages.
#[utoipa::path(get, path = "/auth/callback/{provider}", tag = "Sign-in", security(()),
    params(ProviderPath, CallbackQuery),
    responses((status = 302, description = "Redirect to `return_to`."), Problems))]
async fn callback(
    State(auth): State<Arc<Auth>>,
    ClientOrigin(origin): ClientOrigin,
    Path(path): Path<ProviderPath>,
    jar: CookieJar,
    Query(query): Query<CallbackQuery>,
) -> ApiResult<Response> {
    if let Some(error) = query.error {
        // Registered error codes consist of these characters; anyone can send others.
        let code: String = error
            .chars()
            .filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
            .take(64)
            .collect();
        tracing::warn!(provider = path.provider, error = code, "sign-in failed; the provider sent an error");
        let message = "the provider did not complete the sign-in; start again and accept its request";
        return Err(Error::unauthenticated(message).into());
    }
    let (Some(code), Some(state)) = (query.code, query.state) else {
        tracing::warn!(provider = path.provider, "sign-in failed; the provider sent no code or no state");
        return Err(Error::unauthenticated("the provider sent no code; start the sign-in again").into());
    };
    let cookie = login_cookie(&login_id(&state));
    let binding = jar.get(&auth.cookie_name(&cookie)).map(|cookie| cookie.value().to_owned());
    let binding = binding.unwrap_or_default();
    let callback_parameters = LoginCallback { state, code, issuer: query.iss };
    let finished = auth.sign_in().finish(&path.provider, callback_parameters, &binding, &origin).await?;
    let mut jar = jar.remove(expired_cookie(&auth, &cookie));
    if let Some(session) = finished.session {
        let lifetime = auth.config().session_lifetime;
        let cookie = cookie_for(&auth, SESSION_COOKIE, session.cookie, lifetime).http_only(true);
        let csrf = cookie_for(&auth, CSRF_COOKIE, session.csrf_token, lifetime);
        jar = jar.add(cookie.build()).add(csrf.build()).add(provider_cookie(&auth, &path.provider));
    }
    Ok(redirect(jar, finished.return_to))
}

/// Type of an access token (RFC 6750).
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) enum TokenType {
    Bearer,
}

/// Access token with its refresh token.
#[derive(Serialize, ToSchema)]
#[schema(as = TokenPair)]
pub(crate) struct TokenPairView {
    /// Access token, to be sent as `Authorization: Bearer`.
    access_token: String,
    /// Refresh token, which can be exchanged once for the next pair.
    refresh_token: String,
    /// Type of the access token.
    token_type: TokenType,
    /// Lifetime of the access token in seconds.
    #[schema(example = 900)]
    expires_in: u64,
}

impl From<TokenPair> for TokenPairView {
    fn from(pair: TokenPair) -> Self {
        Self {
            access_token: pair.access_token,
            refresh_token: pair.refresh_token,
            token_type: TokenType::Bearer,
            expires_in: pair.expires_in,
        }
    }
}

/// Exchange the session of a browser for tokens
///
/// The tokens belong to a new session, which can be revoked separately, and ends with the browser session at the latest.
#[utoipa::path(post, path = "/auth/token", tag = "Sign-in",
    responses((status = 200, body = TokenPairView), Problems))]
async fn token(
    State(auth): State<Arc<Auth>>,
    ClientOrigin(origin): ClientOrigin,
    authenticated: Authenticated,
) -> ApiResult<Json<TokenPairView>> {
    let session = authenticated.session()?;
    Ok(Json(auth.sessions().derive(session, &origin).await?.into()))
}

/// Exchange a refresh token for a new pair
///
/// Reuse of a token within 30 seconds returns the same new refresh token; later reuse ends the session.
#[utoipa::path(post, path = "/auth/refresh", tag = "Sign-in", security(()), request_body = Refresh,
    responses((status = 200, body = TokenPairView), Problems))]
async fn refresh(
    State(auth): State<Arc<Auth>>,
    ClientOrigin(origin): ClientOrigin,
    Body(body): Body<Refresh>,
) -> ApiResult<Json<TokenPairView>> {
    use hexabase_core::secret::ExposeSecret as _;
    Ok(Json(auth.sessions().refresh(body.refresh_token.expose_secret(), &origin).await?.into()))
}

/// Sign out
///
/// Revokes the session of the request immediately.
#[utoipa::path(post, path = "/auth/logout", tag = "Sign-in",
    responses((status = 204, description = "The session is revoked."), Problems))]
async fn logout(
    State(auth): State<Arc<Auth>>,
    ClientOrigin(origin): ClientOrigin,
    authenticated: Authenticated,
    jar: CookieJar,
) -> ApiResult<Response> {
    let caller = Caller { origin, ..authenticated.0 };
    let jar = end_session(&auth, &caller, jar).await?;
    Ok((StatusCode::NO_CONTENT, jar).into_response())
}

/// Revokes the session of a caller, and removes its cookies from the browser.
///
/// # Errors
/// - `forbidden` for a caller without a session.
/// - `unavailable`.
pub async fn end_session(auth: &Auth, caller: &Caller, jar: CookieJar) -> Result<CookieJar, ApiError> {
    let session = Authenticated(caller.clone()).session()?;
    auth.sessions().revoke(caller.principal.user_id, session, &caller.origin).await?;
    Ok(jar.remove(expired_cookie(auth, SESSION_COOKIE)).remove(expired_cookie(auth, CSRF_COOKIE)))
}

/// User of the request, with memberships and invitations.
#[derive(Debug, Serialize, ToSchema)]
struct Me {
    #[serde(flatten)]
    user: UserView,
    /// Organizations of the user with the role in each, the first 200.
    organizations: Vec<OwnOrganization>,
    /// Open invitations to the user's e-mail address, the first 50.
    invitations: Vec<ReceivedInvitation>,
}

/// Invitation that the user can accept with `POST /api/v1/invitations/accept`.
#[derive(Debug, Serialize, ToSchema)]
struct ReceivedInvitation {
    /// Id of the invitation.
    id: schema::InvitationId,
    /// Id of the organization to join.
    organization_id: schema::OrganizationId,
    /// Display name of the organization.
    organization: String,
    /// Role of the new member.
    role: schema::OrganizationRole,
    /// Time until which the invitation can be accepted.
    expires_at: Timestamp,
}

/// Get the user of the request
///
/// With the organizations of the user, and open invitations.
#[utoipa::path(get, path = "/auth/me", tag = "Sign-in", responses((status = 200, body = Me), Problems))]
async fn me(State(auth): State<Arc<Auth>>, Authenticated(caller): Authenticated) -> ApiResult<Json<Me>> {
    let profile = auth.platform().users().profile(caller.principal.user_id).await?;
    let organizations = profile.organizations.into_iter().map(OwnOrganization::from).collect();
    let view = |(organization, invitation): (Organization, Invitation)| ReceivedInvitation {
        id: invitation.id.into(),
        organization_id: organization.id.into(),
        organization: organization.display_name.to_string(),
        role: invitation.role.into(),
        expires_at: invitation.expires_at,
    };
    let invitations =
        auth.platform().invitations().list_for_caller(&caller).await?.into_iter().map(view).collect();
    Ok(Json(Me { user: profile.user.into(), organizations, invitations }))
}

/// Change the name of the user of the request
///
/// Organizations keep their names. Requires a sign-in: an API token cannot change its user.
#[utoipa::path(patch, path = "/auth/me", tag = "Sign-in", request_body = UserPatch,
    responses((status = 200, body = UserView), Problems))]
async fn update_me(
    State(auth): State<Arc<Auth>>,
    Authenticated(caller): Authenticated,
    expected: IfMatch,
    Body(body): Body<UserPatch>,
) -> ApiResult<ApiResponse<UserView>> {
    let user = rename(&auth, &caller, &body.parse()?, expected.version()).await?;
    let version = user.version;
    Ok(ApiResponse::ok(user.into()).version(version))
}

/// Changes the name of the user of a caller.
///
/// # Errors
/// - `forbidden` for a program, which holds a token.
/// - `precondition_failed` if the version differs from `expected`.
/// - `unavailable`.
pub async fn rename(
    auth: &Auth,
    caller: &Caller,
    name: &DisplayName,
    expected: Option<Version>,
) -> hexabase_core::Result<User> {
    if !caller.principal.credential.is_sign_in() {
        return Err(Error::forbidden("this operation requires a sign-in; a token cannot change its user"));
    }
    auth.platform().users().rename(caller.principal.user_id, name, expected).await
}
