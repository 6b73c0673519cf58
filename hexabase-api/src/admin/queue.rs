//! Task queue, with its dead letters.

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use hexabase_core::Platform;
use hexabase_core::error::Error;
use hexabase_core::queue::DeadLetter;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::operator::require_operator;
use crate::caller::Authenticated;
use crate::extract::Path;
use crate::path_params::DeadLetterPath;
use crate::problem::{ApiResult, Problems};
use crate::schema;

/// Maximum number of dead letters in a response.
const MAX_DEAD_LETTERS: usize = 1_000;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(queue)).routes(routes!(retry))
}

/// State of the task queue.
#[derive(Debug, Serialize, ToSchema)]
struct Queue {
    /// Number of messages that wait to be published.
    outbox: u64,
    /// Number of messages that wait for delivery or are being processed, without dead letters.
    depth: u64,
    /// Dead letters, oldest first, at most 1,000.
    dead_letters: Vec<DeadLetterView>,
}

/// Message that is no longer delivered because its deliveries failed too often.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetter)]
struct DeadLetterView {
    /// Id of the message.
    id: schema::MessageId,
    /// Purpose of the message.
    topic: schema::MessageTopic,
    /// Id of the organization of the message.
    organization_id: schema::OrganizationId,
    /// Id of the workspace of the message; null if it is not about a workspace.
    #[schema(required)]
    workspace_id: Option<schema::WorkspaceId>,
    /// Number of deliveries.
    attempts: u32,
    /// Reason for which the last delivery failed.
    reason: String,
    /// Time at which the message became a dead letter.
    at: Timestamp,
}

impl From<DeadLetter> for DeadLetterView {
    fn from(dead_letter: DeadLetter) -> Self {
        let DeadLetter { message, attempts, reason, at } = dead_letter;
        Self {
            id: message.id.into(),
            topic: message.topic.into(),
            organization_id: message.organization_id.into(),
            workspace_id: message.workspace_id.map(Into::into),
            attempts,
            reason,
            at,
        }
    }
}

/// Get the state of the queue, with the dead letters
#[utoipa::path(get, path = "/api/v1/admin/queue", tag = "Operators", responses((status = 200, body = Queue), Problems))]
async fn queue(State(platform): State<Platform>, authenticated: Authenticated) -> ApiResult<Json<Queue>> {
    require_operator(&platform, &authenticated).await?;
    let platform = &platform;
    Ok(Json(Queue {
        outbox: platform.store().count_outbox().await?,
        depth: platform.queue().depth().await?,
        dead_letters: platform
            .queue()
            .dead_letters(MAX_DEAD_LETTERS)
            .await?
            .into_iter()
            .map(Into::into)
            .collect(),
    }))
}

/// Retry a dead letter
///
/// Returns the message to the queue as if it had never been delivered.
#[utoipa::path(post, path = "/api/v1/admin/queue/dead-letters/{id}/retry", tag = "Operators", params(DeadLetterPath),
    responses((status = 204, description = "The message is in the queue again."), Problems))]
async fn retry(
    State(platform): State<Platform>,
    authenticated: Authenticated,
    Path(path): Path<DeadLetterPath>,
) -> ApiResult<StatusCode> {
    require_operator(&platform, &authenticated).await?;
    if !platform.queue().retry_dead_letter(path.id).await? {
        return Err(Error::not_found("dead letter").into());
    }
    tracing::info!(message = %path.id, by = %authenticated.0.principal.user_id, "dead letter retried");
    Ok(StatusCode::NO_CONTENT)
}
