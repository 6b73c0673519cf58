//! Patches other than server-side apply.

use serde_json::{Map, Value};

use super::list_types::{ListType, list_type};
use super::reply::{Outcome, Refusal};

/// RFC 6902.
pub(super) fn json_patch(object: &mut Value, patch: &Value) -> Outcome<()> {
    let patch: json_patch::Patch =
        serde_json::from_value(patch.clone()).map_err(|error| Refusal::bad_request(error.to_string()))?;
    json_patch::patch(object, &patch).map_err(|error| Refusal::invalid("patch", "", &error.to_string()))
}

/// RFC 7396.
pub(super) fn merge_patch(object: &mut Value, patch: &Value) {
    json_patch::merge(object, patch);
}

/// Kubernetes' own: like a merge patch, but lists that have keys are merged entry by entry
/// (<https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/>).
pub(super) fn strategic_merge(object: &mut Value, patch: &Value) -> Outcome<()> {
    merge_objects(object, patch, "")
}

fn merge_objects(object: &mut Value, patch: &Value, field: &str) -> Outcome<()> {
    let Value::Object(patch) = patch else {
        *object = patch.clone();
        return Ok(());
    };
    if let Some(directive) = patch.get("$patch") {
        if directive != "replace" {
            return Err(unknown("$patch", directive));
        }
        let rest = patch.iter().filter(|(name, _)| *name != "$patch");
        *object = Value::Object(rest.map(|(name, value)| (name.clone(), value.clone())).collect());
        return Ok(());
    }
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    for (name, value) in patch {
        if name.starts_with("$setElementOrder/") {
            // Where entries stand among each other matters to nobody here.
            continue;
        }
        if name.starts_with('$') {
            return Err(unknown(name, value));
        }
        if value.is_null() {
            object.as_object_mut().and_then(|fields| fields.remove(name));
            continue;
        }
        let there = &mut object[name.as_str()];
        match (value, list_type(name, field)) {
            (Value::Array(items), ListType::Map(keys)) => merge_lists(there, items, keys[0], name)?,
            (Value::Array(items), ListType::Set) => {
                let mut all = there.as_array().cloned().unwrap_or_default();
                all.extend(
                    items
                        .iter()
                        .filter(|item| !there.as_array().is_some_and(|known| known.contains(item)))
                        .cloned(),
                );
                *there = Value::Array(all);
            }
            (Value::Object(_), _) => merge_objects(there, value, name)?,
            _ => *there = value.clone(),
        }
    }
    Ok(())
}

fn merge_lists(there: &mut Value, items: &[Value], key: &str, field: &str) -> Outcome<()> {
    let mut all = there.as_array().cloned().unwrap_or_default();
    for item in items {
        if item.get("$patch").is_some_and(|directive| directive == "replace") {
            all.clear();
            continue;
        }
        let place = all.iter().position(|known| known.get(key).is_some() && known.get(key) == item.get(key));
        let delete = item.get("$patch").is_some_and(|directive| directive == "delete");
        match place {
            Some(place) if delete => drop(all.remove(place)),
            None if delete => {}
            Some(place) => merge_objects(&mut all[place], item, field)?,
            None => all.push(item.clone()),
        }
    }
    *there = Value::Array(all);
    Ok(())
}

fn unknown(directive: &str, value: &Value) -> Refusal {
    Refusal::bad_request(format!("the sandbox does not know the directive {directive}: {value}"))
}
