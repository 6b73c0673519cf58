//! Field managers and ownership of fields.

use serde_json::{Value, json};

use super::fields::{FieldSet, Path, PathElement, fields_of, fields_v1, get, merge, parse_fields_v1, remove};
use super::response::{StatusError, StatusResult};

/// Field manager with the fields that it owns by one kind of request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manager {
    pub(super) name: String,
    /// `true` if it owns them by server-side apply, `false` by create, replace or another patch.
    pub(super) applied: bool,
    pub(super) subresource: String,
    pub(super) fields: FieldSet,
    pub(super) time: String,
}

/// `true` for fields that the API server writes and that have no manager.
fn is_server_owned(path: &Path) -> bool {
    let Some(PathElement::Field(first)) = path.first() else { return false };
    match (first.as_str(), path.get(1)) {
        ("apiVersion" | "kind", _) => true,
        ("metadata", Some(PathElement::Field(name))) => matches!(
            name.as_str(),
            "name"
                | "namespace"
                | "uid"
                | "resourceVersion"
                | "generation"
                | "creationTimestamp"
                | "managedFields"
                | "deletionTimestamp"
                | "deletionGracePeriodSeconds"
                | "generateName"
                | "selfLink"
        ),
        _ => false,
    }
}

fn managed_fields(value: &Value) -> FieldSet {
    fields_of(value).into_iter().filter(|path| !is_server_owned(path)).collect()
}

/// Applies a configuration. Returns the object and its managers afterwards.
///
/// The rules are those of server-side apply (<https://kubernetes.io/docs/reference/using-api/server-side-apply/>): a
/// changed field of another manager is a conflict unless forced; a field that this manager applied before and no
/// longer does is removed, unless another manager owns it, too.
pub(super) fn apply(
    live: &Value,
    managers: &[Manager],
    applied: &Value,
    manager: &str,
    force: bool,
    time: &str,
) -> StatusResult<(Value, Vec<Manager>)> {
    let applied_fields = managed_fields(applied);
    let mut managers = managers.to_vec();
    let is_mine = |other: &Manager| other.applied && other.name == manager && other.subresource.is_empty();
    let differs = |path: &Path| get(live, path) != get(applied, path);

    let mut conflicts = Vec::new();
    for other in managers.iter_mut().filter(|other| !is_mine(other)) {
        let conflicting: FieldSet =
            other.fields.intersection(&applied_fields).filter(|path| differs(path)).cloned().collect();
        if conflicting.is_empty() {
            continue;
        }
        conflicts.extend(
            conflicting
                .iter()
                .map(|path| format!("conflict with \"{}\": {}", other.name, display_path(path))),
        );
        other.fields.retain(|path| !conflicting.contains(path));
    }
    if !force && !conflicts.is_empty() {
        let count = conflicts.len();
        let noun = if count == 1 { "conflict" } else { "conflicts" };
        let message = format!("Apply failed with {count} {noun}: {}", conflicts.join(", "));
        return Err(StatusError::conflict(message));
    }

    let mut merged = live.clone();
    merge(&mut merged, applied);
    let before =
        managers.iter().find(|other| is_mine(other)).map(|own| own.fields.clone()).unwrap_or_default();
    let has_other_manager = |path: &Path| {
        managers.iter().filter(|other| !is_mine(other)).any(|other| other.fields.contains(path))
    };
    // An entry without managers is removed whole, before its fields: without its key it could no longer be found.
    for path in before.difference(&applied_fields).filter(|path| !has_other_manager(path)) {
        remove(&mut merged, path);
    }

    managers.retain(|other| !is_mine(other) && !other.fields.is_empty());
    let own = Manager {
        name: manager.to_owned(),
        applied: true,
        subresource: String::new(),
        fields: applied_fields,
        time: time.to_owned(),
    };
    managers.push(own);
    Ok((merged, managers))
}

/// Managers of an object after a write other than apply: the writer owns the changed fields.
pub(super) fn record_update(
    before: Option<&Value>,
    after: &Value,
    managers: &[Manager],
    manager: &str,
    subresource: &str,
    time: &str,
) -> Vec<Manager> {
    let now = managed_fields(after);
    let changed: FieldSet = match before {
        None => now.clone(),
        Some(before) => now.iter().filter(|path| get(before, path) != get(after, path)).cloned().collect(),
    };
    let mut managers = managers.to_vec();
    for other in &mut managers {
        let is_same = other.name == manager && !other.applied && other.subresource == subresource;
        other.fields.retain(|path| now.contains(path) && (is_same || !changed.contains(path)));
        if is_same && !changed.is_empty() {
            other.fields.extend(changed.iter().cloned());
            time.clone_into(&mut other.time);
        }
    }
    let known = managers
        .iter()
        .any(|other| other.name == manager && !other.applied && other.subresource == subresource);
    if !known && !changed.is_empty() {
        managers.push(Manager {
            name: manager.to_owned(),
            applied: false,
            subresource: subresource.to_owned(),
            fields: changed,
            time: time.to_owned(),
        });
    }
    managers.retain(|other| !other.fields.is_empty());
    managers
}

/// Managers in the format of `managedFields`.
pub(super) fn managed_fields_value(managers: &[Manager], api_version: &str) -> Value {
    let entry = |manager: &Manager| {
        let mut entry = json!({
            "manager": manager.name,
            "operation": if manager.applied { "Apply" } else { "Update" },
            "apiVersion": api_version,
            "time": manager.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": fields_v1(&manager.fields),
        });
        if !manager.subresource.is_empty() {
            entry["subresource"] = json!(manager.subresource);
        }
        entry
    };
    managers.iter().map(entry).collect()
}

/// Managers from the format of `managedFields`.
pub(super) fn parse_managed_fields(value: &Value) -> Vec<Manager> {
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    let manager = |entry: &Value| Manager {
        name: text(entry, "manager"),
        applied: entry["operation"] == "Apply",
        subresource: text(entry, "subresource"),
        fields: parse_fields_v1(&entry["fieldsV1"]),
        time: text(entry, "time"),
    };
    value.as_array().into_iter().flatten().map(manager).collect()
}

fn display_path(path: &Path) -> String {
    let element = |element: &PathElement| match element {
        PathElement::Field(name) => format!(".{name}"),
        PathElement::Key(key) => format!("[{key}]"),
        PathElement::Value(value) => format!("[{value}]"),
    };
    path.iter().map(element).collect()
}
