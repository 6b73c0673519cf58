use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::arguments::Target;
use super::super::references::{find, placeholders};
use super::super::{Group, Operation, Output, Wait};
use super::{BILLING, GROUPS};
use crate::command::client::output::Column;

/// Operations of the API below organizations that have no command of a declaration, each with the reason.
const OTHERS: &[(&str, &str)] = &[
    ("GET /organizations/{}/abilities", "for the console"),
    ("GET /organizations/{}/inventories", "command apply"),
    ("PATCH /organizations/{}/inventories/{}", "command apply"),
    ("GET /organizations/{}/events", "for the console; --wait polls tasks"),
    ("GET /organizations/{}/workspaces/{}/kubeconfig", "commands kubeconfig and workspaces connect"),
    ("GET /organizations/{}/workspaces/{}/logs", "command logs"),
    ("POST /organizations/{}/workspaces/{}/access-reviews", "command why"),
    ("GET /organizations/{}/workspaces/{}/metrics/federate", "for Prometheus"),
    ("GET /organizations/{}/workspaces/{}/usage/stream", "for the console"),
    ("POST /organizations/{}/billing/setup-intent", "needs Stripe.js in a browser"),
    ("POST /organizations/{}/billing/payment-methods", "needs Stripe.js in a browser"),
];

fn operations() -> impl Iterator<Item = (&'static Group, &'static Operation)> {
    GROUPS
        .iter()
        .chain([&BILLING])
        .flat_map(|group| group.operations.iter().map(move |operation| (group, operation)))
}

/// OpenAPI document.
struct Document(Value);

impl Document {
    fn new() -> Self {
        let text = hexabase_api::document(&hexabase_api::ApiConfig::default().product, true, None)
            .to_json()
            .unwrap();
        Self(serde_json::from_str(&text).unwrap())
    }

    /// Returns the operations by method and path, with `{}` for each placeholder.
    fn operations(&self) -> BTreeMap<String, &Value> {
        let mut found = BTreeMap::new();
        for (path, methods) in self.0["paths"].as_object().unwrap() {
            let path = path.strip_prefix("/api/v1").unwrap_or(path);
            for (method, operation) in methods.as_object().unwrap() {
                found.insert(key(&method.to_ascii_uppercase(), path), operation);
            }
        }
        found
    }

    /// Returns the properties of a schema, with those of all alternatives and parts.
    fn properties(&self, schema: &Value) -> BTreeMap<String, Value> {
        let mut found = BTreeMap::new();
        if let Some(name) = schema["$ref"].as_str() {
            found.extend(self.properties(&self.0["components"]["schemas"][name.rsplit('/').next().unwrap()]));
        }
        for list in ["allOf", "oneOf", "anyOf"] {
            for part in schema[list].as_array().into_iter().flatten() {
                found.extend(self.properties(part));
            }
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            found.insert(name.clone(), property.clone());
        }
        if schema["additionalProperties"].is_object() {
            found.insert("*".to_owned(), schema["additionalProperties"].clone());
        }
        found
    }

    fn required(&self, schema: &Value) -> BTreeSet<String> {
        let schema = match schema["$ref"].as_str() {
            Some(name) => &self.0["components"]["schemas"][name.rsplit('/').next().unwrap()],
            None => schema,
        };
        schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    }
}

fn key(method: &str, path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
    format!("{method} {}", parts.collect::<Vec<_>>().join("/"))
}

fn paths(operation: &Operation) -> impl Iterator<Item = &'static str> {
    [Some(operation.path), operation.path_in_project].into_iter().flatten()
}

