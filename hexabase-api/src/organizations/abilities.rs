//! Abilities of the caller.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{FromRef, State};
use hexabase_core::Platform;
use hexabase_core::access::{Ability, Action, DenialReason};
use serde::Serialize;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::requests::AbilitiesQuery;
use crate::caller::Authenticated;
use crate::extract::{Path, Query};
use crate::path_params::OrganizationPath;
use crate::problem::{ApiResult, Problems};

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(get))
}

/// Result of the question if the caller can perform an action now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Ability)]
struct AbilityView {
    /// `true` if the action is possible.
    allowed: bool,
    /// Reason for which the action is not possible; absent if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DenialReasonView>)]
    reason: Option<&'static str>,
    /// Sentence about the reason for the user, with the remedy; absent if the action is possible.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

impl From<Ability> for AbilityView {
    fn from(ability: Ability) -> Self {
        match ability {
            Ability::Allowed => Self { allowed: true, reason: None, message: None },
            Ability::Denied(denial) => {
                Self { allowed: false, reason: Some(denial.reason.as_str()), message: Some(denial.message) }
            }
        }
    }
}

/// Schema of the reasons, for typed clients.
struct DenialReasonView;

impl PartialSchema for DenialReasonView {
    fn schema() -> RefOr<Schema> {
        let reasons = DenialReason::ALL.iter().map(|reason| reason.as_str());
        let description = "Reason for which an action is not possible. A client must accept further reasons.";
        let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(reasons));
        schema.description(Some(description)).into()
    }
}

impl ToSchema for DenialReasonView {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("DenialReason")
    }
}

/// Abilities of the caller by the name of the action.
#[derive(Debug, Serialize)]
struct AbilitiesView(BTreeMap<&'static str, AbilityView>);

impl PartialSchema for AbilitiesView {
    fn schema() -> RefOr<Schema> {
        let description = "Abilities of the caller by action. Actions in a workspace or project are absent unless the \
                           request names one.";
        let ability = || Ref::from_schema_name("Ability");
        let object = ObjectBuilder::new().schema_type(Type::Object).description(Some(description));
        let names = Action::ALL.iter().map(|action| action.permission().name);
        names.fold(object, |object, name| object.property(name, ability())).into()
    }
}

impl ToSchema for AbilitiesView {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Abilities")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((AbilityView::name().into_owned(), AbilityView::schema()));
        AbilityView::schemas(schemas);
    }
}

/// List the actions that the caller can perform now
///
/// For every action of the permission table in the organization, and in the workspace and the project that the request
/// names: if the caller can perform it, and otherwise the reason. The reason can be the caller's role, the scopes of its
/// token, the state of the organization or workspace, or a limit of the plan. An operation can still be rejected
/// because of its input, of the object that it changes, or of the capacity of host clusters.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/abilities", tag = "Organizations",
    params(OrganizationPath, AbilitiesQuery), responses((status = 200, body = AbilitiesView), Problems),
    extensions(("x-hexabase-action" = json!("organization.read"))))]
async fn get(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
    Query(query): Query<AbilitiesQuery>,
) -> ApiResult<Json<AbilitiesView>> {
    let abilities = platform.abilities(&caller, path.org, query.parse()?).await?;
    let view = |(action, ability): (Action, Ability)| (action.permission().name, ability.into());
    Ok(Json(AbilitiesView(abilities.into_iter().map(view).collect())))
}
