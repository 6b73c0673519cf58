//! Operations of the API, one file per resource.

mod access_reviews;
mod admin;
mod assignments;
mod audit;
mod authorization;
mod billing;
mod cluster;
mod clusters;
mod dev;
mod docs;
mod events;
mod groups;
mod invitations;
mod invoices;
mod isolation;
mod members;
mod node_pools;
mod oauth;
mod optional_field;
mod organizations;
mod pages;
mod path_params;
mod payments;
mod plans;
mod projects;
mod roles;
mod service_accounts;
mod sessions;
mod sign_in;
mod system;
mod tasks;
mod tokens;
mod tree_list;
mod usage;
mod webhooks;
mod well_known;
mod workspace_members;
mod workspaces;

use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub(super) use pages::ErrorPage;
pub(crate) use system::ProbeResults;

use crate::app::App;

/// Schemas that contain themselves, which the derive of a response does not register.
#[derive(OpenApi)]
#[openapi(components(schemas(tree_list::Tree<projects::ProjectView>, tree_list::Tree<groups::GroupView>)))]
struct RecursiveSchemas;

/// Returns the router of all operations; those of the development provider only if `dev` is `true`.
pub(super) fn router(dev: bool) -> OpenApiRouter<App> {
    let all = [
        system::router(),
        docs::router(),
        well_known::router(),
        sign_in::router(),
        authorization::router(),
        oauth::router(),
        sessions::router(),
        tokens::router(),
        plans::router(),
        billing::router(),
        payments::router(),
        invoices::router(),
        usage::router(),
        webhooks::router(),
        organizations::router(),
        members::router(),
        invitations::router(),
        service_accounts::router(),
        audit::router(),
        events::router(),
        workspaces::router(),
        cluster::router(),
        isolation::router(),
        tasks::router(),
        node_pools::router(),
        workspace_members::router(),
        groups::router(),
        roles::router(),
        assignments::router(),
        access_reviews::router(),
        projects::router(),
        admin::router(),
        clusters::router(),
    ];
    let router =
        all.into_iter().fold(OpenApiRouter::with_openapi(RecursiveSchemas::openapi()), OpenApiRouter::merge);
    if dev { router.merge(dev::router()) } else { router }
}

/// Returns the router of a port for metrics.
pub(super) fn metrics() -> axum::Router<App> {
    system::metrics_router()
}

/// Returns the router of a worker process: health, readiness, metrics and information.
pub(super) fn probes() -> axum::Router<App> {
    system::router().split_for_parts().0
}
