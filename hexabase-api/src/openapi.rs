//! OpenAPI document of the API.

use std::iter::once;

use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;

use crate::problem::Problem;
use crate::state::ApiState;

/// Returns the OpenAPI document of the API, with or without the development provider.
#[must_use]
pub fn document(dev: bool) -> utoipa::openapi::OpenApi {
    let routes = OpenApiRouter::with_openapi(ApiDocument::openapi())
        .merge(crate::areas::<ApiState>(dev.then_some(None)));
    let mut document = routes.into_openapi();
    if dev {
        let tag = utoipa::openapi::Tag::builder().name("Development");
        let tag = tag.description(Some("Sign-in without an identity provider, with `--dev` only.")).build();
        document.tags.get_or_insert_default().push(tag);
    }
    for (path, item) in &mut document.paths.paths {
        for operation in operations(item) {
            let handler = operation.operation_id.take().unwrap_or_default();
            operation.operation_id = Some(operation_id(&handler, path));
        }
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}

/// Returns the id of an operation, unique in the document: the name of its handler, and for a plain verb such as
/// `list` the resources in its path.
fn operation_id(handler: &str, path: &str) -> String {
    if handler.contains('_') {
        return handler.to_owned();
    }
    let segments = path.trim_start_matches("/api/v1").split('/');
    let resources = segments.filter(|segment| !segment.is_empty() && !segment.starts_with('{'));
    let resources: Vec<String> = resources.map(|segment| segment.replace(['-', '.'], "_")).collect();
    // Every path of a workspace begins with its organization.
    let first = usize::from(resources.len() > 1 && resources[0] == "organizations");
    let last = resources.len() - usize::from(resources.last().is_some_and(|last| last == handler));
    once(handler.to_owned())
        .chain(resources[first..last.max(first)].iter().cloned())
        .collect::<Vec<_>>()
        .join("_")
}

/// Multi-tenant Kubernetes: organizations, workspaces, projects, groups and roles.
///
/// Errors are `application/problem+json` (RFC 9457); their `code` is stable. Representations carry a `version` and an
/// `ETag`; `If-Match` makes a change conditional on it. A `POST` with an `Idempotency-Key` can be repeated safely for
/// 24 hours. Lists are paginated with `limit` and `cursor`. Times are RFC 3339 in UTC, resource amounts are Kubernetes
/// quantities, money is in minor units of the currency.
#[derive(OpenApi)]
#[openapi(
    info(title = "Hexabase", license(name = "Apache-2.0", identifier = "Apache-2.0")),
    modifiers(&SecuritySchemes),
    components(schemas(Problem)),
    security(("bearer" = []), ("session" = [], "csrf" = [])),
    tags(
        (name = "Organizations", description = "Organizations, their members, invitations, service accounts and audit log."),
        (name = "Workspaces", description = "Tenant clusters."),
        (name = "Projects", description = "Projects of workspaces: namespaces with a quota."),
        (name = "Groups", description = "Groups of workspaces and their members. Groups reach the cluster as claims."),
        (name = "Roles", description = "Roles and their assignments to groups: permissions in the cluster."),
        (name = "Sign-in", description = "Sign-in, sessions and API tokens."),
        (name = "Billing", description = "Plans, subscriptions, payment methods, invoices and usage."),
        (name = "OIDC", description = "OpenID Connect provider of the tenant clusters."),
        (name = "Operators", description = "Host clusters, plans, all organizations, the task queue and signing keys, for platform administrators."),
        (name = "System", description = "Health, readiness, metrics and documentation of the server."),
    )
)]
struct ApiDocument;

struct SecuritySchemes;

impl utoipa::Modify for SecuritySchemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("Access token or API token."))
            .build();
        let cookie = ApiKeyValue::with_description(
            format!("__Host-{}", crate::cookies::SESSION_COOKIE),
            "Session of a browser. Without HTTPS the name has no prefix.".to_owned(),
        );
        let csrf = ApiKeyValue::with_description(
            "X-CSRF-Token",
            "Value of the cookie hexabase_csrf; required with the session cookie for every method that is not safe.",
        );
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        components.add_security_scheme("csrf", SecurityScheme::ApiKey(ApiKey::Header(csrf)));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    /// Names of all schemas that a part of the document refers to.
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                let name = fields.get("$ref").and_then(Value::as_str);
                found.extend(
                    name.and_then(|name| name.strip_prefix("#/components/schemas/")).map(str::to_owned),
                );
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_schema_reference_resolves() {
        let document = serde_json::to_value(document(true)).unwrap();
        let mut referenced = BTreeSet::new();
        references(&document, &mut referenced);
        assert!(referenced.contains("Problem"));
        let missing: Vec<_> =
            referenced.iter().filter(|name| document["components"]["schemas"].get(name).is_none()).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn operation_ids_are_unique_and_tags_are_described() {
        let mut document = document(true);
        let tags: BTreeSet<String> = document.tags.iter().flatten().map(|tag| tag.name.clone()).collect();
        let mut ids = BTreeSet::new();
        for item in document.paths.paths.values_mut() {
            for operation in operations(item) {
                let id = operation.operation_id.clone().unwrap();
                assert!(ids.insert(id.clone()), "{id} occurs twice");
                for tag in operation.tags.iter().flatten() {
                    assert!(tags.contains(tag), "{tag} is not described");
                }
            }
        }
    }

    #[test]
    fn a_plain_verb_is_extended_by_the_resources_of_its_path() {
        let members = "/api/v1/organizations/{org}/workspaces/{ws}/groups/{grp}/members";
        for (handler, path, id) in [
            ("list", "/api/v1/organizations", "list_organizations"),
            ("list", members, "list_workspaces_groups_members"),
            ("suspend", "/api/v1/organizations/{org}/workspaces/{ws}/suspend", "suspend_workspaces"),
            ("sign_in_form", "/auth/dev/authorize", "sign_in_form"),
        ] {
            assert_eq!(operation_id(handler, path), id);
        }
    }
}
