//! Sets of fields, and what can be done with objects by them: the arithmetic of server-side apply.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::list_types::{ListType, is_atomic_map, list_type};

/// One step into an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Into a field.
    Field(String),
    /// To the entry of a list with this key, as JSON.
    Key(String),
    /// To the entry of a set with this value, as JSON.
    Value(String),
}

/// The way to a field.
pub(super) type Path = Vec<Step>;

/// Fields, by their paths. Entries of lists that are merged are in it themselves, beside what is in them.
pub(super) type FieldSet = BTreeSet<Path>;

/// The fields that an object has: its leaves, and the entries of lists that are merged.
pub(super) fn fields_of(value: &Value) -> FieldSet {
    let mut fields = FieldSet::new();
    collect(value, &mut Vec::new(), &mut fields);
    fields
}

fn last_fields(path: &[Step]) -> (&str, &str) {
    let mut names = path.iter().rev().filter_map(|step| match step {
        Step::Field(name) => Some(name.as_str()),
        Step::Key(_) | Step::Value(_) => None,
    });
    (names.next().unwrap_or_default(), names.next().unwrap_or_default())
}

/// The key of a list's entry. A protocol that is not said is TCP, as Kubernetes has it.
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
                path.push(Step::Field(name.clone()));
                collect(inner, path, fields);
                path.pop();
            }
        }
        Value::Array(items) if !items.is_empty() => match list_type(field, parent) {
            ListType::Atomic => drop(fields.insert(path.clone())),
            ListType::Map(keys) => {
                for item in items {
                    path.push(Step::Key(key_of(item, keys)));
                    fields.insert(path.clone());
                    collect(item, path, fields);
                    path.pop();
                }
            }
            ListType::Set => {
                for item in items {
                    path.push(Step::Value(item.to_string()));
                    fields.insert(path.clone());
                    path.pop();
                }
            }
        },
        _ => drop(fields.insert(path.clone())),
    }
}

/// What an object has at a path.
pub(super) fn get<'a>(value: &'a Value, path: &[Step]) -> Option<&'a Value> {
    let mut here = value;
    for (place, step) in path.iter().enumerate() {
        here = match step {
            Step::Field(name) => here.get(name)?,
            Step::Key(_) | Step::Value(_) => {
                let index = position(here.as_array()?, &path[..place], step)?;
                &here[index]
            }
        };
    }
    Some(here)
}

/// Where the entry of a list is that a step leads to.
fn position(items: &[Value], list: &[Step], step: &Step) -> Option<usize> {
    let (field, parent) = last_fields(list);
    match (step, list_type(field, parent)) {
        (Step::Key(key), ListType::Map(keys)) => items.iter().position(|item| key_of(item, keys) == *key),
        (Step::Value(value), ListType::Set) => {
            let value: Value = serde_json::from_str(value).ok()?;
            items.iter().position(|item| *item == value)
        }
        _ => None,
    }
}

/// Lays what was applied over what there is: entry by entry where lists are merged, whole elsewhere.
pub(super) fn merge(live: &mut Value, applied: &Value) {
    merge_at(live, applied, &mut Vec::new());
}

fn merge_at(live: &mut Value, applied: &Value, path: &mut Path) {
    let (field, parent) = last_fields(path);
    match (&mut *live, applied) {
        (Value::Object(live), Value::Object(applied)) if !is_atomic_map(field, parent) => {
            for (name, value) in applied {
                path.push(Step::Field(name.clone()));
                match live.get_mut(name) {
                    Some(there) => merge_at(there, value, path),
                    None => drop(live.insert(name.clone(), value.clone())),
                }
                path.pop();
            }
        }
        (Value::Array(live), Value::Array(applied)) => match list_type(field, parent) {
            ListType::Atomic => *live = applied.clone(),
            ListType::Map(keys) => {
                for item in applied {
                    let step = Step::Key(key_of(item, keys));
                    match position(live, path, &step) {
                        Some(index) => {
                            path.push(step);
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

/// Takes a field out of an object, and with it maps and lists that are empty then.
pub(super) fn remove(value: &mut Value, path: &[Step]) {
    remove_at(value, path, &mut Vec::new());
}

fn remove_at(value: &mut Value, rest: &[Step], done: &mut Path) {
    let Some((step, deeper)) = rest.split_first() else { return };
    match (step, value) {
        (Step::Field(name), Value::Object(map)) => {
            if deeper.is_empty() {
                map.remove(name);
            } else if let Some(inner) = map.get_mut(name) {
                done.push(step.clone());
                remove_at(inner, deeper, done);
                done.pop();
                if inner.as_object().is_some_and(Map::is_empty) || inner.as_array().is_some_and(Vec::is_empty)
                {
                    map.remove(name);
                }
            }
        }
        (Step::Key(_) | Step::Value(_), Value::Array(items)) => {
            let Some(index) = position(items, done, step) else { return };
            if deeper.is_empty() {
                items.remove(index);
            } else {
                done.push(step.clone());
                remove_at(&mut items[index], deeper, done);
                done.pop();
            }
        }
        _ => {}
    }
}

/// A set of fields the way `managedFields` shows it (`FieldsV1`).
pub(super) fn fields_v1(fields: &FieldSet) -> Value {
    let mut root = Value::Object(Map::new());
    for path in fields {
        let mut here = &mut root;
        for step in path {
            let name = match step {
                Step::Field(name) => format!("f:{name}"),
                Step::Key(key) => format!("k:{key}"),
                Step::Value(value) => format!("v:{value}"),
            };
            here = &mut here[name.as_str()];
            if here.is_null() {
                *here = Value::Object(Map::new());
            }
        }
        // An entry that has something in it is also there by itself.
        if matches!(path.last(), Some(Step::Key(_))) {
            here["."] = Value::Object(Map::new());
        }
    }
    root
}
