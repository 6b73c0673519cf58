//! What differs between objects as they are and as they should be. Pure functions.

use hexabase_core::model::DriftEntry;
use serde_json::Value;

use crate::managers::Managers;
use crate::object::{Object, ObjectKey, Objects};

/// What must be done to bring objects where they should be.
#[derive(Debug, Default)]
pub(crate) struct Difference<'a> {
    /// Objects that are missing or differ, in the order in which they are applied.
    pub(crate) apply: Vec<&'a Object>,
    /// Objects that should not be there, each with its uid.
    pub(crate) remove: Vec<(ObjectKey, Option<String>)>,
    /// The same for people, field by field.
    pub(crate) entries: Vec<DriftEntry>,
}

/// Compares what should be with what is. An object that is on its way out is as good as gone.
pub(crate) fn compare<'a>(scope: &str, desired: &'a [Object], actual: &Objects) -> Difference<'a> {
    let mut difference = Difference::default();
    let whole = |key: &ObjectKey, actual: Option<&str>, desired: Option<&str>| DriftEntry {
        scope: scope.to_owned(),
        object: key.to_string(),
        field: String::new(),
        actual: actual.map(str::to_owned),
        desired: desired.map(str::to_owned),
        managers: Vec::new(),
    };
    for object in desired {
        let key = object.key();
        let Some(there) = actual.get(&key) else {
            difference.apply.push(object);
            difference.entries.push(whole(&key, None, Some("present")));
            continue;
        };
        let (mut fields, managers) = (Vec::new(), Managers::of(there));
        for (name, wanted) in object.body.as_object().into_iter().flatten() {
            // Kind and version are known from the key; entries of lists do not repeat them.
            if !["apiVersion", "kind"].contains(&name.as_str()) {
                compare_field(name, wanted, there.get(name), &Place::top(&managers), &mut fields);
            }
        }
        if !fields.is_empty() {
            difference.apply.push(object);
        }
        let secret = key.kind == crate::object::Kind::SECRET;
        difference.entries.extend(fields.into_iter().map(|field| {
            let shown =
                |value: Option<Value>| value.map(|value| if secret { "…".to_owned() } else { brief(&value) });
            let (actual, desired) = (shown(field.actual), shown(Some(field.desired)));
            DriftEntry {
                field: field.path,
                actual,
                desired,
                managers: field.managers,
                ..whole(&key, None, None)
            }
        }));
    }
    for (key, there) in actual {
        if !desired.iter().any(|object| object.key() == *key)
            && there.pointer("/metadata/deletionTimestamp").is_none()
        {
            let uid = there.pointer("/metadata/uid").and_then(Value::as_str).map(str::to_owned);
            difference.remove.push((key.clone(), uid));
            difference.entries.push(whole(key, Some("present"), None));
        }
    }
    difference
}

fn brief(value: &Value) -> String {
    const LONGEST: usize = 200;
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if text.chars().count() <= LONGEST { text } else { text.chars().take(LONGEST).chain(['…']).collect() }
}

struct Field {
    path: String,
    desired: Value,
    actual: Option<Value>,
    managers: Vec<String>,
}

/// A place in an object: its path, and who manages what lies there.
struct Place<'a> {
    path: String,
    managers: Managers<'a>,
}

impl<'a> Place<'a> {
    fn top(managers: &Managers<'a>) -> Self {
        Self { path: String::new(), managers: managers.clone() }
    }

    fn field(&self, name: &str) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Self { path, managers: self.managers.of_field(name) }
    }

    fn entry(&self, shown: &str, entry: &Value) -> Self {
        Self { path: format!("{}[{shown}]", self.path), managers: self.managers.of_entry(entry) }
    }

    fn differs(&self, desired: &Value, actual: Option<&Value>) -> Field {
        let managers = self.managers.others();
        Field { path: self.path.clone(), desired: desired.clone(), actual: actual.cloned(), managers }
    }
}

/// Fields that others may add to (a service mesh adds containers, a webhook adds variables): their entries
/// are told apart by a key, and only ours are compared.
fn key_of_entries(field: &str) -> Option<&'static str> {
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
    above: &Place<'_>,
    found: &mut Vec<Field>,
) {
    let place = above.field(name);
    match actual {
        Some(actual) => differing_fields(desired, actual, &place, found),
        // The API server leaves out what is empty.
        None if is_empty(desired) => {}
        None => found.push(place.differs(desired, None)),
    }
}

