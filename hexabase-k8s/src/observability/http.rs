//! HTTP clients of the monitoring systems.

use std::time::Duration;

use hexabase_core::error::{Error, Result};
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, Response, Url};

/// Returns the URL of a setting, without a query: it could contain a secret, which errors would show.
///
/// # Errors
/// `Invalid` with the name of the setting if it is not an http or https URL.
pub(super) fn base_url(setting: &'static str, url: &SecretString) -> Result<Url> {
    let parsed = url.expose_secret().parse::<Url>().ok();
    let has_scheme = |url: &Url| matches!(url.scheme(), "http" | "https");
    let invalid = || Error::invalid(setting, "is not an http or https URL");
    let mut url = parsed.filter(has_scheme).ok_or_else(invalid)?;
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

/// Returns the URL of a path below a base URL, which may have a path itself.
pub(super) fn below(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    // Every http URL can have segments.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

/// Creates a client that sends the bearer token of a setting, if there is one, and follows no redirects.
///
/// # Errors
/// `Invalid` with the name of the setting for a token that no header can contain.
pub(super) fn client(
    setting: &'static str,
    token: Option<&SecretString>,
    timeout: Duration,
) -> Result<Client> {
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        let invalid = |_| Error::invalid(setting, "contains characters that are invalid in a header");
        let mut bearer =
            HeaderValue::try_from(format!("Bearer {}", token.expose_secret())).map_err(invalid)?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    Client::builder()
        .default_headers(headers)
        .timeout(timeout)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("hexabase/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| Error::unexpected("the HTTP client cannot be created").caused_by(error))
}

/// Reads the body of a response; `None` if it has more than `limit` bytes.
pub(super) async fn read_body(mut response: Response, limit: usize) -> reqwest::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_are_http_and_have_no_query() {
        for (text, expected) in [
            ("http://loki.example", Some("http://loki.example/")),
            (
                "https://ann:pass@loki.example/logs/?token=s3cr3t#x",
                Some("https://ann:pass@loki.example/logs/"),
            ),
            ("ftp://loki.example", None),
            ("loki.example:3100", None),
            ("", None),
        ] {
            let url = base_url("loki_url", &text.into());
            assert_eq!(url.as_ref().ok().map(Url::as_str), expected, "{text}");
            assert!(!format!("{url:?}").contains("s3cr3t"));
        }
        let base = base_url("loki_url", &"http://loki.example/logs/".into()).unwrap();
        assert_eq!(below(&base, &["api", "v1"]).as_str(), "http://loki.example/logs/api/v1");
    }
}
