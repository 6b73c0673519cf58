//! Languages of the console: negotiation of the language, and texts in it.

mod pseudo;
mod texts;

use hexabase_core::name;

pub use texts::{Arg, Texts};

/// Language of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Japanese.
    Japanese,
    /// English with accents and brackets, for development and tests: text that is plain English in this language comes
    /// from no translation. Only a cookie with its tag chooses it.
    Pseudo,
}

/// Maximum number of bytes of `Accept-Language` that are read. Browsers send far less.
const MAX_HEADER_LENGTH: usize = 512;
/// Maximum number of ranges of `Accept-Language` that are read.
const MAX_RANGES: usize = 16;
/// Quality of a range without `q`, in thousandths.
const FULL_QUALITY: u16 = 1_000;

impl Language {
    /// Languages that users can choose.
    pub const CHOICES: [Self; 2] = [Self::English, Self::Japanese];

    /// Returns the language tag for the attribute `lang`.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Japanese => "ja",
            Self::Pseudo => "en-XA",
        }
    }

    /// Returns the name of the language in itself.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Japanese => "日本語",
            Self::Pseudo => "Pseudo",
        }
    }

    /// Returns the language of a tag such as `ja` or `en-GB` by its primary language; `None` if the console has no
    /// translation for it.
    #[must_use]
    pub fn parse(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or(tag);
        Self::CHOICES.into_iter().find(|language| language.tag().eq_ignore_ascii_case(primary))
    }

    /// Returns the language of a user's preference; `None` if the console has no translation for it.
    #[must_use]
    pub fn of_preference(preference: &name::Language) -> Option<Self> {
        Self::parse(preference.as_str())
    }

    /// Returns the language of a cookie, which is also how developers choose the pseudo-locale.
    fn of_cookie(tag: &str) -> Option<Self> {
        if tag == Self::Pseudo.tag() { Some(Self::Pseudo) } else { Self::parse(tag) }
    }

    /// Returns the language of a page: the user's preference, else that of the cookie, else the best one of
    /// `Accept-Language` (RFC 9110, section 12.5.4), else English.
    #[must_use]
    pub fn negotiate(preference: Option<Self>, cookie: Option<&str>, accept_language: Option<&str>) -> Self {
        preference
            .or_else(|| cookie.and_then(Self::of_cookie))
            .or_else(|| accept_language.and_then(accepted))
            .unwrap_or_default()
    }
}

/// Returns the language with the highest quality; of several, the first one.
fn accepted(header: &str) -> Option<Language> {
    let read = &header.as_bytes()[..header.len().min(MAX_HEADER_LENGTH)];
    let read = std::str::from_utf8(read).ok()?;
    let mut best: Option<(u16, Language)> = None;
    for range in read.split(',').take(MAX_RANGES) {
        let Some((quality, language)) = range_of(range) else { continue };
        if quality > best.map_or(0, |(highest, _)| highest) {
            best = Some((quality, language));
        }
    }
    best.map(|(_, language)| language)
}

/// Parses a range such as `ja;q=0.8`; `*` stands for English.
fn range_of(range: &str) -> Option<(u16, Language)> {
    let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
    let tag = tag.trim();
    let language = if tag == "*" { Language::English } else { Language::parse(tag)? };
    let quality = match parameters.trim() {
        "" => FULL_QUALITY,
        parameters => thousandths(parameters.strip_prefix("q=").or_else(|| parameters.strip_prefix("Q="))?)?,
    };
    Some((quality, language))
}

/// Parses a quality value of RFC 9110, section 12.4.2: at most three decimals, not above 1.
fn thousandths(value: &str) -> Option<u16> {
    let (whole, decimals) = value.split_once('.').unwrap_or((value, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction = format!("{decimals:0<3}").parse::<u16>().ok()?;
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(FULL_QUALITY),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
