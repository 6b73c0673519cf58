//! API tokens.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use hexabase_core::error::{Check, Error};
use hexabase_core::model::{ApiToken, Scope, Scopes};
use hexabase_core::name::DisplayName;
use hexabase_core::platform::{CreateToken, NewToken};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::place::AtToken;
use crate::api::edge::SignedIn;
use crate::api::extract::{Body, IfMatch, Path, Query};
use crate::api::problem::{Answer, Problems};
use crate::api::reply::{List, PageQuery, Pager, Reply};
use crate::app::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(remove))
}

/// A token for automation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiToken)]
pub(super) struct TokenView {
    /// Which token.
    #[schema(example = "tok_01h455vb4pex5vsknk084sn02q")]
    id: String,
    /// What it is called.
    name: String,
    /// What it may do: `all`, or some of `organizations:read`, `organizations:write`, `workspaces:read`,
    /// `billing:read`, `billing:write`, `workspaces:write`, `clusters:access`, `access:read`, `access:write`, `projects:read` and
    /// `projects:write`. Writing covers reading.
    scopes: Vec<String>,
    /// When it was made.
    created_at: Timestamp,
    /// Until when it works; null for ever.
    expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    used_at: Option<Timestamp>,
}

impl From<ApiToken> for TokenView {
    fn from(token: ApiToken) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name.to_string(),
            scopes: token.scopes.iter().map(|scope| scope.to_string()).collect(),
            created_at: token.created_at,
            expires_at: token.expires_at,
            used_at: token.used_at,
        }
    }
}

/// A token, with what is shown only now.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenWithSecret {
    #[serde(flatten)]
    token: TokenView,
    /// What to send as `Authorization: Bearer`. It is not shown again.
    #[schema(example = "hxb_…")]
    secret: String,
}

impl From<NewToken> for TokenWithSecret {
    fn from(made: NewToken) -> Self {
        Self { token: made.token.into(), secret: made.secret }
    }
}

/// What a new token is like.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewApiToken)]
pub(super) struct WantedToken {
    /// What it is called.
    #[schema(example = "deploy from CI")]
    name: String,
    /// What it may do.
    #[schema(example = json!(["workspaces:read", "clusters:access"]))]
    scopes: Vec<String>,
    /// Until when it works; for ever if not said.
    expires_at: Option<Timestamp>,
}

impl WantedToken {
    /// What is wanted, checked.
    pub(super) fn command(&self) -> Result<CreateToken, Error> {
        let mut check = Check::default();
        let name = check.field("name", DisplayName::parse(&self.name));
        let scope = |(place, text): (usize, &String)| (format!("scopes[{place}]"), text.parse::<Scope>());
        let mut scopes = Vec::new();
        for (field, scope) in self.scopes.iter().enumerate().map(scope) {
            scopes.extend(check.field(field, scope));
        }
        let name = check.all(name)?;
        Ok(CreateToken { name, scopes: Scopes::from_iter(scopes), expires_at: self.expires_at })
    }
}

/// Make an API token for yourself. The secret is shown once.
#[utoipa::path(post, path = "/api/v1/me/tokens", tag = "Sign-in", request_body = WantedToken,
    responses((status = 201, body = TokenWithSecret), Problems))]
async fn create(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Body(wanted): Body<WantedToken>,
) -> Answer<Reply<TokenWithSecret>> {
    let made = app.auth.create_token(&caller, &wanted.command()?).await?;
    let location = format!("/api/v1/me/tokens/{}", made.value.token.id);
    Ok(Reply::created(location, made.value.into()).replayed(made.replayed))
}

/// List your API tokens.
#[utoipa::path(get, path = "/api/v1/me/tokens", tag = "Sign-in", params(PageQuery),
    responses((status = 200, body = List<TokenView>), Problems))]
async fn list(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    pager: Pager,
    Query(query): Query<PageQuery>,
) -> Answer<Json<List<TokenView>>> {
    let page = app.auth.tokens(&caller, &pager.request(&query)?).await?;
    pager.list(page, TokenView::from)
}

/// Remove one of your API tokens. It stops working at once.
#[utoipa::path(delete, path = "/api/v1/me/tokens/{tok}", tag = "Sign-in", params(AtToken),
    responses((status = 204, description = "It does not work any more."), Problems))]
async fn remove(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<AtToken>,
    expected: IfMatch,
) -> Answer<StatusCode> {
    expected.require_any()?;
    app.auth.delete_token(&caller, at.tok).await?;
    Ok(StatusCode::NO_CONTENT)
}
