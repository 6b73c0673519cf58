//! Requests from HTML forms.

use std::borrow::Cow;

use hexabase_core::error::{Check, Error, Result};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::PartialSchema;

/// Field of every form that proves its origin. It belongs to no request.
const CSRF_FIELD: &str = "csrf";

/// Converts the fields of an HTML form (`application/x-www-form-urlencoded`) to a request: to the one that the JSON object
/// with these members would be, by the request's schema.
///
/// - A field that the user left empty is absent if the request has a default for it, null if the request accepts null, and
///   an empty text otherwise, which [the parser](super) of the request then rejects together with all other fields.
/// - Fields of numbers have decimal digits. Fields of booleans, such as check boxes, have `true`, `false` or `on`.
/// - Repeated fields are lists, without empty texts. The members of an object are fields with dots, such as `quota.cpu`.
/// - The field `csrf` is ignored.
///
/// # Errors
/// `Invalid`, with the name of a form field, for an unknown, repeated or missing field, or a value of the wrong type.
pub fn from_form<T: DeserializeOwned + PartialSchema>(form: &[u8]) -> Result<T> {
    let pairs = form_urlencoded::parse(form).filter(|(name, _)| name != CSRF_FIELD);
    let schema = serde_json::to_value(T::schema())
        .map_err(|error| Error::unexpected("the schema of a request cannot be read").caused_by(error))?;
    let object = json_object(&schema, pairs)?;
    serde_path_to_error::deserialize(Value::Object(object)).map_err(|error| invalid_field(&error))
}

/// Converts the fields of an HTML form that filters a list, and submits with GET, to the query of the list. Fields that the
/// user left empty are absent.
///
/// # Errors
/// `Invalid`, with the name of a form field, for an unknown, repeated or missing field, or a value of the wrong type.
pub fn from_filter_form<T: DeserializeOwned>(query: &str) -> Result<T> {
    let pairs = form_urlencoded::parse(query.as_bytes()).filter(|(_, value)| !value.is_empty());
    from_query(&form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish())
}

/// Converts a query string to a request.
///
/// # Errors
/// Same as [`from_filter_form`].
pub(crate) fn from_query<T: DeserializeOwned>(query: &str) -> Result<T> {
    let pairs = form_urlencoded::parse(query.as_bytes());
    if let Some((name, _)) = pairs.clone().find(|(_, value)| has_nul(value)) {
        return Err(Error::invalid(name, NUL));
    }
    let input = serde_urlencoded::Deserializer::new(pairs);
    serde_path_to_error::deserialize(input).map_err(|error| invalid_field(&error))
}

const NUL: &str = "must not contain U+0000";

/// `true` for a text with U+0000. Backends differ in their treatment of it; PostgreSQL rejects it in every text.
fn has_nul(text: &str) -> bool {
    text.contains('\0')
}

/// Converts a deserialization error to an `Invalid` error of the field.
pub(crate) fn invalid_field<E: std::error::Error>(error: &serde_path_to_error::Error<E>) -> Error {
    let message = error.inner().to_string();
    // The position in the text is of no use to clients that serialize their requests.
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
    let field = match error.path().to_string() {
        path if path == "." => field_in_message(message).unwrap_or_default().to_owned(),
        path => path,
    };
    Error::invalid(field, message)
}

/// Returns the field in a message such as ``missing field `name` ``.
fn field_in_message(message: &str) -> Option<&str> {
    let about = message.starts_with("missing field") || message.starts_with("unknown field");
    message.split('`').nth(1).filter(|_| about)
}

/// Returns the JSON object of the fields of a form.
fn json_object<'a>(
    schema: &Value,
    pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
) -> Result<Map<String, Value>> {
    let mut check = Check::default();
    let mut object = Map::new();
    for (name, text) in pairs {
        check.require(!has_nul(&text), &*name, NUL);
        let (member, rest) = match name.split_once('.') {
            Some((member, rest)) if schema["properties"].get(member).is_some() => (member, Some(rest)),
            _ => (&*name, None),
        };
        let is_list = has_type(&schema["properties"][member], "array");
        if text.is_empty() && rest.is_some() {
            continue;
        }
        let is_new = match (rest, is_list) {
            (Some(rest), _) => {
                let nested = object.entry(member).or_insert_with(|| Value::Object(Map::new()));
                let text = Value::from(text.into_owned());
                nested.as_object_mut().is_some_and(|nested| nested.insert(rest.to_owned(), text).is_none())
            }
            (None, true) => {
                let list = object.entry(member).or_insert_with(|| Value::Array(Vec::new()));
                let list = list.as_array_mut();
                list.is_some_and(|list| {
                    list.extend((!text.is_empty()).then(|| Value::from(text.into_owned())));
                    true
                })
            }
            (None, false) => match json_value(schema, member, &text) {
                Some(value) => object.insert(member.to_owned(), value).is_none(),
                None => true,
            },
        };
        check.require(is_new, &*name, "must occur once");
    }
    check.done()?;
    Ok(object)
}

