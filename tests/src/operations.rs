//! What the API offers, read from the router and from its own description.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use axum::http::Method;
use hexabase_auth::{Auth, AuthConfig, DevProvider};
use hexabase_core::Platform;
use hexabase_core::access::Action;
use hexabase_server::{App, AppParts, document, router};
use serde_json::Value;

/// One method of one path.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The method.
    pub method: Method,
    /// With its parameters in braces.
    pub path: String,
    /// What the table of rights calls it, for what happens in an organization.
    pub action: Option<Action>,
    /// Whether anybody may call it.
    pub public: bool,
    /// Whether it takes a body.
    pub has_body: bool,
}

impl Operation {
    /// The names of the path's parameters, in their order.
    #[must_use]
    pub fn parameters(&self) -> Vec<&'static str> {
        const NAMES: &[&str] = &[
            "org", "user", "inv", "id", "ws", "prj", "grp", "rol", "asg", "tsk", "tok", "provider", "file",
            "pm",
        ];
        let parts = self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        parts.map(|part| *NAMES.iter().find(|name| **name == part).unwrap()).collect()
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.method, self.path)
    }
}

fn description() -> Value {
    serde_json::to_value(document(true)).unwrap()
}

/// All operations of the API.
#[must_use]
pub fn operations() -> Vec<Operation> {
    let document = description();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, described) in item.as_object().unwrap() {
            let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes()) else { continue };
            let action = described["x-hexabase-action"].as_str().map(|name| {
                let known = Action::ALL.iter().find(|action| action.permission().name == name);
                *known.unwrap_or_else(|| panic!("{method} {path}: there is no action {name}"))
            });
            let public = described["security"]
                .as_array()
                .is_some_and(|ways| ways.iter().any(|way| *way == serde_json::json!({})));
            let in_organization = path.starts_with("/api/v1/organizations/");
            assert_eq!(action.is_some(), in_organization, "{method} {path} has no action, or needs none");
            found.push(Operation {
                method,
                path: path.clone(),
                action,
                public,
                has_body: !described["requestBody"].is_null(),
            });
        }
    }
    assert!(found.len() > 80, "only {} operations are described", found.len());
    found
}

/// The paths of the document.
#[must_use]
pub fn described_paths() -> BTreeSet<String> {
    description()["paths"].as_object().unwrap().keys().cloned().collect()
}

/// The methods of each path of the document, in the order of the alphabet.
#[must_use]
pub fn methods_by_path() -> BTreeMap<String, Vec<String>> {
    let mut by_path: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for operation in operations() {
        by_path.entry(operation.path).or_default().push(operation.method.to_string());
    }
    by_path.values_mut().for_each(|methods| methods.sort_unstable());
    by_path
}

/// The paths that are mounted in the router, as its own debug output lists them: axum offers no other way to ask.
#[must_use]
pub fn mounted_paths() -> BTreeSet<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mounted = runtime.block_on(async {
        let plans = hexabase_billing::plans::built_in();
        let platform = Platform::builder("https://hexabase.example").with_plans(plans).build().unwrap();
        let auth = Auth::new(platform.clone(), Vec::new(), AuthConfig::default()).await.unwrap();
        let dev = Some(std::sync::Arc::new(DevProvider::new(platform.clone()).unwrap()));
        format!("{:?}", router(App::assemble(AppParts { dev, ..AppParts::new(platform, auth) })))
    });
    let quoted = mounted.split('"').filter(|text| text.starts_with('/') && !text.contains(' '));
    // The fallback has places of its own there: the root, and one that no client can ask for.
    quoted.filter(|path| *path != "/" && !path.contains("__private")).map(str::to_owned).collect()
}
