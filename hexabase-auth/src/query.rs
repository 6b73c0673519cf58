//! Adding parameters to a URL.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but what is never escaped (RFC 3986 section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A URL with more parameters; those without a value are left out.
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
    fn parameters_are_added_to_those_that_are_there() {
        assert_eq!(
            with_query("https://a.example/b", &[("c", Some("d e&é")), ("f", None)]),
            "https://a.example/b?c=d%20e%26%C3%A9"
        );
        assert_eq!(with_query("https://a.example/b?x=1", &[("c", Some("d"))]), "https://a.example/b?x=1&c=d");
        assert_eq!(with_query("https://a.example/b", &[("c", None)]), "https://a.example/b");
    }
}
