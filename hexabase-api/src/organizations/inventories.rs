//! Inventories of organizations: the objects that declarative sources manage.

use axum::Json;
use axum::extract::{FromRef, State};
use hexabase_core::Platform;
use hexabase_core::error::Error;
use hexabase_core::model::Inventory;
use hexabase_core::name::Slug;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::requests::InventoryPatch;
use crate::caller::Authenticated;
use crate::extract::{Body, IfMatch, Path};
use crate::path_params::{InventoryPath, OrganizationPath};
use crate::problem::{ApiResult, Problems};
use crate::response::{ApiResponse, List};
use crate::schema;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(update))
}

/// Objects that one declarative source manages, such as the documents of `hexabase apply`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Inventory)]
struct InventoryView {
    /// Name, unique in the organization.
    #[schema(example = "git")]
    name: String,
    /// Objects that the source created or adopted, by id; memberships by the ids of the group and of the user, as in
    /// `grp_…/usr_…`.
    #[schema(example = json!(["ws_01h455vb4pex5vsknk084sn02q"]))]
    objects: Vec<String>,
    /// Id of the user who made the last change.
    updated_by: schema::UserId,
    /// Creation time.
    created_at: Timestamp,
    /// Time of the last change.
    updated_at: Timestamp,
    /// Version, incremented by every change.
    version: u64,
}

impl From<Inventory> for InventoryView {
    fn from(inventory: Inventory) -> Self {
        Self {
            name: inventory.name.to_string(),
            objects: inventory.objects.iter().map(ToString::to_string).collect(),
            updated_by: inventory.updated_by.into(),
            created_at: inventory.created_at,
            updated_at: inventory.updated_at,
            version: inventory.version.number(),
        }
    }
}

/// List the inventories of an organization
///
/// All of them are returned at once: an organization has at most 20, with at most 10000 objects together.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/inventories", tag = "Organizations",
    params(OrganizationPath), responses((status = 200, body = List<InventoryView>), Problems),
    extensions(("x-hexabase-action" = json!("organization.read"))))]
async fn list(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
) -> ApiResult<Json<List<InventoryView>>> {
    let inventories = platform.inventories().list(&caller, path.org).await?;
    Ok(Json(List::complete(inventories.into_iter().map(InventoryView::from).collect())))
}

/// Add objects to an inventory, and remove others
///
/// The inventory is created with its first object and deleted with its last one. An object is in at most one inventory;
/// adding one of another inventory is a conflict, `managed_elsewhere`. The objects themselves are not changed.
#[utoipa::path(patch, path = "/api/v1/organizations/{org}/inventories/{inventory}", tag = "Organizations",
    params(InventoryPath), request_body = InventoryPatch, responses((status = 200, body = InventoryView), Problems),
    extensions(("x-hexabase-action" = json!("organization.update"))))]
async fn update(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<InventoryPath>,
    expected: IfMatch,
    Body(body): Body<InventoryPatch>,
) -> ApiResult<ApiResponse<InventoryView>> {
    let name =
        Slug::parse(&path.inventory).map_err(|error| Error::invalid("inventory", error.to_string()))?;
    let command = body.parse()?;
    let inventories = platform.inventories();
    let updated = inventories.update(&caller, path.org, &name, &command, expected.version()).await?;
    let version = updated.version;
    Ok(ApiResponse::ok(updated.into()).version(version))
}
