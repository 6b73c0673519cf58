//! Fields of requests.

use hexabase_core::search::SearchText;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

/// Parses an optional field.
pub(crate) fn parse_optional<T, E>(
    text: &Option<String>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, E> {
    text.as_deref().map(parse).transpose()
}

/// Parses an optional, nullable field: absent leaves the value unchanged, null removes it.
pub(crate) fn parse_nullable<T, E>(
    text: &Option<Option<String>>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<Option<T>>, E> {
    text.as_ref().map(|text| parse_optional(text, parse)).transpose()
}

/// Deserializes a nullable field so that null (`Some(None)`) differs from absent (`None`). Requires
/// `#[serde(default)]`.
pub(crate) fn nullable<'de, T, D>(input: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(input).map(Some)
}

/// Parses a time of RFC 3339, whose years have four digits; the parser of the library also accepts years before 0, which
/// not every backend can compare.
///
/// # Errors
/// The rule that the text violates.
pub(crate) fn parse_timestamp(text: &str) -> Result<Timestamp, &'static str> {
    let four_digit_year = text.bytes().take_while(u8::is_ascii_digit).count() == 4;
    let parsed = text.parse().ok().filter(|_| four_digit_year);
    parsed.ok_or("must be a time such as 2026-01-31T12:00:00Z (RFC 3339)")
}

/// Parses the parameter `q`.
///
/// # Errors
/// `Invalid` for a text that cannot be searched for.
pub(crate) fn parse_text(q: Option<&str>) -> hexabase_core::Result<Option<SearchText>> {
    q.map(SearchText::parse).transpose()
}
