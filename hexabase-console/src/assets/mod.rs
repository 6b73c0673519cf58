//! Stylesheet and scripts. They are part of the binary, compressed once, and cached by browsers for ever: their
//! URL contains a hash of all of them.

use std::io::Write as _;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use hexabase_api::ApiError;
use hexabase_api::layers::server_path;
use sha2::{Digest as _, Sha256};

/// Media type of scripts.
const SCRIPT: &str = "text/javascript; charset=utf-8";
/// Files that pages load, with their media types.
const FILES: &[(&str, &str, &[u8])] = &[
    ("console.css", "text/css; charset=utf-8", include_bytes!("console.css")),
    ("console.mjs", SCRIPT, include_bytes!("console.mjs")),
    ("dialog.mjs", SCRIPT, include_bytes!("dialog.mjs")),
    ("icon.svg", "image/svg+xml", include_bytes!("icon.svg")),
    ("live.mjs", SCRIPT, include_bytes!("live.mjs")),
    ("logs.mjs", SCRIPT, include_bytes!("logs.mjs")),
    ("palette.mjs", SCRIPT, include_bytes!("palette.mjs")),
];
/// Length of the hash in URLs, in hexadecimal digits.
const HASH_LENGTH: usize = 16;

/// Prepared files.
struct Assets {
    hash: String,
    /// Compressed files, in the order of [`FILES`].
    compressed: Vec<Vec<u8>>,
}

static ASSETS: LazyLock<Assets> = LazyLock::new(|| {
    let mut hasher = Sha256::new();
    for (name, _, bytes) in FILES {
        hasher.update(name);
        hasher.update(bytes);
    }
    let mut hash: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    hash.truncate(HASH_LENGTH);
    Assets { hash, compressed: FILES.iter().map(|(_, _, bytes)| gzip(bytes, Compression::best())).collect() }
});

/// Returns bytes in the format of gzip.
pub(crate) fn gzip(bytes: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    // Writing to memory does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// `true` if a client accepts the content coding gzip.
pub(crate) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.any(|value| {
        value.split(',').any(|coding| {
            let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
            name.trim().eq_ignore_ascii_case("gzip") && !matches!(quality.trim(), "q=0" | "q=0.0" | "q=0.00")
        })
    })
}

/// Returns the path of a file on this server.
pub(crate) fn url(name: &str) -> String {
    server_path(&format!("{}/{}/{name}", crate::urls::ASSETS, ASSETS.hash))
}

/// Serves a file. Pages of another version of the server, during an upgrade, receive the current file, which browsers do
/// not keep under that URL.
pub(crate) async fn serve(Path((hash, name)): Path<(String, String)>, headers: HeaderMap) -> Response {
    let Some(index) = FILES.iter().position(|(known, ..)| *known == name) else {
        return ApiError::no_such_path().into_response();
    };
    let (_, content_type, bytes) = FILES[index];
    let is_current = hash == ASSETS.hash;
    let cache = if is_current { "public, max-age=31536000, immutable" } else { "no-store" };
    let headers_of_file: [(HeaderName, HeaderValue); 4] = [
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (CACHE_CONTROL, HeaderValue::from_static(cache)),
        (VARY, HeaderValue::from_static("accept-encoding")),
        (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    ];
    if !accepts_gzip(&headers) {
        return (StatusCode::OK, headers_of_file, bytes).into_response();
    }
    let compressed = ASSETS.compressed[index].as_slice();
    let coding = [(CONTENT_ENCODING, HeaderValue::from_static("gzip"))];
    (StatusCode::OK, headers_of_file, coding, compressed).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compressed(name: &str) -> usize {
        ASSETS.compressed[FILES.iter().position(|(known, ..)| *known == name).unwrap()].len()
    }

    #[test]
    fn files_are_within_their_budget() {
        let scripts: usize =
            FILES.iter().filter(|(name, ..)| name.ends_with(".mjs")).map(|(name, ..)| compressed(name)).sum();
        let budget: serde_json::Value = serde_json::from_str(include_str!("../../budget.json")).unwrap();
        let limit = |path: &str| usize::try_from(budget.pointer(path).unwrap().as_u64().unwrap()).unwrap();
        assert!(scripts <= limit("/scripts/all_gzip_bytes"), "all scripts: {scripts} bytes");
        for (name, ..) in FILES {
            let limit = match *name {
                "console.css" => limit("/stylesheet/gzip_bytes"),
                "console.mjs" => limit("/scripts/core_gzip_bytes"),
                _ => limit("/scripts/module_gzip_bytes"),
            };
            assert!(compressed(name) <= limit, "{name}: {} bytes, at most {limit}", compressed(name));
        }
    }

    #[test]
    fn gzip_is_sent_to_clients_that_accept_it() {
        for (accepted, expected) in
            [("gzip, br", true), ("br;q=1, GZIP;q=0.5", true), ("gzip;q=0", false), ("br", false)]
        {
            let headers = [(ACCEPT_ENCODING, accepted.parse().unwrap())].into_iter().collect();
            assert_eq!(accepts_gzip(&headers), expected, "{accepted}");
        }
    }
}
