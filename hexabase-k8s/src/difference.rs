//! Difference between desired and actual objects. Pure functions.

use hexabase_core::model::{DriftEntry, DriftScope};
use serde_json::Value;

use crate::managers::Managers;
use crate::object::{Object, ObjectKey, Objects};

/// Changes that bring the actual objects to the desired state.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    /// Objects that are missing or differ, in the order of application.
    pub(crate) apply: Vec<Object>,
    /// Objects that must not exist, each with its uid.
    pub(crate) remove: Vec<(ObjectKey, Option<String>)>,
    /// The same changes field by field, for display.
    pub(crate) entries: Vec<DriftEntry>,
}

/// Compares the desired objects with the actual ones. Terminating objects that are not desired count as removed.
pub(crate) fn compare(scope: DriftScope, desired: &[Object], actual: &Objects) -> Difference {
    let mut difference = Difference::default();
    let object_entry = |key: &ObjectKey, actual: Option<&str>, desired: Option<&str>| DriftEntry {
        scope,
        object: key.to_string(),
        field: String::new(),
        actual: actual.map(str::to_owned),
        desired: desired.map(str::to_owned),
        managers: Vec::new(),
    };
    for object in desired {
        let key = object.key();
        let Some(existing) = actual.get(&key) else {
            difference.apply.push(object.clone());
            difference.entries.push(object_entry(&key, None, Some("present")));
            continue;
        };
        let (mut fields, managers) = (Vec::new(), Managers::of(existing));
        for (name, desired_value) in object.body.as_object().into_iter().flatten() {
            // The key contains the kind and version, and entries of lists do not repeat them.
            if !["apiVersion", "kind"].contains(&name.as_str()) {
                compare_field(
                    name,
                    desired_value,
                    existing.get(name),
                    &FieldPath::root(&managers),
                    &mut fields,
                );
            }
        }
        if !fields.is_empty() {
            difference.apply.push(object.clone());
        }
        let is_secret = key.kind == crate::object::Kind::SECRET;
        difference.entries.extend(fields.into_iter().map(|field| {
            let display = |value: Option<Value>| {
                value.map(|value| if is_secret { "…".to_owned() } else { truncated(&value) })
            };
            let (actual, desired) = (display(field.actual), display(Some(field.desired)));
            DriftEntry {
                field: field.path,
                actual,
                desired,
                managers: field.managers,
                ..object_entry(&key, None, None)
            }
        }));
    }
    for (key, existing) in actual {
        if !desired.iter().any(|object| object.key() == *key)
            && existing.pointer("/metadata/deletionTimestamp").is_none()
        {
            let uid = existing.pointer("/metadata/uid").and_then(Value::as_str).map(str::to_owned);
            difference.remove.push((key.clone(), uid));
            difference.entries.push(object_entry(key, Some("present"), None));
        }
    }
    difference
}

fn truncated(value: &Value) -> String {
    const MAX_VALUE_CHARS: usize = 200;
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if text.chars().count() <= MAX_VALUE_CHARS {
        text
    } else {
        text.chars().take(MAX_VALUE_CHARS).chain(['…']).collect()
    }
}

struct FieldDifference {
    path: String,
    desired: Value,
    actual: Option<Value>,
    managers: Vec<String>,
}

/// Path of a field in an object, with the field managers of that field.
struct FieldPath<'a> {
    path: String,
    managers: Managers<'a>,
}

impl<'a> FieldPath<'a> {
    fn root(managers: &Managers<'a>) -> Self {
        Self { path: String::new(), managers: managers.clone() }
    }

    fn field(&self, name: &str) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Self { path, managers: self.managers.of_field(name) }
    }

    fn entry(&self, key: &str, entry: &Value) -> Self {
        Self { path: format!("{}[{key}]", self.path), managers: self.managers.of_entry(entry) }
    }

    fn mismatch(&self, desired: &Value, actual: Option<&Value>) -> FieldDifference {
        let managers = self.managers.others();
        FieldDifference {
            path: self.path.clone(),
            desired: desired.clone(),
            actual: actual.cloned(),
            managers,
        }
    }
}

/// Key of the entries of a list to which others may add (a service mesh adds containers, a webhook adds variables).
/// Only the desired entries of such a list are compared.
fn merge_key(field: &str) -> Option<&'static str> {
    match field {
        "containers" | "initContainers" | "env" | "volumes" => Some("name"),
        "volumeMounts" => Some("mountPath"),
        _ => None,
    }
}

fn compare_field(
    name: &str,
    desired: &Value,
    actual: Option<&Value>,
    parent: &FieldPath<'_>,
    found: &mut Vec<FieldDifference>,
) {
    let field_path = parent.field(name);
    match actual {
        Some(actual) => compare_value(desired, actual, &field_path, found),
        // The API server omits empty values.
        None if is_empty(desired) => {}
        None => found.push(field_path.mismatch(desired, None)),
    }
}