/// Returns the JSON value of a field; `None` if the field is absent.
fn json_value(schema: &Value, name: &str, text: &str) -> Option<Value> {
    let property = &schema["properties"][name];
    if text.is_empty() {
        let is_required =
            schema["required"].as_array().is_some_and(|names| names.iter().any(|it| it == name));
        return match (is_required, accepts_null(property)) {
            (_, true) => Some(Value::Null),
            (true, false) => Some(Value::from("")),
            (false, false) => None,
        };
    }
    // Other texts remain, so that the error names the expected type.
    let value = match text {
        _ if has_type(property, "integer") => text.parse::<i64>().ok().map(Value::from),
        _ if has_type(property, "number") => text.parse::<f64>().ok().map(Value::from),
        "on" | "true" if has_type(property, "boolean") => Some(Value::from(true)),
        "false" if has_type(property, "boolean") => Some(Value::from(false)),
        _ => None,
    };
    Some(value.unwrap_or_else(|| Value::from(text)))
}

/// `true` if values of a schema have a JSON type.
fn has_type(schema: &Value, name: &str) -> bool {
    match &schema["type"] {
        Value::Array(names) => names.iter().any(|it| it == name),
        single => single == name,
    }
}

fn accepts_null(schema: &Value) -> bool {
    let mut alternatives = schema["oneOf"].as_array().into_iter().flatten();
    has_type(schema, "null") || alternatives.any(|alternative| has_type(alternative, "null"))
}

#[cfg(test)]
mod tests {
    use hexabase_core::error::ErrorKind;
    use serde_json::json;

    use super::*;

    fn object(form: &str) -> Result<Value> {
        let schema = json!({
            "properties": {
                "name": { "type": "string" },
                "title": { "type": ["string", "null"] },
                "parent": { "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/GroupId" }] },
                "role": { "$ref": "#/components/schemas/Role" },
                "nodes": { "type": "integer" },
                "threshold": { "type": ["number", "null"] },
                "cordoned": { "type": ["boolean", "null"] },
                "scopes": { "type": "array" },
                "quota": { "$ref": "#/components/schemas/ResourceAmounts" },
            },
            "required": ["name", "nodes"],
        });
        json_object(&schema, form_urlencoded::parse(form.as_bytes())).map(Value::Object)
    }

    #[test]
    fn a_field_has_the_type_of_its_schema() {
        for (form, expected) in [
            ("name=12&nodes=12&title=12", json!({ "name": "12", "nodes": 12, "title": "12" })),
            ("nodes=many&cordoned=maybe", json!({ "nodes": "many", "cordoned": "maybe" })),
            ("threshold=0.5", json!({ "threshold": 0.5 })),
            ("cordoned=on", json!({ "cordoned": true })),
            ("cordoned=false", json!({ "cordoned": false })),
            ("scopes=a&scopes=b&scopes=", json!({ "scopes": ["a", "b"] })),
            ("quota.cpu=1&quota.memory=", json!({ "quota": { "cpu": "1" } })),
            ("a.b=1&other=2", json!({ "a.b": "1", "other": "2" })),
        ] {
            assert_eq!(object(form).unwrap(), expected, "{form}");
        }
    }

    #[test]
    fn an_empty_field_is_absent_null_or_an_empty_text() {
        let form = "name=&title=&parent=&role=&nodes=&cordoned=&scopes=";
        let expected = json!({
            "name": "", "title": null, "parent": null, "nodes": "", "cordoned": null, "scopes": [],
        });
        assert_eq!(object(form).unwrap(), expected);
    }

    #[test]
    fn repeated_fields_and_nul_are_rejected_by_the_name_of_the_field() {
        for form in ["name=a&name=b", "quota.cpu=1&quota.cpu=2", "title=%00"] {
            let error = object(form).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{form}");
            let field = form.split('=').next().unwrap();
            assert_eq!(error.violations()[0].field, field);
        }
    }
}
