//! Signing in as anybody. These routes exist only where an operator asked for it when starting the server.

use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, LOCATION};
use axum::response::{Html, IntoResponse as _, Response};
use axum::{Form, Json};
use hexabase_auth::{DevProvider, PendingApproval};
use hexabase_core::error::{Check, Error};
use hexabase_core::identity::IdentityProvider as _;
use hexabase_core::name::{DisplayName, Email};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::field::optional;
use super::sign_in::TokenPairView;
use crate::api::edge::Visitor;
use crate::api::extract::{Body, Query};
use crate::api::problem::{Answer, Problems, Refusal};
use crate::app::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(login)).routes(routes!(ask, approve))
}

/// Who to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Persona {
    /// Their address, which is taken to be verified.
    #[schema(example = "ann@example.com")]
    email: String,
    /// Their name; the address if not said.
    #[schema(example = "Ann")]
    name: Option<String>,
}

impl Persona {
    fn checked(&self) -> Result<(Email, Option<DisplayName>), Error> {
        let mut check = Check::default();
        let email = check.field("email", Email::parse(&self.email));
        let name = check.field("name", optional(&self.name, DisplayName::parse));
        check.all((email, name))
    }
}

fn provider(app: &App) -> Result<&DevProvider, Error> {
    app.dev.as_deref().ok_or_else(|| Error::not_found("sign-in provider"))
}

/// Sign in as anybody. For development only.
#[utoipa::path(post, path = "/auth/dev/login", tag = "Development", security(()), request_body = Persona,
    responses((status = 200, body = TokenPairView), Problems))]
async fn login(
    State(app): State<App>,
    Visitor(origin): Visitor,
    Body(wanted): Body<Persona>,
) -> Answer<Json<TokenPairView>> {
    let provider = provider(&app)?;
    let (email, name) = wanted.checked()?;
    let who = DevProvider::identity(&email, name);
    Ok(Json(app.auth.sign_in(provider.name(), &who, &origin).await?.into()))
}

/// The page on which somebody says who they are.
#[utoipa::path(get, path = "/auth/dev/authorize", tag = "Development", security(()),
    responses((status = 200, content_type = "text/html", body = String)))]
async fn ask() -> Response {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    ([(CONTENT_SECURITY_POLICY, policy)], Html(include_str!("dev.html"))).into_response()
}

/// Somebody said who they are: on with the sign-in.
#[utoipa::path(post, path = "/auth/dev/authorize", tag = "Development", security(()),
    request_body(content = Persona, content_type = "application/x-www-form-urlencoded"),
    responses((status = 302, description = "Back to this server's callback."), Problems))]
async fn approve(
    State(app): State<App>,
    Query(request): Query<PendingApproval>,
    form: Result<Form<Persona>, FormRejection>,
) -> Answer<Response> {
    let Form(wanted) = form.map_err(|_| Refusal::malformed("the form cannot be read"))?;
    let named = wanted.name.filter(|name| !name.is_empty());
    let (email, name) = Persona { email: wanted.email, name: named }.checked()?;
    let location = provider(&app)?.approve(request, email, name).await?;
    Ok((StatusCode::FOUND, [(LOCATION, location)]).into_response())
}