/// Collects the fields in which `actual` differs from `desired`. Fields that `desired` does not contain belong to
/// another manager or are defaults of the API server.
fn compare_value(
    desired: &Value,
    actual: &Value,
    field_path: &FieldPath<'_>,
    found: &mut Vec<FieldDifference>,
) {
    match (desired, actual) {
        (Value::Object(desired), Value::Object(actual)) => {
            for (name, desired_value) in desired {
                compare_field(name, desired_value, actual.get(name), field_path, found);
            }
        }
        (Value::Array(desired_items), Value::Array(actual_items)) => {
            let field = field_path.path.rsplit('.').next().unwrap_or_default();
            if let Some(key) = merge_key(field) {
                for desired_value in desired_items {
                    let inner =
                        field_path.entry(desired_value[key].as_str().unwrap_or_default(), desired_value);
                    match actual_items.iter().find(|existing| existing.get(key) == desired_value.get(key)) {
                        Some(existing) => compare_value(desired_value, existing, &inner, found),
                        None => found.push(inner.mismatch(desired_value, None)),
                    }
                }
            } else if desired_items.len() != actual_items.len() {
                found.push(field_path.mismatch(&Value::Array(desired_items.clone()), Some(actual)));
            } else {
                for (position, (desired_value, existing)) in
                    desired_items.iter().zip(actual_items).enumerate()
                {
                    compare_value(
                        desired_value,
                        existing,
                        &field_path.entry(&position.to_string(), existing),
                        found,
                    );
                }
            }
        }
        (desired, actual) if desired == actual => {}
        (desired, actual) => found.push(field_path.mismatch(desired, Some(actual))),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Kind;
    use serde_json::json;

    fn object(body: Value) -> Object {
        Object::new(Kind::CONFIG_MAP, body)
    }

    fn compare_one(desired: &Value, actual: &Value) -> Vec<String> {
        let desired = [object(desired.clone())];
        let actual = Objects::from([(desired[0].key(), object(actual.clone()).body)]);
        let difference = compare(DriftScope::Host, &desired, &actual);
        assert_eq!(difference.apply.is_empty(), difference.entries.is_empty());
        difference.entries.into_iter().map(|entry| entry.field).collect()
    }

    fn with_metadata(content: Value) -> Value {
        let mut content = content;
        content["metadata"] = json!({ "name": "a", "namespace": "n" });
        content
    }

    #[test]
    fn fields_added_by_others_are_no_difference() {
        let desired = with_metadata(json!({ "data": { "a": "1" }, "spec": { "list": [{ "x": 1 }] } }));
        let actual = with_metadata(
            json!({ "data": { "a": "1", "b": "2" }, "spec": { "list": [{ "x": 1, "y": 2 }], "d": 1 } }),
        );
        assert_eq!(compare_one(&desired, &actual), Vec::<String>::new());
    }

    #[test]
    fn a_changed_field_is_reported_with_its_path() {
        let desired = with_metadata(json!({ "spec": { "ports": [{ "port": 443 }] } }));
        assert_eq!(
            compare_one(&desired, &with_metadata(json!({ "spec": { "ports": [{ "port": 80 }] } }))),
            ["spec.ports[0].port"]
        );
        assert_eq!(compare_one(&desired, &with_metadata(json!({ "spec": {} }))), ["spec.ports"]);
        assert_eq!(compare_one(&desired, &with_metadata(json!({}))), ["spec"]);
    }

    #[test]
    fn an_additional_subject_is_a_difference_and_an_additional_container_is_not() {
        let desired = with_metadata(json!({ "subjects": [{ "name": "a" }] }));
        let more = with_metadata(json!({ "subjects": [{ "name": "a" }, { "name": "evil" }] }));
        assert_eq!(compare_one(&desired, &more), ["subjects"]);
        let desired = with_metadata(json!({ "containers": [{ "name": "a", "image": "1" }] }));
        let more =
            with_metadata(json!({ "containers": [{ "name": "mesh" }, { "name": "a", "image": "2" }] }));
        assert_eq!(compare_one(&desired, &more), ["containers[a].image"]);
    }

    #[test]
    fn undesired_objects_are_removed_unless_they_are_terminating() {
        let extra = object(with_metadata(json!({})));
        let mut terminating = extra.body.clone();
        terminating["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let removed =
            |body: Value| compare(DriftScope::Host, &[], &Objects::from([(extra.key(), body)])).remove.len();
        assert_eq!((removed(extra.body.clone()), removed(terminating)), (1, 0));
    }

    #[test]
    fn other_field_managers_of_a_differing_field_are_reported() {
        let desired = with_metadata(json!({ "spec": { "hard": { "cpu": "4", "memory": "8Gi" } } }));
        let mut actual = with_metadata(json!({ "spec": { "hard": { "cpu": "16", "memory": "8Gi" } } }));
        let managed = |manager: &str, fields: Value| json!({ "manager": manager, "fieldsV1": fields });
        actual["metadata"]["managedFields"] = json!([
            managed("hexabase", json!({ "f:spec": { "f:hard": { "f:memory": {} } } })),
            managed("kubectl-edit", json!({ "f:spec": { "f:hard": { "f:cpu": {} } } })),
        ]);
        let desired = [object(desired)];
        let actual = Objects::from([(desired[0].key(), object(actual).body)]);
        let entries = compare(DriftScope::Host, &desired, &actual).entries;
        assert_eq!((entries.len(), entries[0].field.as_str()), (1, "spec.hard.cpu"));
        assert_eq!(entries[0].managers, ["kubectl-edit"]);
    }

    #[test]
    fn values_of_secrets_are_not_reported() {
        let secret = Object::new(Kind::SECRET, with_metadata(json!({ "data": { "k": "bmV3" } })));
        let actual = Objects::from([(secret.key(), with_metadata(json!({ "data": { "k": "b2xk" } })))]);
        let entries = format!("{:?}", compare(DriftScope::Host, &[secret], &actual).entries);
        assert!(!entries.contains("bmV3") && !entries.contains("b2xk"), "{entries}");
    }
}
