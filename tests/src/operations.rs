//! Operations of the API, read from the router and from the OpenAPI document.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use axum::http::Method;
use hexabase_api::{ApiState, document, router};
use hexabase_auth::{Auth, AuthConfig, DevProvider};
use hexabase_core::Platform;
use hexabase_core::access::Action;
use hexabase_core::billing::MemoryBilling;
use serde_json::Value;

/// Operation of the API: a method of a path.
#[derive(Debug, Clone)]
pub struct Operation {
    /// HTTP method.
    pub method: Method,
    /// Path template with the parameters in braces.
    pub path: String,
    /// Action in the permission table; `None` for an operation outside an organization.
    pub action: Option<Action>,
    /// `true` if the operation needs no credentials.
    pub public: bool,
    /// `true` if the operation takes a body.
    pub has_body: bool,
}

impl Operation {
    /// Query without which the operation is rejected; empty for most.
    #[must_use]
    pub fn query(&self) -> &'static str {
        match (self.method.as_str(), self.path.as_str()) {
            ("DELETE", "/api/v1/organizations/{org}") => "?cascade=true",
            ("GET", "/api/v1/organizations/{org}/search") => "?q=a",
            _ => "",
        }
    }

    /// Names of the path parameters that are ids, in order.
    #[must_use]
    pub fn parameters(&self) -> Vec<&'static str> {
        const NAMES: &[&str] = &[
            "org", "user", "inv", "id", "ws", "prj", "grp", "rol", "asg", "tsk", "tok", "provider", "file",
            "pm",
        ];
        let parts = self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let ids = parts.filter(|part| !matches!(*part, "metric" | "inventory"));
        ids.map(|part| *NAMES.iter().find(|name| **name == part).unwrap()).collect()
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.method, self.path)
    }
}

fn description() -> Value {
    serde_json::to_value(document("Hexabase", true, Some(MemoryBilling::WEBHOOKS))).unwrap()
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
                let action = Action::ALL.iter().find(|action| action.permission().name == name);
                *action.unwrap_or_else(|| panic!("{method} {path}: unknown action {name}"))
            });
            let public = described["security"]
                .as_array()
                .is_some_and(|schemes| schemes.iter().any(|scheme| *scheme == serde_json::json!({})));
            let in_organization = path.starts_with("/api/v1/organizations/");
            assert_eq!(
                action.is_some(),
                in_organization,
                "{method} {path}: only operations in an organization have an action"
            );
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

/// Paths of the OpenAPI document.
#[must_use]
pub fn described_paths() -> BTreeSet<String> {
    description()["paths"].as_object().unwrap().keys().cloned().collect()
}

/// Methods of each path of the OpenAPI document, in alphabetical order.
#[must_use]
pub fn methods_by_path() -> BTreeMap<String, Vec<String>> {
    let mut by_path: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for operation in operations() {
        by_path.entry(operation.path).or_default().push(operation.method.to_string());
    }
    by_path.values_mut().for_each(|methods| methods.sort_unstable());
    by_path
}

/// Paths that are mounted in the router. They are parsed from its debug output, because axum has no function to list
/// them.
#[must_use]
pub fn mounted_paths() -> BTreeSet<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mounted = runtime.block_on(async {
        let plans = hexabase_billing::plans::built_in();
        let platform = Platform::builder("https://hexabase.example").with_plans(plans).build().unwrap();
        let auth = Auth::new(platform.clone(), Vec::new(), AuthConfig::default()).await.unwrap();
        let dev = std::sync::Arc::new(DevProvider::new(platform.clone()).unwrap());
        let state = ApiState::builder(platform, auth).with_development_provider(dev).build();
        format!("{:?}", router(state))
    });
    let quoted = mounted.split('"').filter(|text| text.starts_with('/') && !text.contains(' '));
    // The fallback adds two paths to this output: the root, and a private one that no client can request.
    quoted.filter(|path| *path != "/" && !path.contains("__private")).map(str::to_owned).collect()
}
