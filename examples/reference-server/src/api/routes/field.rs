//! Fields of requests that need not be there.

use serde::{Deserialize, Deserializer};

/// Reads a field that may be missing.
pub(super) fn optional<T, E>(
    text: &Option<String>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, E> {
    text.as_deref().map(parse).transpose()
}

/// Reads a field that may be missing, which leaves things as they are, or null, which clears them.
pub(super) fn clearable<T, E>(
    text: &Option<Option<String>>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<Option<T>>, E> {
    text.as_ref().map(|text| optional(text, parse)).transpose()
}

/// Tells a field that is null from one that is not there; goes with `#[serde(default)]`.
pub(super) fn given<'de, T, D>(input: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(input).map(Some)
}
