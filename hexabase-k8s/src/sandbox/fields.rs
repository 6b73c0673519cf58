//! Sets of fields and operations on objects by them: the basis of server-side apply.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::list_types::{ListType, is_atomic_map, list_type};

/// One element of the path to a field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PathElement {
    /// Field of an object.
    Field(String),
    /// Entry of an associative list with this key, as JSON.
    Key(String),
    /// Entry of a set with this value, as JSON.
    Value(String),
}

/// Path to a field.
pub(super) type Path = Vec<PathElement>;

/// Fields, by their paths. An entry of a merged list is a member itself, in addition to its fields.
pub(super) type FieldSet = BTreeSet<Path>;

/// Fields of an object: its leaves, and the entries of merged lists.
pub(super) fn fields_of(value: &Value) -> FieldSet {
    let mut fields = FieldSet::new();
    collect(value, &mut Vec::new(), &mut fields);
    fields
}

fn last_fields(path: &[PathElement]) -> (&str, &str) {
    let mut names = path.iter().rev().filter_map(|element| match element {
        PathElement::Field(name) => Some(name.as_str()),
        PathElement::Key(_) | PathElement::Value(_) => None,
    });
    (names.next().unwrap_or_default(), names.next().unwrap_or_default())
}

/// Key of a list entry. The default for a missing protocol is TCP, as in Kubernetes.
fn key_of(entry: &Value, keys: &[&str]) -> String {
    let mut key = Map::new();
    for name in keys {
        let value = entry.get(*name).cloned();
        let default = || if *name == "protocol" { "TCP".into() } else { Value::Null };
        key.insert((*name).to_owned(), value.unwrap_or_else(default));
    }
    Value::Object(key).to_string()
}

fn collect(value: &Value, path: &mut Path, fields: &mut FieldSet) {
    let (field, parent) = last_fields(path);
    match value {
        Value::Object(map) if !map.is_empty() && !is_atomic_map(field, parent) => {
            for (name, inner) in map {
                path.push(PathElement::Field(name.clone()));
                collect(inner, path, fields);
                path.pop();
            }
        }
        Value::Array(items) if !items.is_empty() => match list_type(field, parent) {
            ListType::Atomic => drop(fields.insert(path.clone())),
            ListType::Map(keys) => {
                for item in items {
                    path.push(PathElement::Key(key_of(item, keys)));
                    fields.insert(path.clone());
                    collect(item, path, fields);
                    path.pop();
                }
            }
            ListType::Set => {
                for item in items {
                    path.push(PathElement::Value(item.to_string()));
                    fields.insert(path.clone());
                    path.pop();
                }
            }
        },
        _ => drop(fields.insert(path.clone())),
    }
}

/// Value at a path.
pub(super) fn get<'a>(value: &'a Value, path: &[PathElement]) -> Option<&'a Value> {
    let mut current = value;
    for (depth, element) in path.iter().enumerate() {
        current = match element {
            PathElement::Field(name) => current.get(name)?,
            PathElement::Key(_) | PathElement::Value(_) => {
                let index = position(current.as_array()?, &path[..depth], element)?;
                &current[index]
            }
        };
    }
    Some(current)
}

/// Index of the list entry that a path element selects.
fn position(items: &[Value], list: &[PathElement], element: &PathElement) -> Option<usize> {
    let (field, parent) = last_fields(list);
    match (element, list_type(field, parent)) {
        (PathElement::Key(key), ListType::Map(keys)) => {
            items.iter().position(|item| key_of(item, keys) == *key)
        }
        (PathElement::Value(value), ListType::Set) => {
            let value: Value = serde_json::from_str(value).ok()?;
            items.iter().position(|item| *item == value)
        }
        _ => None,
    }
}

/// Merges an applied configuration into the live object: entry by entry for merged lists, whole otherwise.
pub(super) fn merge(live: &mut Value, applied: &Value) {
    merge_at(live, applied, &mut Vec::new());
}

