//! What clients ask for themselves: tokens, and what tokens are worth. Errors are those of OAuth 2.0 (RFC 6749
//! section 5.2).

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use hexabase_auth::issuer::{DeviceAuthorization, OAuthError, Parameters, TokenResponse};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::edge::Visitor;
use crate::app::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(token))
        .routes(routes!(device_authorization))
        .routes(routes!(userinfo, userinfo_by_form))
        .routes(routes!(revoke))
        .routes(routes!(introspect))
}

/// Decoded pairs of a query or a form.
pub(super) fn pairs(text: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(text).into_owned().collect()
}

/// A body of `application/x-www-form-urlencoded`.
pub(super) struct Form(pub(super) Parameters);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let unreadable = |description: &str| Refused {
            status: StatusCode::BAD_REQUEST,
            error: "invalid_request",
            description: description.to_owned(),
            challenge: None,
        };
        let kind =
            request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(unreadable("send a form: application/x-www-form-urlencoded"));
        }
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|_| unreadable("the body cannot be read"))?;
        Ok(Self(Parameters::new(pairs(&body))))
    }
}

/// An error in the words of OAuth 2.0.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OAuthError)]
pub(super) struct Refused {
    #[serde(skip)]
    status: StatusCode,
    /// The registered word.
    #[schema(example = "invalid_grant")]
    error: &'static str,
    /// What is wrong, and what to do about it.
    #[serde(rename = "error_description")]
    description: String,
    #[serde(skip)]
    challenge: Option<&'static str>,
}

impl From<OAuthError> for Refused {
    fn from(error: OAuthError) -> Self {
        match &error.source {
            Some(source) if error.status() >= 500 => tracing::error!(?source, "a client was given nothing"),
            source => tracing::debug!(%error, ?source, "a client was given nothing"),
        }
        Self {
            status: StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            error: error.error,
            challenge: match error.error {
                "invalid_client" => Some("Basic realm=\"hexabase\""),
                "invalid_token" => Some("Bearer error=\"invalid_token\""),
                _ => None,
            },
            description: error.description,
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(&self)).into_response();
        let headers = response.headers_mut();
        if let Some(challenge) = self.challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok())
}

/// Get tokens for a grant: `authorization_code`, `refresh_token`, `urn:ietf:params:oauth:grant-type:device_code` or
/// `urn:ietf:params:oauth:grant-type:token-exchange`.
#[utoipa::path(post, path = "/oauth2/token", tag = "OIDC", security(()),
    request_body(content = Object, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = Object), (status = 400, body = Refused), (status = 401, body = Refused)))]
async fn token(
    State(app): State<App>,
    Visitor(origin): Visitor,
    headers: HeaderMap,
    Form(form): Form,
) -> Result<Json<TokenResponse>, Refused> {
    Ok(Json(app.auth.token(authorization(&headers), &form, &origin).await?))
}

/// Begin to sign in where there is no browser (RFC 8628).
#[utoipa::path(post, path = "/oauth2/device_authorization", tag = "OIDC", security(()),
    request_body(content = Object, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = Object), (status = 400, body = Refused), (status = 401, body = Refused)))]
async fn device_authorization(
    State(app): State<App>,
    Visitor(origin): Visitor,
    headers: HeaderMap,
    Form(form): Form,
) -> Result<Json<DeviceAuthorization>, Refused> {
    Ok(Json(app.auth.authorize_device(authorization(&headers), &form, &origin).await?))
}

/// Show who somebody is, to a client that they let know (OpenID Connect Core 1.0 section 5.3).
#[utoipa::path(get, path = "/oauth2/userinfo", tag = "OIDC", security(("bearer" = [])),
    responses((status = 200, body = Object), (status = 401, body = Refused)))]
async fn userinfo(State(app): State<App>, headers: HeaderMap) -> Result<Json<Value>, Refused> {
    let token = authorization(&headers).and_then(|value| value.split_once(' '));
    let token =
        token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    let Some(token) = token else {
        // Whoever shows nothing is told how, and not that it was wrong (RFC 6750 section 3.1).
        return Err(Refused {
            status: StatusCode::UNAUTHORIZED,
            error: "invalid_token",
            description: "send Authorization: Bearer and an access token".to_owned(),
            challenge: Some("Bearer"),
        });
    };
    Ok(Json(app.auth.userinfo(token).await?))
}

/// The same, for clients that prefer to post.
#[utoipa::path(post, path = "/oauth2/userinfo", tag = "OIDC", security(("bearer" = [])),
    responses((status = 200, body = Object), (status = 401, body = Refused)))]
async fn userinfo_by_form(app: State<App>, headers: HeaderMap) -> Result<Json<Value>, Refused> {
    userinfo(app, headers).await
}

/// Give a token back (RFC 7009): the session that it is of ends.
#[utoipa::path(post, path = "/oauth2/revoke", tag = "OIDC", security(()),
    request_body(content = Object, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "It is not good any more."), (status = 401, body = Refused)))]
async fn revoke(
    State(app): State<App>,
    Visitor(origin): Visitor,
    headers: HeaderMap,
    Form(form): Form,
) -> Result<StatusCode, Refused> {
    app.auth.revoke_token(authorization(&headers), &form, &origin).await?;
    Ok(StatusCode::OK)
}

/// Find out whether a token of one's own is good (RFC 7662).
#[utoipa::path(post, path = "/oauth2/introspect", tag = "OIDC", security(()),
    request_body(content = Object, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = Object), (status = 401, body = Refused)))]
async fn introspect(
    State(app): State<App>,
    headers: HeaderMap,
    Form(form): Form,
) -> Result<Json<Value>, Refused> {
    Ok(Json(app.auth.introspect(authorization(&headers), &form).await?))
}
