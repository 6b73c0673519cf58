//! Id and route of each request, and the path that the API is mounted under.

use std::sync::Arc;

use axum::extract::{MatchedPath, OriginalUri, Request, State};
use axum::http::header::{ACCEPT_LANGUAGE, COOKIE, HeaderName};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use cookie::Cookie;
use hexabase_core::Platform;
use hexabase_core::id_source::IdSourceExt as _;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What is known about a request before it is processed. [`request_context`] adds it to the extensions of the request.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RequestContext {
    /// Id of the request: from `X-Request-Id`, or a new one.
    pub id: String,
    /// Path template of the route, without the path that the API is mounted under; empty if no route matches.
    pub route: Arc<str>,
    /// Path that the API is mounted under, such as `/hexabase`; empty at the root.
    pub mount: String,
    /// Preferences of the browser, for pages.
    pub preferences: BrowserPreferences,
}

/// Preferences of a browser as it sent them; not validated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrowserPreferences {
    /// Header `Accept-Language`; empty if it is absent or longer than 256 bytes.
    pub accept_language: String,
    /// Cookie [`PREFERENCES_COOKIE`]; empty if it is absent or longer than 256 bytes.
    pub cookie: String,
}

/// Cookie with the preferences that a user chose for this browser, such as the language. It is not a secret.
pub const PREFERENCES_COOKIE: &str = "hexabase_preferences";
/// Maximum length of each preference, in bytes.
const MAX_PREFERENCE_BYTES: usize = 256;

impl BrowserPreferences {
    fn of(headers: &HeaderMap) -> Self {
        let bounded = |text: &str| (text.len() <= MAX_PREFERENCE_BYTES).then(|| text.to_owned());
        let language = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).and_then(bounded);
        let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut cookies = values.flat_map(|value| Cookie::split_parse(value).flatten());
        let cookie = cookies.find(|cookie| cookie.name() == PREFERENCES_COOKIE);
        Self {
            accept_language: language.unwrap_or_default(),
            cookie: cookie.and_then(|cookie| bounded(cookie.value())).unwrap_or_default(),
        }
    }
}

tokio::task_local! {
    static CURRENT: Arc<RequestContext>;
}

impl RequestContext {
    /// Returns the context of a request; an empty one without the layer [`request_context`].
    #[must_use]
    pub fn of(extensions: &axum::http::Extensions) -> Arc<Self> {
        extensions.get::<Arc<Self>>().cloned().unwrap_or_default()
    }

    /// Returns the context of the request that the current task processes; an empty one outside of a request.
    #[must_use]
    pub fn current() -> Arc<Self> {
        CURRENT.try_with(Arc::clone).unwrap_or_default()
    }
}

/// Returns the path of this server for a path of the API, which may be mounted under another path.
#[must_use]
pub fn server_path(path: &str) -> String {
    format!("{}{path}", RequestContext::current().mount)
}

/// Middleware that gives each request an id and its [`RequestContext`], and returns the id in `X-Request-Id`. Error
/// responses contain the id if this layer is outside of the layer or handler that fails.
pub async fn request_context(State(platform): State<Platform>, mut request: Request, next: Next) -> Response {
    let mount = mount(&request);
    let matched = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
    let route = without_segments(matched, mount.matches('/').count()).into();
    let id = request_id(&platform, request.headers());
    let header = HeaderValue::from_str(&id);
    let preferences = BrowserPreferences::of(request.headers());
    let context = Arc::new(RequestContext { id, route, mount, preferences });
    request.extensions_mut().insert(context.clone());
    let mut response = CURRENT.scope(context, next.run(request)).await;
    if let Ok(id) = header {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Returns the part of the path that routers around the API have removed.
fn mount(request: &Request) -> String {
    let original = request.extensions().get::<OriginalUri>().map(|original| original.path());
    original.map(|original| mount_of(original, request.uri().path())).unwrap_or_default().to_owned()
}

/// Returns the part of an original path that is missing in the path that remained. The root of a mount remains as `/`.
fn mount_of<'a>(original: &'a str, remaining: &str) -> &'a str {
    match original.strip_suffix(remaining) {
        Some(mount) => mount,
        None if remaining == "/" => original,
        None => "",
    }
}

/// Removes the first segments of a path template. Those of the mount can be parameters.
fn without_segments(template: &str, count: usize) -> &str {
    template.match_indices('/').nth(count).map_or("", |(start, _)| &template[start..])
}

/// Returns the request id from the caller if it is valid (1 to 64 letters, digits, `-`, `_` or `.`), or a new one.
fn request_id(platform: &Platform, headers: &HeaderMap) -> String {
    let sent = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let is_valid = |id: &&str| {
        (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    match sent.filter(is_valid) {
        Some(id) => id.to_owned(),
        None => format!("{:032x}", u128::from_be_bytes(platform.ids().bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::{mount_of, without_segments};

    #[test]
    fn the_mount_is_what_routers_around_the_api_have_removed() {
        for (original, remaining, mount) in [
            ("/tenancy/console", "/console", "/tenancy"),
            ("/tenancy", "/", "/tenancy"),
            ("/tenancy/", "/", "/tenancy"),
            ("/console", "/console", ""),
            ("/", "/", ""),
        ] {
            assert_eq!(mount_of(original, remaining), mount, "{original}");
        }
    }

    #[test]
    fn the_route_of_a_mounted_api_has_no_part_of_the_mount() {
        for (template, mounted, route) in [
            ("/oauth2/token", 0, "/oauth2/token"),
            ("/tenancy/oauth2/token", 1, "/oauth2/token"),
            ("/{region}/tenancy/oauth2/token", 2, "/oauth2/token"),
            ("", 0, ""),
            ("/tenancy", 1, ""),
        ] {
            assert_eq!(without_segments(template, mounted), route, "{template}");
        }
    }
}
