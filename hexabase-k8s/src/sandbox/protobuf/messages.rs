//! Messages of the built-in kinds, from the table in `messages.txt`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

/// Field of a message.
#[derive(Debug)]
pub(super) struct Field {
    /// Name in JSON.
    pub(super) name: &'static str,
    pub(super) number: u64,
    pub(super) mark: Mark,
    pub(super) kind: Type,
}

/// Presence and repetition of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Left out of JSON without a value.
    Plain,
    /// Left out of JSON unless it is on the wire.
    Optional,
    /// Part of JSON even without a value.
    Present,
    List,
    /// Map from strings.
    Map,
    /// Fields of the message belong to the enclosing JSON object.
    Inline,
}

/// Type of a field, or of its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    String,
    Bytes,
    Bool,
    Int,
    Time,
    Quantity,
    IntOrString,
    /// Any JSON value, as text.
    Json,
    StringList,
    Message(&'static str),
}

impl Type {
    /// Fields of a message; none for other types.
    pub(super) fn fields(&self) -> &'static [Field] {
        match self {
            Self::Message(name) => MESSAGES.get(name).map_or(&[], Vec::as_slice),
            _ => &[],
        }
    }
}

/// Messages by name: the first label of the API group and the kind, as in `apps.Deployment`.
static MESSAGES: LazyLock<BTreeMap<&'static str, Vec<Field>>> = LazyLock::new(|| {
    let (mut messages, mut current) = (BTreeMap::<_, Vec<Field>>::new(), "");
    for line in include_str!("messages.txt").lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        if !line.starts_with(' ') {
            current = words.next().unwrap_or_default();
        }
        messages.entry(current).or_default().extend(words.filter_map(field));
    }
    messages
});

/// Parses a field: `name=number:type`.
fn field(word: &'static str) -> Option<Field> {
    let (name, rest) = word.split_once('=')?;
    let (number, kind) = rest.split_once(':')?;
    let mark = match kind.as_bytes().first()? {
        b'?' => Mark::Optional,
        b'!' => Mark::Present,
        b'*' => Mark::List,
        b'%' => Mark::Map,
        b'^' => Mark::Inline,
        _ => Mark::Plain,
    };
    let kind = match kind.trim_start_matches(['?', '!', '*', '%', '^']) {
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "bool" => Type::Bool,
        "int" => Type::Int,
        "time" | "microtime" => Type::Time,
        "quantity" => Type::Quantity,
        "intorstring" => Type::IntOrString,
        "raw" | "fieldsv1" => Type::Json,
        "stringlist" => Type::StringList,
        message => Type::Message(message),
    };
    Some(Field { name, number: number.parse().ok()?, mark, kind })
}

/// Name of the message of a built-in kind.
fn name_of(api_version: &str, kind: &str) -> String {
    let group = api_version.split_once('/').map_or("core", |(group, _)| group);
    let package = group.split('.').next().unwrap_or_default();
    // Options of deletions can be written in any group.
    let package = if kind == "DeleteOptions" { "meta" } else { package };
    format!("{package}.{kind}")
}

/// Fields of a built-in kind; `None` for other kinds.
pub(super) fn message_of(api_version: &str, kind: &str) -> Option<&'static [Field]> {
    MESSAGES.get(name_of(api_version, kind).as_str()).map(Vec::as_slice)
}

/// Schemas of a kind and of everything in it, for an OpenAPI document, by name; the first name is that of the kind.
/// Empty for kinds that are not built in.
pub(in crate::sandbox) fn openapi_schemas(api_version: &str, kind: &str) -> Vec<(String, Value)> {
    let mut schemas = Vec::new();
    let mut pending = vec![name_of(api_version, kind)];
    while let Some(name) = pending.pop() {
        let Some(fields) = MESSAGES.get(name.as_str()) else { continue };
        if schemas.iter().any(|(known, _)| *known == name) {
            continue;
        }
        let mut properties = Map::new();
        add_properties(fields, &mut properties, &mut pending);
        schemas.push((name, json!({ "type": "object", "properties": properties })));
    }
    schemas
}

fn add_properties(fields: &[Field], properties: &mut Map<String, Value>, pending: &mut Vec<String>) {
    for field in fields {
        if field.mark == Mark::Inline {
            add_properties(field.kind.fields(), properties, pending);
            continue;
        }
        let one = match field.kind {
            Type::String | Type::Quantity => json!({ "type": "string" }),
            Type::Bytes => json!({ "type": "string", "format": "byte" }),
            Type::Bool => json!({ "type": "boolean" }),
            Type::Int => json!({ "type": "integer" }),
            Type::Time => json!({ "type": "string", "format": "date-time" }),
            Type::IntOrString => json!({ "type": "string", "format": "int-or-string" }),
            Type::Json => json!({ "type": "object" }),
            Type::StringList => json!({ "type": "array", "items": { "type": "string" } }),
            Type::Message(name) => {
                pending.push(name.to_owned());
                json!({ "allOf": [{ "$ref": format!("#/components/schemas/{name}") }] })
            }
        };
        let schema = match field.mark {
            Mark::List => json!({ "type": "array", "items": one }),
            Mark::Map => json!({ "type": "object", "additionalProperties": one }),
            Mark::Plain | Mark::Optional | Mark::Present | Mark::Inline => one,
        };
        properties.insert(field.name.to_owned(), schema);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_is_complete() {
        for line in include_str!("messages.txt").lines().filter(|line| !line.starts_with('#')) {
            let fields = line.split_whitespace().skip(usize::from(!line.starts_with(' ')));
            fields.for_each(|word| assert!(field(word).is_some(), "{word}"));
        }
        for (message, fields) in MESSAGES.iter() {
            let numbers: BTreeSet<u64> = fields.iter().map(|field| field.number).collect();
            assert_eq!(numbers.len(), fields.len(), "{message}");
            for field in fields {
                if let Type::Message(name) = field.kind {
                    assert!(MESSAGES.contains_key(name), "{name} of {message}");
                }
            }
        }
    }

    #[test]
    fn every_built_in_kind_has_a_message() {
        for kind in crate::sandbox::kinds::Kinds::built_in().iter() {
            // Only administrators write these, as JSON.
            let json_only = ["admissionregistration.k8s.io", "apiextensions.k8s.io"];
            let known = message_of(&kind.api_version(), &kind.kind).is_some();
            assert_eq!(known, !json_only.contains(&kind.group.as_str()), "{}", kind.qualified());
        }
    }
}
