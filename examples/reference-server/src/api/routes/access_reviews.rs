//! Access reviews: whether somebody could do something in the cluster, and why.

use axum::extract::State;
use hexabase_core::access::{Attributes, Because, Review};
use hexabase_core::error::Check;
use hexabase_core::platform::AccessReviewRequest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::field::optional;
use super::place::InWorkspace;
use crate::api::edge::SignedIn;
use crate::api::extract::{Body, Path};
use crate::api::problem::{Answer, Problems};
use crate::api::reply::Reply;
use crate::app::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(review))
}

/// Whom to ask about, and what they would do.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReviewQuestion {
    /// Whom: `usr_…`.
    user_id: String,
    /// The verb.
    #[schema(example = "create")]
    verb: String,
    /// The resource in the plural; a subresource is written `pods/log`.
    #[schema(example = "deployments")]
    resource: String,
    /// The API group; the core group if not said.
    #[schema(example = "apps")]
    #[serde(default)]
    api_group: String,
    /// In which project; in all namespaces if not said.
    project_id: Option<String>,
}

/// Whether somebody could do something, and why.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccessReview)]
struct ReviewView {
    /// Whether they could.
    allowed: bool,
    /// Everything that allows it; empty when nothing does.
    because: Vec<ReasonView>,
}

/// One reason why somebody can do something.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccessReason)]
struct ReasonView {
    /// The assignment that gives the role.
    assignment_id: String,
    /// The role.
    role: String,
    /// From the group that the person was put in up to the one that has the role.
    path: Vec<String>,
    /// The project in which the role was assigned; null for the workspace as a whole.
    project_id: Option<String>,
}

impl From<Because> for ReasonView {
    fn from(reason: Because) -> Self {
        Self {
            assignment_id: reason.assignment_id.to_string(),
            role: reason.role.to_string(),
            path: reason.path.iter().map(ToString::to_string).collect(),
            project_id: reason.project_id.map(|id| id.to_string()),
        }
    }
}

impl From<Review> for ReviewView {
    fn from(review: Review) -> Self {
        Self { allowed: review.allowed, because: review.because.into_iter().map(ReasonView::from).collect() }
    }
}

/// Ask what the tenant's API server would say about somebody, going by the roles that were assigned here.
/// Everybody in the workspace may ask about themselves.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/workspaces/{ws}/access-reviews", tag = "Roles",
    params(InWorkspace), request_body = ReviewQuestion,
    responses((status = 200, body = ReviewView), Problems),
    extensions(("x-hexabase-action" = json!("access.review"))))]
async fn review(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InWorkspace>,
    Body(wanted): Body<ReviewQuestion>,
) -> Answer<Reply<ReviewView>> {
    let mut check = Check::default();
    let user_id = check.field("user_id", wanted.user_id.parse());
    let project = check.field("project_id", optional(&wanted.project_id, str::parse));
    check.require(!wanted.verb.is_empty(), "verb", "must not be empty");
    check.require(!wanted.resource.is_empty(), "resource", "must not be empty");
    let (user_id, project) = check.all((user_id, project))?;
    let attributes =
        Attributes { verb: wanted.verb, api_group: wanted.api_group, resource: wanted.resource, project };
    let request = AccessReviewRequest { user_id, attributes };
    let answer = app.platform.roles().review(&caller, at.org, at.ws, &request).await?;
    Ok(Reply::ok(answer.value.into()).replayed(answer.replayed))
}
