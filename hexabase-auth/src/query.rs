//! Query parameters of URLs.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Percent-encoded characters: all except the unreserved ones (RFC 3986 section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Appends query parameters to a URL; those without a value are omitted.
pub(crate) fn with_query(url: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let mut text = url.to_owned();
    let mut separator = if url.contains('?') { '&' } else { '?' };
    for (name, value) in parameters {
        let Some(value) = value else { continue };
        text.push(separator);
        text.push_str(name);
        text.push('=');
        text.extend(utf8_percent_encode(value, ESCAPED));
        separator = '&';
    }
    text
}

#[cfg(test)]
mod tests {
    use super::with_query;

    #[test]
    fn parameters_are_appended_to_existing_ones() {
        assert_eq!(
            with_query("https://a.example/b", &[("c", Some("d e&é")), ("f", None)]),
            "https://a.example/b?c=d%20e%26%C3%A9"
        );
        assert_eq!(with_query("https://a.example/b?x=1", &[("c", Some("d"))]), "https://a.example/b?x=1&c=d");
        assert_eq!(with_query("https://a.example/b", &[("c", None)]), "https://a.example/b");
    }
}