/// Where `actual` is not what `desired` says. What `desired` does not mention is somebody else's, or the
/// API server's default.
fn differing_fields(desired: &Value, actual: &Value, place: &Place<'_>, found: &mut Vec<Field>) {
    match (desired, actual) {
        (Value::Object(desired), Value::Object(actual)) => {
            for (name, wanted) in desired {
                compare_field(name, wanted, actual.get(name), place, found);
            }
        }
        (Value::Array(desired_items), Value::Array(actual_items)) => {
            let field = place.path.rsplit('.').next().unwrap_or_default();
            if let Some(key) = key_of_entries(field) {
                for wanted in desired_items {
                    let inner = place.entry(wanted[key].as_str().unwrap_or_default(), wanted);
                    match actual_items.iter().find(|there| there.get(key) == wanted.get(key)) {
                        Some(there) => differing_fields(wanted, there, &inner, found),
                        None => found.push(inner.differs(wanted, None)),
                    }
                }
            } else if desired_items.len() != actual_items.len() {
                found.push(place.differs(&Value::Array(desired_items.clone()), Some(actual)));
            } else {
                for (position, (wanted, there)) in desired_items.iter().zip(actual_items).enumerate() {
                    differing_fields(wanted, there, &place.entry(&position.to_string(), there), found);
                }
            }
        }
        (desired, actual) if desired == actual => {}
        (desired, actual) => found.push(place.differs(desired, Some(actual))),
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
        let difference = compare("host", &desired, &actual);
        assert_eq!(difference.apply.is_empty(), difference.entries.is_empty());
        difference.entries.into_iter().map(|entry| entry.field).collect()
    }

    fn named(content: Value) -> Value {
        let mut content = content;
        content["metadata"] = json!({ "name": "a", "namespace": "n" });
        content
    }

    #[test]
    fn what_others_add_is_no_difference() {
        let desired = named(json!({ "data": { "a": "1" }, "spec": { "list": [{ "x": 1 }] } }));
        let actual = named(
            json!({ "data": { "a": "1", "b": "2" }, "spec": { "list": [{ "x": 1, "y": 2 }], "d": 1 } }),
        );
        assert_eq!(compare_one(&desired, &actual), Vec::<String>::new());
    }

    #[test]
    fn a_field_that_changed_is_named_with_its_path() {
        let desired = named(json!({ "spec": { "ports": [{ "port": 443 }] } }));
        assert_eq!(
            compare_one(&desired, &named(json!({ "spec": { "ports": [{ "port": 80 }] } }))),
            ["spec.ports[0].port"]
        );
        assert_eq!(compare_one(&desired, &named(json!({ "spec": {} }))), ["spec.ports"]);
        assert_eq!(compare_one(&desired, &named(json!({}))), ["spec"]);
    }

    #[test]
    fn a_subject_too_many_is_a_difference_and_a_container_too_many_is_none() {
        let desired = named(json!({ "subjects": [{ "name": "a" }] }));
        let more = named(json!({ "subjects": [{ "name": "a" }, { "name": "evil" }] }));
        assert_eq!(compare_one(&desired, &more), ["subjects"]);
        let desired = named(json!({ "containers": [{ "name": "a", "image": "1" }] }));
        let more = named(json!({ "containers": [{ "name": "mesh" }, { "name": "a", "image": "2" }] }));
        assert_eq!(compare_one(&desired, &more), ["containers[a].image"]);
    }

    #[test]
    fn what_is_too_much_is_removed_unless_it_is_going_anyway() {
        let extra = object(named(json!({})));
        let mut going = extra.body.clone();
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let removed = |body: Value| compare("host", &[], &Objects::from([(extra.key(), body)])).remove.len();
        assert_eq!((removed(extra.body.clone()), removed(going)), (1, 0));
    }

    #[test]
    fn whoever_else_has_a_say_in_a_field_is_named() {
        let desired = named(json!({ "spec": { "hard": { "cpu": "4", "memory": "8Gi" } } }));
        let mut actual = named(json!({ "spec": { "hard": { "cpu": "16", "memory": "8Gi" } } }));
        let managed = |manager: &str, fields: Value| json!({ "manager": manager, "fieldsV1": fields });
        actual["metadata"]["managedFields"] = json!([
            managed("hexabase", json!({ "f:spec": { "f:hard": { "f:memory": {} } } })),
            managed("kubectl-edit", json!({ "f:spec": { "f:hard": { "f:cpu": {} } } })),
        ]);
        let desired = [object(desired)];
        let actual = Objects::from([(desired[0].key(), object(actual).body)]);
        let entries = compare("host", &desired, &actual).entries;
        assert_eq!((entries.len(), entries[0].field.as_str()), (1, "spec.hard.cpu"));
        assert_eq!(entries[0].managers, ["kubectl-edit"]);
    }

    #[test]
    fn secrets_do_not_show_in_a_difference() {
        let secret = Object::new(Kind::SECRET, named(json!({ "data": { "k": "bmV3" } })));
        let actual = Objects::from([(secret.key(), named(json!({ "data": { "k": "b2xk" } })))]);
        let shown = format!("{:?}", compare("host", &[secret], &actual).entries);
        assert!(!shown.contains("bmV3") && !shown.contains("b2xk"), "{shown}");
    }
}
