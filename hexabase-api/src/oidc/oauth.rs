//! OAuth 2.0 endpoints that clients call directly: token, device authorization, userinfo, revocation and
//! introspection. Errors are those of OAuth 2.0 (RFC 6749 section 5.2).

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRef, FromRequest, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use hexabase_auth::Auth;
use hexabase_auth::issuer::{OAuthError, Parameters};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::ClientOrigin;
use crate::oidc::schemas::{
    DeviceAuthorizationRequest, DeviceAuthorizationView, Introspection, IntrospectionRequest,
    RevocationRequest, TokenRequest, TokenResponseView, UserInfo,
};

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Auth>: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(token))
        .routes(routes!(device_authorization))
        .routes(routes!(userinfo, userinfo_by_form))
        .routes(routes!(revoke))
        .routes(routes!(introspect))
}

/// Parses the pairs of a query string or a form.
pub(crate) fn pairs(text: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(text).into_owned().collect()
}

/// Body of type `application/x-www-form-urlencoded`.
pub(crate) struct Form(pub(crate) Parameters);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = OAuthErrorResponse;

    async fn from_request(request: Request, state: &S) -> Result<Self, OAuthErrorResponse> {
        let invalid_request = |description: &str| OAuthErrorResponse {
            status: StatusCode::BAD_REQUEST,
            error: "invalid_request",
            description: description.to_owned(),
            challenge: None,
        };
        let content_type = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|content_type| content_type.to_str().ok())
            .unwrap_or_default();
        let content_type = content_type.split(';').next().unwrap_or_default().trim();
        if !content_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(invalid_request("the body must be a form: application/x-www-form-urlencoded"));
        }
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|_| invalid_request("the body cannot be read"))?;
        Ok(Self(Parameters::new(pairs(&body))))
    }
}

/// Error response of OAuth 2.0.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OAuthError)]
pub(crate) struct OAuthErrorResponse {
    #[serde(skip)]
    status: StatusCode,
    /// Registered error code.
    #[schema(example = "invalid_grant")]
    error: &'static str,
    /// Description of the error with its remedy.
    #[serde(rename = "error_description")]
    description: String,
    #[serde(skip)]
    challenge: Option<&'static str>,
}

impl From<OAuthError> for OAuthErrorResponse {
    fn from(error: OAuthError) -> Self {
        match &error.source {
            Some(source) if error.status() >= 500 => tracing::error!(?source, "OAuth request failed"),
            source => tracing::debug!(%error, ?source, "OAuth request rejected"),
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

impl IntoResponse for OAuthErrorResponse {
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

/// Request tokens for a grant
///
/// Supports the grant types `authorization_code`, `refresh_token`, `urn:ietf:params:oauth:grant-type:device_code` and
/// `urn:ietf:params:oauth:grant-type:token-exchange`.
#[utoipa::path(post, path = "/oauth2/token", tag = "OIDC", security(()),
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = TokenResponseView), (status = 400, body = OAuthErrorResponse), (status = 401, body = OAuthErrorResponse)))]
async fn token(
    State(auth): State<Arc<Auth>>,
    ClientOrigin(origin): ClientOrigin,
    headers: HeaderMap,
    Form(form): Form,
) -> Result<Json<TokenResponseView>, OAuthErrorResponse> {
    Ok(Json(auth.issuer().token(authorization(&headers), &form, &origin).await?.into()))
}

/// Start a device authorization
///
/// Signs a user in on a device without a browser (RFC 8628).
#[utoipa::path(post, path = "/oauth2/device_authorization", tag = "OIDC", security(()),
    request_body(content = DeviceAuthorizationRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = DeviceAuthorizationView), (status = 400, body = OAuthErrorResponse), (status = 401, body = OAuthErrorResponse)))]
async fn device_authorization(
    State(auth): State<Arc<Auth>>,
    ClientOrigin(origin): ClientOrigin,
    headers: HeaderMap,
    Form(form): Form,
) -> Result<Json<DeviceAuthorizationView>, OAuthErrorResponse> {
    Ok(Json(auth.issuer().authorize_device(authorization(&headers), &form, &origin).await?.into()))
}

/// Get the claims about the user
///
/// Returns the claims that the scopes of the access token include (OpenID Connect Core 1.0 section 5.3).
#[utoipa::path(get, path = "/oauth2/userinfo", tag = "OIDC", security(("bearer" = [])),
    responses((status = 200, body = UserInfo), (status = 401, body = OAuthErrorResponse)))]
async fn userinfo(
    State(auth): State<Arc<Auth>>,
    headers: HeaderMap,
) -> Result<Json<Value>, OAuthErrorResponse> {
    let token = authorization(&headers).and_then(|value| value.split_once(' '));
    let token =
        token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    let Some(token) = token else {
        // A request without a token gets the challenge without an error code (RFC 6750 section 3.1).
        return Err(OAuthErrorResponse {
            status: StatusCode::UNAUTHORIZED,
            error: "invalid_token",
            description: "send Authorization: Bearer and an access token".to_owned(),
            challenge: Some("Bearer"),
        });
    };
    Ok(Json(auth.issuer().userinfo(token).await?))
}

/// Get the claims about the user, with POST
///
/// Same as `GET /oauth2/userinfo`.
#[utoipa::path(post, path = "/oauth2/userinfo", tag = "OIDC", security(("bearer" = [])),
    responses((status = 200, body = UserInfo), (status = 401, body = OAuthErrorResponse)))]
async fn userinfo_by_form(
    auth: State<Arc<Auth>>,
    headers: HeaderMap,
) -> Result<Json<Value>, OAuthErrorResponse> {
    userinfo(auth, headers).await
}

/// Revoke a token
///
/// Ends the session of the token (RFC 7009). Succeeds if the token is already invalid.
#[utoipa::path(post, path = "/oauth2/revoke", tag = "OIDC", security(()),
    request_body(content = RevocationRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "The token is invalid."), (status = 401, body = OAuthErrorResponse)))]
async fn revoke(
    State(auth): State<Arc<Auth>>,
    ClientOrigin(origin): ClientOrigin,
    headers: HeaderMap,
    Form(form): Form,
) -> Result<StatusCode, OAuthErrorResponse> {
    auth.issuer().revoke_token(authorization(&headers), &form, &origin).await?;
    Ok(StatusCode::OK)
}

/// Introspect a token
///
/// Reports tokens of other clients as inactive (RFC 7662).
#[utoipa::path(post, path = "/oauth2/introspect", tag = "OIDC", security(()),
    request_body(content = IntrospectionRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = Introspection), (status = 401, body = OAuthErrorResponse)))]
async fn introspect(
    State(auth): State<Arc<Auth>>,
    headers: HeaderMap,
    Form(form): Form,
) -> Result<Json<Value>, OAuthErrorResponse> {
    Ok(Json(auth.issuer().introspect(authorization(&headers), &form).await?))
}
