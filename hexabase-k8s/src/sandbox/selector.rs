//! Label and field selectors.

use serde_json::Value;

use super::response::{StatusError, StatusResult};

/// Filter of a list, a watch or a collection deletion.
#[derive(Debug, Clone, Default)]
pub(super) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<(String, bool, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    DoesNotExist(String),
}

impl Selector {
    pub(super) fn parse(labels: &str, fields: &str) -> StatusResult<Self> {
        Ok(Self { labels: parse_labels(labels)?, fields: parse_fields(fields)? })
    }

    pub(super) fn matches(&self, object: &Value) -> bool {
        self.labels.iter().all(|requirement| requirement.matches(object))
            && self.fields.iter().all(|(path, equal, value)| {
                let pointer = format!("/{}", path.replace('.', "/"));
                let actual = object.pointer(&pointer).and_then(Value::as_str).unwrap_or_default();
                (actual == value) == *equal
            })
    }
}

impl Requirement {
    fn matches(&self, object: &Value) -> bool {
        let labels = object.pointer("/metadata/labels");
        let label = |key: &str| labels.and_then(|labels| labels.get(key)).and_then(Value::as_str);
        match self {
            Self::In(key, values) => {
                label(key).is_some_and(|label| values.iter().any(|value| value == label))
            }
            Self::NotIn(key, values) => {
                label(key).is_none_or(|label| !values.iter().any(|value| value == label))
            }
            Self::Exists(key) => label(key).is_some(),
            Self::DoesNotExist(key) => label(key).is_none(),
        }
    }
}

/// `true` if the labels of an object match a `LabelSelector`; an empty or missing one matches everything.
pub(super) fn matches_label_selector(selector: &Value, object: &Value) -> bool {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let equal = selector["matchLabels"].as_object().into_iter().flatten();
    let equal = equal.map(|(key, value)| Requirement::In(key.clone(), vec![text(value)]));
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten().map(|expression| {
        let values = || expression["values"].as_array().into_iter().flatten().map(text).collect();
        let key = text(&expression["key"]);
        match expression["operator"].as_str() {
            Some("In") => Requirement::In(key, values()),
            Some("NotIn") => Requirement::NotIn(key, values()),
            Some("DoesNotExist") => Requirement::DoesNotExist(key),
            _ => Requirement::Exists(key),
        }
    });
    equal.chain(expressions).all(|requirement| requirement.matches(object))
}

/// Splits a selector at its commas, except those within parentheses.
fn terms(selector: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0_u32, 0, Vec::new());
    for (index, character) in selector.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                found.push(&selector[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    found.push(&selector[start..]);
    found.into_iter().map(str::trim).filter(|term| !term.is_empty()).collect()
}

fn parse_labels(selector: &str) -> StatusResult<Vec<Requirement>> {
    terms(selector).into_iter().map(parse_label).collect()
}

fn parse_label(term: &str) -> StatusResult<Requirement> {
    let parse_error = || StatusError::bad_request(format!("unable to parse requirement: {term}"));
    let single_value = |key: &str, value: &str| {
        let (key, value) = (key.trim(), value.trim());
        let is_valid = is_label_key(key) && is_label_value(value);
        is_valid.then(|| (key.to_owned(), vec![value.to_owned()])).ok_or_else(parse_error)
    };
    if let Some((key, value)) = term.split_once("!=") {
        return single_value(key, value).map(|(key, values)| Requirement::NotIn(key, values));
    }
    if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        return single_value(key, value).map(|(key, values)| Requirement::In(key, values));
    }
    if let Some((head, rest)) = term.split_once('(') {
        let values = rest.strip_suffix(')').ok_or_else(parse_error)?;
        let values: Vec<String> = values.split(',').map(|value| value.trim().to_owned()).collect();
        let mut tokens = head.split_whitespace();
        let (key, operator) =
            (tokens.next().ok_or_else(parse_error)?, tokens.next().ok_or_else(parse_error)?);
        if !is_label_key(key) || !values.iter().all(|value| is_label_value(value)) || tokens.next().is_some()
        {
            return Err(parse_error());
        }
        return match operator {
            "in" => Ok(Requirement::In(key.to_owned(), values)),
            "notin" => Ok(Requirement::NotIn(key.to_owned(), values)),
            _ => Err(parse_error()),
        };
    }
    match term.strip_prefix('!').map(str::trim) {
        Some(key) if is_label_key(key) => Ok(Requirement::DoesNotExist(key.to_owned())),
        None if is_label_key(term) => Ok(Requirement::Exists(term.to_owned())),
        _ => Err(parse_error()),
    }
}

fn is_name_segment(text: &str) -> bool {
    let is_alphanumeric = |byte: u8| byte.is_ascii_alphanumeric();
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && is_alphanumeric(bytes[0])
        && is_alphanumeric(bytes[bytes.len() - 1])
        && bytes.iter().all(|byte| is_alphanumeric(*byte) || b"-_.".contains(byte))
}

/// `true` for a valid label key: a name segment, optionally after a domain and a slash.
pub(super) fn is_label_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((domain, segment)) => is_subdomain(domain) && is_name_segment(segment),
        None => is_name_segment(key),
    }
}

/// `true` for a valid label value: a name segment, or the empty string.
pub(super) fn is_label_value(value: &str) -> bool {
    value.is_empty() || is_name_segment(value)
}

/// `true` for an RFC 1123 subdomain.
pub(super) fn is_subdomain(text: &str) -> bool {
    let label = |label: &str| {
        let is_alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = label.as_bytes();
        !bytes.is_empty()
            && is_alphanumeric(bytes[0])
            && is_alphanumeric(bytes[bytes.len() - 1])
            && bytes.iter().all(|byte| is_alphanumeric(*byte) || *byte == b'-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

fn parse_fields(selector: &str) -> StatusResult<Vec<(String, bool, String)>> {
    const SUPPORTED_FIELDS: [&str; 8] = [
        "involvedObject.kind",
        "involvedObject.name",
        "metadata.name",
        "metadata.namespace",
        "reason",
        "spec.nodeName",
        "status.phase",
        "type",
    ];
    let term = |term: &str| {
        let (path, equal, value) = if let Some((path, value)) = term.split_once("!=") {
            (path, false, value)
        } else if let Some((path, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
            (path, true, value)
        } else {
            return Err(StatusError::bad_request(format!("invalid field selector: {term}")));
        };
        if !SUPPORTED_FIELDS.contains(&path) {
            return Err(StatusError::bad_request(format!("field label not supported: {path}")));
        }
        Ok((path.to_owned(), equal, value.to_owned()))
    };
    terms(selector).into_iter().map(term).collect()
}
