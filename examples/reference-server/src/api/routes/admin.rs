//! What operators look after: those whose verified address the settings name.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use hexabase_core::error::Error;
use hexabase_core::model::SigningKey;
use hexabase_core::queue::DeadLetter;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::place::AtDeadLetter;
use crate::api::edge::SignedIn;
use crate::api::extract::Path;
use crate::api::problem::{Answer, Problems, Refusal};
use crate::api::reply::List;
use crate::app::App;

/// How many dead letters are shown.
const SHOWN: usize = 1_000;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(queue)).routes(routes!(retry)).routes(routes!(rotate))
}

/// Lets operators in, who have to be there themselves: a token that leaks must not reach everybody's.
pub(super) async fn require_operator(app: &App, signed_in: &SignedIn) -> Result<(), Refusal> {
    signed_in.session()?;
    let user = app.platform.store().find_user(signed_in.0.principal.user_id).await?;
    let address = user.and_then(|user| user.email);
    if address.is_some_and(|address| app.entry.platform_admins.contains(&address)) {
        return Ok(());
    }
    Err(Error::forbidden("this is for the operators of the installation").into())
}

/// Work on its way.
#[derive(Debug, Serialize, ToSchema)]
struct Queue {
    /// How many messages wait to be published.
    outbox: u64,
    /// How many wait to be dealt with, or are being dealt with.
    depth: u64,
    /// Messages that were given up, oldest first, a thousand at most.
    dead_letters: Vec<DeadLetterView>,
}

/// A message that was given up.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetter)]
struct DeadLetterView {
    /// Which message.
    #[schema(example = "msg_01h455vb4pex5vsknk084sn02q")]
    id: String,
    /// `look` for a look at a workspace, `mail` for a mail.
    #[schema(example = "look")]
    topic: &'static str,
    /// The organization concerned.
    organization_id: String,
    /// The workspace concerned; null for a mail.
    workspace_id: Option<String>,
    /// How often it was delivered.
    attempts: u32,
    /// What went wrong the last time.
    reason: String,
    /// When it was given up.
    at: Timestamp,
}

impl From<DeadLetter> for DeadLetterView {
    fn from(letter: DeadLetter) -> Self {
        let DeadLetter { message, attempts, reason, at } = letter;
        Self {
            id: message.id.to_string(),
            topic: message.topic.as_str(),
            organization_id: message.organization_id.to_string(),
            workspace_id: message.workspace_id.map(|workspace| workspace.to_string()),
            attempts,
            reason,
            at,
        }
    }
}

/// Show the queue, and what was given up.
#[utoipa::path(get, path = "/api/v1/admin/queue", tag = "Operators", responses((status = 200, body = Queue), Problems))]
async fn queue(State(app): State<App>, signed_in: SignedIn) -> Answer<Json<Queue>> {
    require_operator(&app, &signed_in).await?;
    let platform = &app.platform;
    Ok(Json(Queue {
        outbox: platform.store().count_outbox().await?,
        depth: platform.queue().depth().await?,
        dead_letters: platform.queue().dead_letters(SHOWN).await?.into_iter().map(Into::into).collect(),
    }))
}

/// Send a dead letter on its way again, as if it had never been delivered.
#[utoipa::path(post, path = "/api/v1/admin/queue/dead-letters/{id}/retry", tag = "Operators", params(AtDeadLetter),
    responses((status = 204, description = "It is on its way."), Problems))]
async fn retry(
    State(app): State<App>,
    signed_in: SignedIn,
    Path(at): Path<AtDeadLetter>,
) -> Answer<StatusCode> {
    require_operator(&app, &signed_in).await?;
    if !app.platform.queue().retry_dead_letter(at.id).await? {
        return Err(Error::not_found("dead letter").into());
    }
    tracing::info!(message = %at.id, by = %signed_in.0.principal.user_id, "a dead letter is sent again");
    Ok(StatusCode::NO_CONTENT)
}

/// A key that signs tokens.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SigningKey)]
struct KeyView {
    /// The name that tokens carry.
    kid: String,
    /// How it signs.
    #[schema(example = "ES256")]
    algorithm: String,
    /// When it was made.
    created_at: Timestamp,
}

impl From<SigningKey> for KeyView {
    fn from(key: SigningKey) -> Self {
        Self { kid: key.kid, algorithm: key.algorithm.to_string(), created_at: key.created_at }
    }
}

/// Make the signing keys that come next, one for each algorithm in use. They are shown for ten minutes before they sign,
/// and what older keys signed stays valid.
#[utoipa::path(post, path = "/api/v1/admin/keys/rotate", tag = "Operators",
    responses((status = 201, body = List<KeyView>), Problems))]
async fn rotate(State(app): State<App>, signed_in: SignedIn) -> Answer<(StatusCode, Json<List<KeyView>>)> {
    require_operator(&app, &signed_in).await?;
    let next = app.auth.rotate_keys().await?;
    for key in &next {
        tracing::info!(kid = key.kid, by = %signed_in.0.principal.user_id, "a new signing key");
    }
    Ok((StatusCode::CREATED, Json(List::whole(next.into_iter().map(KeyView::from).collect()))))
}
