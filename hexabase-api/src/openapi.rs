//! OpenAPI document of the API.

use std::iter::once;

use hexabase_core::billing::WebhookEndpoint;
use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, RefOr};
use utoipa_axum::router::OpenApiRouter;

use crate::problem::Problem;
use crate::schema;
use crate::state::ApiState;
use crate::{
    access, admin, alerts, billing, logs, metrics, oidc, organizations, projects, sign_in, system, webhooks,
    workspaces,
};

/// Returns the OpenAPI document of the API: the documents of all areas. It is titled with the name of a product, has the
/// development provider or not, and the webhooks of a payment provider with an endpoint for them.
#[must_use]
pub fn document(product: &str, dev: bool, webhooks: Option<WebhookEndpoint>) -> OpenApi {
    let areas = [
        organizations::openapi(),
        workspaces::openapi(),
        logs::openapi(),
        projects::openapi(),
        alerts::openapi(),
        metrics::openapi(),
        access::openapi(),
        sign_in::openapi(),
        billing::openapi(),
        webhooks::openapi(webhooks),
        oidc::openapi(),
        admin::openapi(),
        system::openapi(),
    ];
    let development = dev.then(sign_in::development_openapi);
    let mut document = areas.into_iter().chain(development).fold(ApiDocument::openapi(), OpenApi::merge_from);
    product.clone_into(&mut document.info.title);
    document
}

/// Returns the complete OpenAPI document of an area, which can be served by itself.
pub(crate) fn area(routes: OpenApiRouter<ApiState>) -> OpenApi {
    let mut document = ApiDocument::openapi().merge_from(routes.into_openapi());
    for (path, item) in &mut document.paths.paths {
        for operation in operations(item) {
            let handler = operation.operation_id.take().unwrap_or_default();
            operation.operation_id = Some(operation_id(&handler, path));
            describe_responses(operation);
        }
    }
    document
}

/// Describes the responses that have only a status and a body. OpenAPI requires a description.
fn describe_responses(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            let description = match status.as_str() {
                "200" => "The request succeeded.",
                "201" => "The resource is created.",
                "202" => "The operation is accepted and continues in the background.",
                "503" => "A backend that requests need is unavailable.",
                _ => "The request is rejected.",
            };
            description.clone_into(&mut response.description);
        }
    }
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
///
/// Later versions add fields to responses, and values to fields with a fixed set of values. Clients must ignore fields,
/// and tolerate values, that they do not know.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(license(name = "Apache-2.0", identifier = "Apache-2.0")),
    modifiers(&SecuritySchemes),
    components(schemas(Problem, schema::OrganizationId, schema::WorkspaceId)),
    security(("bearer" = []), ("session" = [], "csrf" = [])),
)]
struct ApiDocument;

struct SecuritySchemes;

impl utoipa::Modify for SecuritySchemes {
    fn modify(&self, document: &mut OpenApi) {
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

    use hexabase_core::billing::MemoryBilling;

    use super::*;
    use crate::state::PRODUCT;

    /// Document with the webhooks of the reference server.
    fn document(dev: bool) -> OpenApi {
        super::document(PRODUCT, dev, Some(MemoryBilling::WEBHOOKS))
    }

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
    fn the_committed_document_is_current() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        let committed = std::fs::read_to_string(file).unwrap_or_default();
        let current = document(false).to_pretty_json().unwrap() + "\n";
        let line = committed.lines().zip(current.lines()).position(|(old, new)| old != new);
        assert!(
            committed == current,
            "hexabase-api/openapi.json differs from line {} on; regenerate it with `cargo run -p hexabase-server -- \
             openapi >hexabase-api/openapi.json` and review the difference",
            line.unwrap_or_else(|| committed.lines().count()) + 1,
        );
    }

    /// Documents of the areas by name, with the development provider.
    fn areas() -> [(&'static str, OpenApi); 14] {
        [
            ("organizations", organizations::openapi()),
            ("workspaces", workspaces::openapi()),
            ("logs", logs::openapi()),
            ("projects", projects::openapi()),
            ("access", access::openapi()),
            ("sign_in", sign_in::openapi()),
            ("development", sign_in::development_openapi()),
            ("billing", billing::openapi()),
            ("webhooks", webhooks::openapi(Some(MemoryBilling::WEBHOOKS))),
            ("oidc", oidc::openapi()),
            ("alerts", alerts::openapi()),
            ("metrics", metrics::openapi()),
            ("admin", admin::openapi()),
            ("system", system::openapi()),
        ]
    }

    #[test]
    fn every_schema_reference_resolves_within_the_document_of_the_area() {
        for (area, document) in areas().into_iter().chain([("all", document(true))]) {
            let document = serde_json::to_value(document).unwrap();
            let mut referenced = BTreeSet::new();
            references(&document, &mut referenced);
            let missing: Vec<_> = referenced
                .iter()
                .filter(|name| document["components"]["schemas"].get(name).is_none())
                .collect();
            assert!(missing.is_empty(), "{area}: {missing:?}");
        }
    }

    #[test]
    fn the_document_is_the_sum_of_the_documents_of_the_areas() {
        let whole = serde_json::to_value(document(true)).unwrap();
        let mut paths = serde_json::Map::new();
        for (area, document) in areas() {
            let document = serde_json::to_value(document).unwrap();
            for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
                assert_eq!(schema, &whole["components"]["schemas"][name], "{area}: two schemas {name}");
            }
            for (path, item) in document["paths"].as_object().unwrap() {
                let known = paths.insert(path.clone(), item.clone());
                assert!(known.is_none(), "{area}: {path} is also in another area");
            }
        }
        assert_eq!(whole["paths"], Value::Object(paths));
    }

