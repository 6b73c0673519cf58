//! Access reviews: permissions of a user in the cluster, with the assignments that grant them.

use axum::extract::{FromRef, State};
use hexabase_core::Platform;
use hexabase_core::access::{Review, ReviewReason};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::requests::AccessReviewBody;
use crate::caller::Authenticated;
use crate::extract::{Body, Path};
use crate::path_params::WorkspacePath;
use crate::problem::{ApiResult, Problems};
use crate::response::ApiResponse;
use crate::schema;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(review))
}

/// Result of an access review.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccessReview)]
struct ReviewView {
    /// `true` if the request would be allowed.
    allowed: bool,
    /// All reasons for which the request is allowed; empty if it is not.
    because: Vec<ReasonView>,
}

/// Reason for which a request is allowed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccessReason)]
struct ReasonView {
    /// Id of the assignment that grants the role.
    assignment_id: schema::AssignmentId,
    /// Name of the preset, or id of the custom role.
    role: schema::RoleReference,
    /// Ids of the groups from the user's direct membership up to the group with the role.
    path: Vec<schema::GroupId>,
    /// Id of the project in which the role is assigned; null for the workspace as a whole.
    #[schema(required)]
    project_id: Option<schema::ProjectId>,
}

impl From<ReviewReason> for ReasonView {
    fn from(reason: ReviewReason) -> Self {
        Self {
            assignment_id: reason.assignment_id.into(),
            role: reason.role.into(),
            path: reason.path.iter().copied().map(Into::into).collect(),
            project_id: reason.project_id.map(Into::into),
        }
    }
}

impl From<Review> for ReviewView {
    fn from(review: Review) -> Self {
        Self { allowed: review.allowed, because: review.because.into_iter().map(ReasonView::from).collect() }
    }
}

/// Review the access of a user
///
/// Predicts the decision of the tenant API server from the roles that Hexabase binds. Bindings that users create in
/// the cluster themselves are not considered. Every member of the workspace may review their own access.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/workspaces/{ws}/access-reviews", tag = "Roles",
    params(WorkspacePath), request_body = AccessReviewBody,
    responses((status = 200, body = ReviewView), Problems),
    extensions(("x-hexabase-action" = json!("access.review"))))]
async fn review(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
    Body(body): Body<AccessReviewBody>,
) -> ApiResult<ApiResponse<ReviewView>> {
    let result = platform.roles().review(&caller, path.org, path.ws, &body.parse()?).await?;
    Ok(ApiResponse::ok(result.value.into()).replayed(result.replayed))
}