fn merge_at(live: &mut Value, applied: &Value, path: &mut Path) {
    let (field, parent) = last_fields(path);
    match (&mut *live, applied) {
        (Value::Object(live), Value::Object(applied)) if !is_atomic_map(field, parent) => {
            for (name, value) in applied {
                path.push(PathElement::Field(name.clone()));
                match live.get_mut(name) {
                    Some(existing) => merge_at(existing, value, path),
                    None => drop(live.insert(name.clone(), value.clone())),
                }
                path.pop();
            }
        }
        (Value::Array(live), Value::Array(applied)) => match list_type(field, parent) {
            ListType::Atomic => *live = applied.clone(),
            ListType::Map(keys) => {
                for item in applied {
                    let element = PathElement::Key(key_of(item, keys));
                    match position(live, path, &element) {
                        Some(index) => {
                            path.push(element);
                            merge_at(&mut live[index], item, path);
                            path.pop();
                        }
                        None => live.push(item.clone()),
                    }
                }
            }
            ListType::Set => {
                for item in applied {
                    if !live.contains(item) {
                        live.push(item.clone());
                    }
                }
            }
        },
        (live, applied) => *live = applied.clone(),
    }
}

/// Removes a field from an object, and the maps and lists that are empty afterwards.
pub(super) fn remove(value: &mut Value, path: &[PathElement]) {
    remove_at(value, path, &mut Vec::new());
}

fn remove_at(value: &mut Value, rest: &[PathElement], visited: &mut Path) {
    let Some((element, tail)) = rest.split_first() else { return };
    match (element, value) {
        (PathElement::Field(name), Value::Object(map)) => {
            if tail.is_empty() {
                map.remove(name);
            } else if let Some(inner) = map.get_mut(name) {
                visited.push(element.clone());
                remove_at(inner, tail, visited);
                visited.pop();
                if inner.as_object().is_some_and(Map::is_empty) || inner.as_array().is_some_and(Vec::is_empty)
                {
                    map.remove(name);
                }
            }
        }
        (PathElement::Key(_) | PathElement::Value(_), Value::Array(items)) => {
            let Some(index) = position(items, visited, element) else { return };
            if tail.is_empty() {
                items.remove(index);
            } else {
                visited.push(element.clone());
                remove_at(&mut items[index], tail, visited);
                visited.pop();
            }
        }
        _ => {}
    }
}

/// Field set in the format of `managedFields` (`FieldsV1`).
pub(super) fn fields_v1(fields: &FieldSet) -> Value {
    let mut root = Value::Object(Map::new());
    for path in fields {
        let mut current = &mut root;
        for element in path {
            let name = match element {
                PathElement::Field(name) => format!("f:{name}"),
                PathElement::Key(key) => format!("k:{key}"),
                PathElement::Value(value) => format!("v:{value}"),
            };
            current = &mut current[name.as_str()];
            if current.is_null() {
                *current = Value::Object(Map::new());
            }
        }
        // The entry itself is a member, too, besides its fields.
        if matches!(path.last(), Some(PathElement::Key(_))) {
            current["."] = Value::Object(Map::new());
        }
    }
    root
}

/// Field set from the format of `managedFields`.
pub(super) fn parse_fields_v1(value: &Value) -> FieldSet {
    let mut fields = FieldSet::new();
    collect_fields_v1(value, &mut Vec::new(), &mut fields);
    fields
}

fn collect_fields_v1(value: &Value, path: &mut Path, fields: &mut FieldSet) {
    for (name, inner) in value.as_object().into_iter().flatten() {
        let element = match name.split_once(':') {
            Some(("f", field)) => PathElement::Field(field.to_owned()),
            Some(("k", key)) => PathElement::Key(key.to_owned()),
            Some(("v", item)) => PathElement::Value(item.to_owned()),
            // The entry itself.
            _ => {
                fields.insert(path.clone());
                continue;
            }
        };
        path.push(element);
        if inner.as_object().is_none_or(Map::is_empty) {
            fields.insert(path.clone());
        } else {
            collect_fields_v1(inner, path, fields);
        }
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn managed_fields_are_read_as_they_are_written() {
        let object = json!({
            "metadata": { "labels": { "a": "b" }, "finalizers": ["example.com/f"] },
            "spec": { "template": { "spec": { "containers": [{ "name": "c", "env": [{ "name": "A" }] }] } } },
        });
        let fields = fields_of(&object);
        assert_eq!(parse_fields_v1(&fields_v1(&fields)), fields);
    }
}