    /// Schemas in the responses of the API, with all those that they refer to.
    fn response_schemas(document: &Value) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for item in document["paths"].as_object().unwrap().values() {
            for operation in item.as_object().unwrap().values() {
                references(&operation["responses"], &mut found);
            }
        }
        loop {
            let before = found.len();
            for name in found.clone() {
                references(&document["components"]["schemas"][&name], &mut found);
            }
            if found.len() == before {
                return found;
            }
        }
    }

    /// Paths of the members that may be absent in an object.
    fn optional_members(path: &str, schema: &Value, found: &mut BTreeSet<String>) {
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            if !required.iter().any(|required| required == name) {
                found.insert(format!("{path}.{name}"));
            }
            optional_members(&format!("{path}.{name}"), member, found);
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            optional_members(path, part, found);
        }
    }

    #[test]
    fn a_member_of_a_response_is_present_unless_it_is_known_to_be_absent_at_times() {
        let document = serde_json::to_value(document(true)).unwrap();
        let schemas = response_schemas(&document);
        // Abilities of the requested scope, messages of OAuth 2.0, amounts of the resources that are limited or used, and the form of the plan file.
        let foreign = [
            "Abilities",
            "Introspection",
            "JsonWebKey",
            "OAuthTokenResponse",
            "PlanDefinition",
            "PriceDefinition",
            "ResourceAmounts",
            "UnitPriceDefinition",
            "UserInfo",
        ];
        let mut found = BTreeSet::new();
        for name in schemas.iter().filter(|name| !foreign.contains(&name.as_str())) {
            optional_members(name, &document["components"]["schemas"][name], &mut found);
        }
        let known = [
            "Ability.message",
            "Ability.reason",
            "InvoiceLine.workspaces",
            "MetricLabels.container",
            "MetricLabels.pod",
            "MetricLabels.project",
            "OrganizationSubscription.preview",
            "Price.usage",
            "Problem.errors",
            "Rule.resource_names",
            "SetupIntent.client_secret",
            "TokenWithSecret.secret",
        ];
        assert_eq!(
            found,
            known.map(str::to_owned).into(),
            "annotate nullable members with #[schema(required)]"
        );
    }

    /// Paths of the texts whose descriptions list values, as in "`a`, `b` or `c`".
    fn listed_values(path: &str, value: &Value, found: &mut BTreeSet<String>) {
        let description = value["description"].as_str().unwrap_or_default();
        let is_text = value["type"] == "string" || value["type"] == serde_json::json!(["string", "null"]);
        let is_parameter = value["schema"]["type"] == "string" && value["schema"]["enum"].is_null();
        if (is_text && value["enum"].is_null() || is_parameter)
            && (description.contains("` or `") || description.contains("`, `"))
        {
            found.insert(path.to_owned());
        }
        match value {
            Value::Object(members) => members
                .iter()
                .filter(|(name, _)| *name != "enum" && *name != "example")
                .for_each(|(name, member)| listed_values(&format!("{path}.{name}"), member, found)),
            Value::Array(items) => items.iter().for_each(|item| listed_values(path, item, found)),
            _ => {}
        }
    }

    #[test]
    fn a_text_with_a_fixed_set_of_values_is_an_enum() {
        let document = serde_json::to_value(document(true)).unwrap();
        let mut found = BTreeSet::new();
        listed_values("", &document, &mut found);
        // A list of values that are separated by spaces, and the characters of names.
        let known =
            ["AuthorizationForm.properties.prompt", "GroupPatch.properties.name", "NewGroup.properties.name"];
        assert_eq!(found, known.map(|path| format!(".components.schemas.{path}")).into());
    }

    #[test]
    fn the_document_has_the_webhooks_of_the_payment_provider() {
        let webhooks = |endpoint| {
            let document = super::document(PRODUCT, true, endpoint);
            let is_payment =
                |path: &String| path.starts_with("/webhooks/") && path != "/webhooks/alertmanager";
            let paths = document.paths.paths.into_iter().filter(|(path, _)| is_payment(path));
            paths.map(|(path, item)| (path, item.post.unwrap().operation_id.unwrap())).collect::<Vec<_>>()
        };
        let operation = |path: &str| vec![(path.to_owned(), "receive_billing_webhook".to_owned())];
        assert_eq!(webhooks(Some(MemoryBilling::WEBHOOKS)), operation("/webhooks/stripe"));
        let other = WebhookEndpoint::from_static("/webhooks/payments", "payments-signature");
        assert_eq!(webhooks(Some(other)), operation("/webhooks/payments"));
        assert_eq!(webhooks(None), []);
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
