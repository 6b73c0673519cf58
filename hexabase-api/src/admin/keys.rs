//! Signing keys.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use hexabase_auth::Auth;
use hexabase_core::model::SigningKey;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::operator::require_operator;
use crate::caller::Authenticated;
use crate::problem::{ApiResult, Problems};
use crate::response::List;
use crate::schema;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Auth>: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(rotate))
}

/// Key that signs tokens.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SigningKey)]
struct KeyView {
    /// Id of the key, as in the header of tokens.
    kid: String,
    /// Signature algorithm.
    algorithm: schema::SignatureAlgorithm,
    /// Creation time.
    created_at: Timestamp,
}

impl From<SigningKey> for KeyView {
    fn from(key: SigningKey) -> Self {
        Self { kid: key.kid, algorithm: key.algorithm.into(), created_at: key.created_at }
    }
}

/// Rotate the signing keys
///
/// Generates the next signing keys, one per algorithm in use. They are published for ten minutes before they sign.
/// Tokens signed by previous keys stay valid until they expire. Requires that the user of the session signed in during the
/// last ten minutes; otherwise the response is `409` with the code `reauthentication_required`.
#[utoipa::path(post, path = "/api/v1/admin/keys/rotate", tag = "Operators",
    responses((status = 201, body = List<KeyView>), Problems))]
async fn rotate(
    State(auth): State<Arc<Auth>>,
    authenticated: Authenticated,
) -> ApiResult<(StatusCode, Json<List<KeyView>>)> {
    require_operator(auth.platform(), &authenticated).await?;
    auth.sessions().require_recent_authentication(&authenticated.0.principal).await?;
    let next = auth.keys().rotate().await?;
    for key in &next {
        tracing::info!(kid = key.kid, by = %authenticated.0.principal.user_id, "signing key generated");
    }
    Ok((StatusCode::CREATED, Json(List::complete(next.into_iter().map(KeyView::from).collect()))))
}
