//! Label and field selectors.

use serde_json::Value;

use super::reply::{Outcome, Refusal};

/// What a list, a watch or a collective deletion is narrowed to.
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
    Missing(String),
}

impl Selector {
    pub(super) fn parse(labels: &str, fields: &str) -> Outcome<Self> {
        Ok(Self { labels: parse_labels(labels)?, fields: parse_fields(fields)? })
    }

    pub(super) fn matches(&self, object: &Value) -> bool {
        self.labels.iter().all(|requirement| requirement.holds(object))
            && self.fields.iter().all(|(path, equal, value)| {
                let pointer = format!("/{}", path.replace('.', "/"));
                let there = object.pointer(&pointer).and_then(Value::as_str).unwrap_or_default();
                (there == value) == *equal
            })
    }
}

impl Requirement {
    fn holds(&self, object: &Value) -> bool {
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
            Self::Missing(key) => label(key).is_none(),
        }
    }
}

/// The terms of a selector: at commas that are not within parentheses.
fn terms(selector: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0_u32, 0, Vec::new());
    for (place, character) in selector.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                found.push(&selector[start..place]);
                start = place + 1;
            }
            _ => {}
        }
    }
    found.push(&selector[start..]);
    found.into_iter().map(str::trim).filter(|term| !term.is_empty()).collect()
}

fn parse_labels(selector: &str) -> Outcome<Vec<Requirement>> {
    terms(selector).into_iter().map(parse_label).collect()
}

fn parse_label(term: &str) -> Outcome<Requirement> {
    let wrong = || Refusal::bad_request(format!("unable to parse requirement: {term}"));
    let one = |key: &str, value: &str| {
        let (key, value) = (key.trim(), value.trim());
        let fits = is_key(key) && is_value(value);
        fits.then(|| (key.to_owned(), vec![value.to_owned()])).ok_or_else(wrong)
    };
    if let Some((key, value)) = term.split_once("!=") {
        return one(key, value).map(|(key, values)| Requirement::NotIn(key, values));
    }
    if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        return one(key, value).map(|(key, values)| Requirement::In(key, values));
    }
    if let Some((head, rest)) = term.split_once('(') {
        let values = rest.strip_suffix(')').ok_or_else(wrong)?;
        let values: Vec<String> = values.split(',').map(|value| value.trim().to_owned()).collect();
        let mut words = head.split_whitespace();
        let (key, operator) = (words.next().ok_or_else(wrong)?, words.next().ok_or_else(wrong)?);
        if !is_key(key) || !values.iter().all(|value| is_value(value)) || words.next().is_some() {
            return Err(wrong());
        }
        return match operator {
            "in" => Ok(Requirement::In(key.to_owned(), values)),
            "notin" => Ok(Requirement::NotIn(key.to_owned(), values)),
            _ => Err(wrong()),
        };
    }
    match term.strip_prefix('!').map(str::trim) {
        Some(key) if is_key(key) => Ok(Requirement::Missing(key.to_owned())),
        None if is_key(term) => Ok(Requirement::Exists(term.to_owned())),
        _ => Err(wrong()),
    }
}

fn is_word(text: &str) -> bool {
    let outer = |byte: u8| byte.is_ascii_alphanumeric();
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && outer(bytes[0])
        && outer(bytes[bytes.len() - 1])
        && bytes.iter().all(|byte| outer(*byte) || b"-_.".contains(byte))
}

/// A label's key: a word, with or without a domain before a slash.
pub(super) fn is_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((domain, word)) => is_subdomain(domain) && is_word(word),
        None => is_word(key),
    }
}

/// A label's value: a word, or nothing.
pub(super) fn is_value(value: &str) -> bool {
    value.is_empty() || is_word(value)
}

/// RFC 1123 subdomain.
pub(super) fn is_subdomain(text: &str) -> bool {
    let label = |label: &str| {
        let outer = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = label.as_bytes();
        !bytes.is_empty()
            && outer(bytes[0])
            && outer(bytes[bytes.len() - 1])
            && bytes.iter().all(|byte| outer(*byte) || *byte == b'-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

fn parse_fields(selector: &str) -> Outcome<Vec<(String, bool, String)>> {
    const KNOWN: [&str; 8] = [
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
            return Err(Refusal::bad_request(format!("invalid field selector: {term}")));
        };
        if !KNOWN.contains(&path) {
            return Err(Refusal::bad_request(format!("field label not supported: {path}")));
        }
        Ok((path.to_owned(), equal, value.to_owned()))
    };
    terms(selector).into_iter().map(term).collect()
}
