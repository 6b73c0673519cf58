//! Access reviews: permissions of a user in the cluster, with the assignments that grant them.

use axum::extract::{FromRef, State};
use hexabase_core::Platform;
use hexabase_core::access::{Attributes, Review, ReviewReason};
use hexabase_core::error::Check;
use hexabase_core::platform::AccessReviewRequest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::Authenticated;
use crate::extract::{Body, Path};
use crate::optional_field::parse_optional;
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

/// User and request to review.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AccessReviewBody {
    /// Id of the user, `usr_…`.
    #[schema(value_type = schema::UserId)]
    user_id: String,
    /// Verb of the request.
    #[schema(example = "create")]
    verb: String,
    /// Resource of the request, in the plural; a subresource as `pods/log`.
    #[schema(example = "deployments")]
    resource: String,
    /// API group of the resource; the core group by default.
    #[schema(example = "apps")]
    #[serde(default)]
    api_group: String,
    /// Id of the project with the namespace of the request; all namespaces by default.
    #[schema(value_type = Option<schema::ProjectId>)]
    project_id: Option<String>,
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
    let mut check = Check::default();
    let user_id = check.field("user_id", body.user_id.parse());
    let project = check.field("project_id", parse_optional(&body.project_id, str::parse));
    check.require(!body.verb.is_empty(), "verb", "must not be empty");
    check.require(!body.resource.is_empty(), "resource", "must not be empty");
    let (user_id, project) = check.all((user_id, project))?;
    let attributes =
        Attributes { verb: body.verb, api_group: body.api_group, resource: body.resource, project };
    let request = AccessReviewRequest { user_id, attributes };
    let result = platform.roles().review(&caller, path.org, path.ws, &request).await?;
    Ok(ApiResponse::ok(result.value.into()).replayed(result.replayed))
}
