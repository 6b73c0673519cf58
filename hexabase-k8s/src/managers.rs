//! Field managers of an object, read from its `managedFields`
//! (<https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management>). Pure functions.

use serde_json::Value;

use crate::labels::FIELD_MANAGER;

/// Field managers of one field of an object, each with the fields that it owns below it.
#[derive(Debug, Clone)]
pub(crate) struct Managers<'a>(Vec<(&'a str, &'a Value)>);

impl<'a> Managers<'a> {
    /// Returns the managers of a whole object.
    pub(crate) fn of(object: &'a Value) -> Self {
        let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
        let manager = |entry: &'a Value| Some((entry.get("manager")?.as_str()?, entry.get("fieldsV1")?));
        Self(entries.into_iter().flatten().filter_map(manager).collect())
    }

    /// Returns the managers of a field below this one.
    pub(crate) fn of_field(&self, name: &str) -> Self {
        let key = format!("f:{name}");
        Self(self.0.iter().filter_map(|(manager, fields)| Some((*manager, fields.get(&key)?))).collect())
    }

    /// Returns the managers of an entry of this list. If no manager owns the entry by itself, the managers of the list
    /// count.
    pub(crate) fn of_entry(&self, entry: &Value) -> Self {
        let within = |(manager, fields): &(&'a str, &'a Value)| {
            let matching = fields.as_object()?.iter().find(|(key, _)| is_key_of(key, entry))?;
            Some((*manager, matching.1))
        };
        let own: Vec<_> = self.0.iter().filter_map(within).collect();
        if own.is_empty() { self.clone() } else { Self(own) }
    }

    /// Returns the names of all managers other than Hexabase, sorted and without duplicates.
    pub(crate) fn others(&self) -> Vec<String> {
        let mut names: Vec<String> = self.0.iter().map(|(manager, _)| (*manager).to_owned()).collect();
        names.retain(|name| name != FIELD_MANAGER);
        names.sort();
        names.dedup();
        names
    }
}

/// `true` if a key such as `k:{"name":"a"}` or `v:"a"` identifies the entry.
fn is_key_of(key: &str, entry: &Value) -> bool {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).ok();
    match key.split_once(':') {
        Some(("k", text)) => parsed(text).is_some_and(|key| {
            key.as_object().is_some_and(|key| key.iter().all(|(name, value)| entry.get(name) == Some(value)))
        }),
        Some(("v", text)) => parsed(text).as_ref() == Some(entry),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_entry_has_its_own_managers_or_those_of_its_list() {
        let object = json!({ "metadata": { "managedFields": [
            { "manager": "hexabase", "fieldsV1": { "f:ports": { "k:{\"port\":443}": { "f:targetPort": {} } } } },
            { "manager": "mesh", "fieldsV1": { "f:ports": { "k:{\"port\":15000}": {} }, "f:args": {} } },
            { "manager": "mesh", "operation": "Update" },
        ] } });
        let managers = Managers::of(&object);
        let ports = managers.of_field("ports");
        assert_eq!(ports.others(), ["mesh"]);
        assert_eq!(ports.of_entry(&json!({ "port": 443, "name": "https" })).others(), Vec::<String>::new());
        assert_eq!(ports.of_entry(&json!({ "port": 15000 })).others(), ["mesh"]);
        assert_eq!(managers.of_field("args").of_entry(&json!("-v")).others(), ["mesh"]);
        assert_eq!(Managers::of(&json!({})).others(), Vec::<String>::new());
    }
}
