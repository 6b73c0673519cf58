//! Optional and nullable fields of requests.

use serde::{Deserialize, Deserializer};

/// Parses an optional field.
pub(super) fn parse_optional<T, E>(
    text: &Option<String>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, E> {
    text.as_deref().map(parse).transpose()
}

/// Parses an optional, nullable field: absent leaves the value unchanged, null removes it.
pub(super) fn parse_nullable<T, E>(
    text: &Option<Option<String>>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<Option<T>>, E> {
    text.as_ref().map(|text| parse_optional(text, parse)).transpose()
}

/// Deserializes a nullable field so that null (`Some(None)`) differs from absent (`None`). Requires
/// `#[serde(default)]`.
pub(super) fn nullable<'de, T, D>(input: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(input).map(Some)
}
