//! Who manages which fields.

use serde_json::{Value, json};

use super::fields::{FieldSet, Path, Step, fields_of, fields_v1, get, merge, remove};
use super::reply::{Outcome, Refusal};

/// Who manages some fields, and since which kind of request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manager {
    pub(super) name: String,
    /// Whether by server-side apply; otherwise by create, replace or another patch.
    pub(super) applied: bool,
    pub(super) subresource: String,
    pub(super) fields: FieldSet,
    pub(super) time: String,
}

/// Fields that the API server writes, and nobody manages.
fn is_the_servers(path: &Path) -> bool {
    let Some(Step::Field(first)) = path.first() else { return false };
    match (first.as_str(), path.get(1)) {
        ("apiVersion" | "kind", _) => true,
        ("metadata", Some(Step::Field(name))) => matches!(
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
    fields_of(value).into_iter().filter(|path| !is_the_servers(path)).collect()
}

/// What comes of applying a configuration: the object, and who manages it then.
///
/// The rules are those of server-side apply
/// (<https://kubernetes.io/docs/reference/using-api/server-side-apply/>): a field that others manage and that
/// would change is a conflict unless forced; what this manager applied before and does not any more is
/// removed, unless others manage it, too.
pub(super) fn apply(
    live: &Value,
    managers: &[Manager],
    applied: &Value,
    manager: &str,
    force: bool,
    time: &str,
) -> Outcome<(Value, Vec<Manager>)> {
    let wanted = managed_fields(applied);
    let mut managers = managers.to_vec();
    let is_mine = |other: &Manager| other.applied && other.name == manager && other.subresource.is_empty();
    let differs = |path: &Path| get(live, path) != get(applied, path);

    let mut conflicts = Vec::new();
    for other in managers.iter_mut().filter(|other| !is_mine(other)) {
        let disputed: FieldSet =
            other.fields.intersection(&wanted).filter(|path| differs(path)).cloned().collect();
        if disputed.is_empty() {
            continue;
        }
        conflicts
            .extend(disputed.iter().map(|path| format!("conflict with \"{}\": {}", other.name, show(path))));
        other.fields.retain(|path| !disputed.contains(path));
    }
    if !force && !conflicts.is_empty() {
        let count = conflicts.len();
        let noun = if count == 1 { "conflict" } else { "conflicts" };
        let message = format!("Apply failed with {count} {noun}: {}", conflicts.join(", "));
        return Err(Refusal::conflict(message));
    }

    let mut merged = live.clone();
    merge(&mut merged, applied);
    let before =
        managers.iter().find(|other| is_mine(other)).map(|own| own.fields.clone()).unwrap_or_default();
    let elsewhere = |path: &Path| {
        managers.iter().filter(|other| !is_mine(other)).any(|other| other.fields.contains(path))
    };
    // An entry that nobody manages goes whole, before what is in it: without its key it would not be found.
    for path in before.difference(&wanted).filter(|path| !elsewhere(path)) {
        remove(&mut merged, path);
    }

    managers.retain(|other| !is_mine(other) && !other.fields.is_empty());
    let own = Manager {
        name: manager.to_owned(),
        applied: true,
        subresource: String::new(),
        fields: wanted,
        time: time.to_owned(),
    };
    managers.push(own);
    Ok((merged, managers))
}

/// Who manages an object after somebody wrote it otherwise than by applying: what changed is theirs now.
pub(super) fn written(
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

/// Managers the way an object shows them.
pub(super) fn shown(managers: &[Manager], api_version: &str) -> Value {
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

fn show(path: &Path) -> String {
    let step = |step: &Step| match step {
        Step::Field(name) => format!(".{name}"),
        Step::Key(key) => format!("[{key}]"),
        Step::Value(value) => format!("[{value}]"),
    };
    path.iter().map(step).collect()
}
