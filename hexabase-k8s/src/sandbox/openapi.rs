//! OpenAPI documents of the API groups, from which `kubectl` learns that the API server validates fields, and which
//! fields a kind has.

use serde_json::{Map, Value, json};

use super::kinds::KindInfo;
use super::protobuf::openapi_schemas;
use super::response::{StatusError, StatusResult};
use super::state::State;

impl State {
    /// Returns the index of the documents, or the document of a group and version, by the segments of the path after
    /// `/openapi/v3`.
    pub(super) fn openapi(&self, path: &[String]) -> StatusResult<Value> {
        let segments: Vec<&str> = path.iter().map(String::as_str).collect();
        match segments.as_slice() {
            [] => Ok(self.openapi_index()),
            ["api", version] => self.openapi_document("", version),
            ["apis", group, version] => self.openapi_document(group, version),
            _ => Err(StatusError::no_such_path()),
        }
    }

    fn openapi_index(&self) -> Value {
        let mut paths = Map::new();
        for kind in self.kinds.iter() {
            let path = api_path(kind);
            let url = format!("/openapi/v3/{path}");
            paths.entry(path).or_insert_with(|| json!({ "serverRelativeURL": url }));
        }
        json!({ "paths": paths })
    }

    fn openapi_document(&self, group: &str, version: &str) -> StatusResult<Value> {
        let (mut paths, mut schemas) = (Map::new(), Map::new());
        for kind in self.kinds.iter().filter(|kind| kind.group == group && kind.version == version) {
            let group_version_kind = json!({ "group": group, "version": version, "kind": kind.kind });
            let parameter =
                |name: &str| json!({ "name": name, "in": "query", "schema": { "type": "string" } });
            let object_path = match kind.namespaced {
                true => format!("/{}/namespaces/{{namespace}}/{}/{{name}}", api_path(kind), kind.plural),
                false => format!("/{}/{}/{{name}}", api_path(kind), kind.plural),
            };
            let operation = |action: &str, parameters: Value| {
                json!({
                    "x-kubernetes-action": action,
                    "x-kubernetes-group-version-kind": group_version_kind,
                    "parameters": parameters,
                    "responses": { "200": { "description": "OK" } },
                })
            };
            let patch_parameters = ["dryRun", "fieldManager", "fieldValidation", "force"].map(parameter);
            paths.insert(
                object_path,
                json!({ "get": operation("get", json!([])), "patch": operation("patch", json!(patch_parameters)) }),
            );
            let mut found = openapi_schemas(&kind.api_version(), &kind.kind);
            if found.is_empty() {
                found.push((format!("{group}.{}", kind.kind), json!({ "type": "object" })));
            }
            let (name, mut object) = found.swap_remove(0);
            object["properties"]["apiVersion"] = json!({ "type": "string" });
            object["properties"]["kind"] = json!({ "type": "string" });
            object["x-kubernetes-group-version-kind"] = json!([group_version_kind]);
            schemas.insert(name, object);
            for (name, schema) in found {
                schemas.entry(name).or_insert(schema);
            }
        }
        if paths.is_empty() {
            return Err(StatusError::no_such_path());
        }
        Ok(json!({
            "openapi": "3.0.0",
            "info": { "title": "Kubernetes (sandbox)", "version": "v1.36.0" },
            "paths": paths,
            "components": { "schemas": schemas },
        }))
    }
}

/// Path of a group and version: `api/v1`, `apis/apps/v1`.
fn api_path(kind: &KindInfo) -> String {
    if kind.group.is_empty() {
        format!("api/{}", kind.version)
    } else {
        format!("apis/{}/{}", kind.group, kind.version)
    }
}