#[test]
fn every_command_is_an_operation_of_the_api() {
    let document = Document::new();
    let known = document.operations();
    for (group, operation) in operations() {
        for path in paths(operation) {
            let name = format!("{} {}", group.name, operation.name);
            let key = key((operation.method)().as_str(), path);
            let found = known.get(&key).unwrap_or_else(|| panic!("{name}: {key} is no operation"));
            let parameters: BTreeSet<&str> = found["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|parameter| parameter["in"] == "query")
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            let body = &found["requestBody"]["content"]["application/json"]["schema"];
            let properties = document.properties(body);
            let mut given = BTreeSet::new();
            for argument in operation.arguments {
                match argument.target {
                    Target::Query(parameter) => {
                        assert!(parameters.contains(parameter), "{name}: {parameter}")
                    }
                    Target::Field(field) => {
                        assert!(properties.contains_key(field), "{name}: {field} is no field");
                        if argument.is_required || argument.default_of.is_some() {
                            given.insert(field.to_owned());
                        }
                    }
                    Target::Body => given.extend(document.required(body)),
                }
            }
            let missing: Vec<_> = document.required(body).difference(&given).cloned().collect();
            assert!(missing.is_empty(), "{name} requires {missing:?}");
            for (parameter, _) in operation.query {
                assert!(parameters.contains(parameter), "{name}: {parameter}");
            }
            if let Output::Items { is_paged, .. } = operation.output {
                assert_eq!(is_paged, parameters.contains("limit"), "{name} is divided into pages");
            }
        }
    }
}

#[test]
fn every_column_is_a_field_of_the_response() {
    let document = Document::new();
    let known = document.operations();
    for (group, operation) in operations() {
        let (columns, is_list): (&[Column], bool) = match operation.output {
            Output::Items { columns, .. } => (columns, true),
            Output::Object(columns) => (columns, false),
            Output::Rows(..) | Output::Location | Output::Sentence(_) => continue,
        };
        let responses =
            known[&key((operation.method)().as_str(), operation.path)]["responses"].as_object().unwrap();
        // The status 200 of a creation is that of its dry run.
        let success = responses.iter().rfind(|(status, _)| status.starts_with('2')).unwrap().1;
        let mut schema = success["content"]["application/json"]["schema"].clone();
        if is_list {
            schema = document.properties(&schema)["items"]["items"].clone();
        }
        for column in columns {
            let mut schema = schema.clone();
            for name in column.path().split('.') {
                let properties = document.properties(&schema);
                let is_optional_role = name == "role" && group.name == "organizations";
                let Some(next) = properties.get(name).or_else(|| properties.get("*")) else {
                    assert!(is_optional_role, "{} {}: {}", group.name, operation.name, column.path());
                    break;
                };
                schema = next.clone();
            }
        }
    }
}

#[test]
fn every_operation_of_customers_has_a_command() {
    let covered: BTreeSet<String> = operations()
        .flat_map(|(_, operation)| paths(operation).map(|path| key((operation.method)().as_str(), path)))
        .collect();
    let document = Document::new();
    for operation in document.operations().into_keys() {
        let (_, path) = operation.split_once(' ').unwrap();
        let is_of_customers =
            ["/organizations", "/me/", "/plans", "/invitations/"].iter().any(|it| path.starts_with(it));
        let is_other = OTHERS.iter().any(|(other, _)| *other == operation);
        assert!(!is_of_customers || covered.contains(&operation) || is_other, "{operation} has no command");
        assert!(!(is_other && covered.contains(&operation)), "{operation} has a command");
    }
    assert!(OTHERS.iter().all(|(other, _)| document.operations().contains_key(*other)));
}

#[test]
fn declarations_are_consistent() {
    for (group, operation) in operations() {
        let name = format!("{} {}", group.name, operation.name);
        for path in paths(operation) {
            assert!(placeholders(path).all(|placeholder| find(placeholder).is_some()), "{name}: {path}");
            assert!(
                operation.subjects.iter().all(|subject| placeholders(path).any(|it| it == *subject)),
                "{name}"
            );
        }
        let prefix = format!("hexabase {name}");
        assert!(!operation.examples.is_empty(), "{name} has no example");
        for example in operation.examples {
            assert!(example.starts_with(&prefix), "{example}");
        }
        let command = operation.command();
        command.clone().debug_assert();
        let about = command.get_about().unwrap().to_string();
        assert_eq!(format!("{about}."), operation.about, "{name}");
        let help = operation.about.chars().next().unwrap();
        assert!(help.is_uppercase() && operation.about.ends_with('.'), "{name}: {}", operation.about);
        assert!(operation.wait == Wait::Never || !matches!(operation.output, Output::Items { .. }), "{name}");
        let names: BTreeSet<&str> = operation.arguments.iter().map(|argument| argument.name).collect();
        assert_eq!(names.len(), operation.arguments.len(), "{name}");
    }
}
