//! Patches other than server-side apply.

use serde_json::{Map, Value};

use super::list_types::{ListType, list_type};
use super::response::{StatusError, StatusResult};

/// JSON patch (RFC 6902).
pub(super) fn json_patch(object: &mut Value, patch: &Value) -> StatusResult<()> {
    let patch: json_patch::Patch =
        serde_json::from_value(patch.clone()).map_err(|error| StatusError::bad_request(error.to_string()))?;
    json_patch::patch(object, &patch).map_err(|error| StatusError::invalid("patch", "", &error.to_string()))
}

/// JSON merge patch (RFC 7396).
pub(super) fn merge_patch(object: &mut Value, patch: &Value) {
    json_patch::merge(object, patch);
}

/// Strategic merge patch of Kubernetes: like a merge patch, but lists with keys are merged entry by entry
/// (<https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/>).
pub(super) fn strategic_merge(object: &mut Value, patch: &Value) -> StatusResult<()> {
    merge_objects(object, patch, "")
}

fn merge_objects(object: &mut Value, patch: &Value, field: &str) -> StatusResult<()> {
    let Value::Object(patch) = patch else {
        *object = patch.clone();
        return Ok(());
    };
    if let Some(directive) = patch.get("$patch") {
        if directive != "replace" {
            return Err(unknown_directive("$patch", directive));
        }
        let rest = patch.iter().filter(|(name, _)| *name != "$patch");
        *object = Value::Object(rest.map(|(name, value)| (name.clone(), value.clone())).collect());
        return Ok(());
    }
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    if let (Some(Value::Array(retained)), Some(fields)) = (patch.get("$retainKeys"), object.as_object_mut()) {
        fields.retain(|name, _| retained.iter().any(|key| key == name));
    }
    for (name, value) in patch {
        // The order of entries has no effect in the sandbox.
        if name == "$retainKeys" || name.starts_with("$setElementOrder/") {
            continue;
        }
        if let Some(list) = name.strip_prefix("$deleteFromPrimitiveList/") {
            let items = object.get_mut(list).and_then(Value::as_array_mut);
            let deleted = |item: &Value| value.as_array().is_some_and(|deleted| deleted.contains(item));
            items.into_iter().for_each(|items| items.retain(|item| !deleted(item)));
            continue;
        }
        if name.starts_with('$') {
            return Err(unknown_directive(name, value));
        }
        if value.is_null() {
            object.as_object_mut().and_then(|fields| fields.remove(name));
            continue;
        }
        let existing = &mut object[name.as_str()];
        match (value, list_type(name, field)) {
            (Value::Array(items), ListType::Map(keys)) => merge_lists(existing, items, keys[0], name)?,
            (Value::Array(items), ListType::Set) => {
                let mut merged = existing.as_array().cloned().unwrap_or_default();
                merged.extend(
                    items
                        .iter()
                        .filter(|item| !existing.as_array().is_some_and(|known| known.contains(item)))
                        .cloned(),
                );
                *existing = Value::Array(merged);
            }
            (Value::Object(fields), _)
                if fields.get("$patch").is_some_and(|directive| directive == "delete") =>
            {
                object.as_object_mut().and_then(|fields| fields.remove(name));
            }
            (Value::Object(_), _) => merge_objects(existing, value, name)?,
            _ => *existing = value.clone(),
        }
    }
    Ok(())
}

fn merge_lists(existing: &mut Value, items: &[Value], key: &str, field: &str) -> StatusResult<()> {
    let mut merged = existing.as_array().cloned().unwrap_or_default();
    for item in items {
        if item.get("$patch").is_some_and(|directive| directive == "replace") {
            merged.clear();
            continue;
        }
        let index =
            merged.iter().position(|known| known.get(key).is_some() && known.get(key) == item.get(key));
        let delete = item.get("$patch").is_some_and(|directive| directive == "delete");
        match index {
            Some(index) if delete => drop(merged.remove(index)),
            None if delete => {}
            Some(index) => merge_objects(&mut merged[index], item, field)?,
            None => merged.push(item.clone()),
        }
    }
    *existing = Value::Array(merged);
    Ok(())
}

fn unknown_directive(directive: &str, value: &Value) -> StatusError {
    StatusError::bad_request(format!("the sandbox does not support the patch directive {directive}: {value}"))
}
