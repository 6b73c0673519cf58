//! Routes of the API, from URL paths.

use std::collections::BTreeMap;

/// Parts of a path below `/api` or `/apis`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) plural: String,
    pub(super) namespace: String,
    pub(super) name: Option<String>,
    pub(super) subresource: Option<String>,
}

/// Route of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// Objects.
    Objects(Target),
    /// API groups, versions and kinds, by the segments of the path.
    Discovery(Vec<String>),
    /// OpenAPI documents, by the segments of the path after `/openapi/v3`.
    OpenApi(Vec<String>),
    /// `/healthz`, `/readyz`, `/livez`.
    Health,
    /// `/metrics`.
    Metrics,
    /// `/version`.
    Version,
    /// Path that the API server does not serve.
    Unknown,
}

pub(super) fn route(path: &str) -> Route {
    let parts: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(decode).collect();
    let segments: Vec<&str> = parts.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["healthz" | "readyz" | "livez"] => Route::Health,
        ["metrics"] => Route::Metrics,
        ["version"] => Route::Version,
        ["api"] | ["api", "v1"] | ["apis"] | ["apis", _] | ["apis", _, _] => Route::Discovery(parts),
        ["openapi", "v3", ..] => Route::OpenApi(parts[2..].to_vec()),
        ["api", version, rest @ ..] => objects("", version, rest),
        ["apis", group, version, rest @ ..] => objects(group, version, rest),
        _ => Route::Unknown,
    }
}

fn objects(group: &str, version: &str, rest: &[&str]) -> Route {
    let (namespace, rest) = match rest {
        // `namespaces/x` is the namespace; `namespaces/x/y` is a collection in it, unless y is a subresource of it.
        ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => ("", rest),
        ["namespaces", namespace, inner @ ..] => (*namespace, inner),
        _ => ("", rest),
    };
    let (plural, name, subresource) = match rest {
        [plural] => (plural, None, None),
        [plural, name] => (plural, Some(name), None),
        [plural, name, subresource] => (plural, Some(name), Some(subresource)),
        _ => return Route::Unknown,
    };
    let owned = |text: &&str| (*text).to_owned();
    Route::Objects(Target {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: owned(plural),
        namespace: namespace.to_owned(),
        name: name.map(owned),
        subresource: subresource.map(owned),
    })
}

/// Parameters of a query string; the last value of a name counts.
pub(super) fn query(query: Option<&str>) -> BTreeMap<String, String> {
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(&name.replace('+', " ")), decode(&value.replace('+', " ")))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let escaped = bytes.get(index + 1..index + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match (bytes[index], escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                index += 3;
            }
            (byte, _) => {
                decoded.push(byte);
                index += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
