//! Responses with pages.

use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, LOCATION, VARY};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use flate2::Compression;
use hexabase_api::html_pages::PageError;
use http_body_util::BodyExt as _;
use maud::Markup;

use crate::assets::{accepts_gzip, gzip};
use crate::context::Context;
use crate::csp;
use crate::flash::Flash;

/// Result of a page's handler.
pub(crate) type PageResult = Result<Response, PageError>;

/// Header of requests that a script sends for a dialog.
const DIALOG: HeaderName = HeaderName::from_static("hexabase-dialog");
/// Header of the response with the address to continue at.
const DIALOG_LOCATION: HeaderName = HeaderName::from_static("hexabase-location");
/// Minimum length of a page that is compressed, in bytes.
const MIN_COMPRESSED_BYTES: usize = 1_024;

/// Returns a document as a response, with the headers of pages. Its forms may redirect to `form_destination`, an origin,
/// if it is not empty.
pub(crate) fn document(status: StatusCode, document: &Markup, form_destination: &str) -> Response {
    let mut response = (status, Html(document.0.clone())).into_response();
    csp::set_headers(response.headers_mut(), form_destination);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Redirects to the next page, which shows a message.
pub(crate) fn see_other(context: Context, url: &str, flash: &Flash) -> Response {
    let jar = flash.clone().put(context.state.api.auth(), context.user.id, context.jar);
    (jar, Redirect::to(url)).into_response()
}

/// Middleware that replaces redirects in responses to a dialog: its script cannot read where a redirect leads, and following
/// it would take the message that the next page shows.
pub(crate) async fn name_redirects(request: Request, next: Next) -> Response {
    let is_dialog = request.headers().contains_key(DIALOG);
    let mut response = next.run(request).await;
    if !is_dialog || response.status() != StatusCode::SEE_OTHER {
        return response;
    }
    if let Some(location) = response.headers_mut().remove(LOCATION) {
        response.headers_mut().insert(DIALOG_LOCATION, location);
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    response
}

/// Middleware that compresses pages. The tokens in them are masked, so that lengths reveal nothing about them.
pub(crate) async fn compress(request: Request, next: Next) -> Response {
    let accepts = accepts_gzip(request.headers());
    let response = next.run(request).await;
    let is_page =
        response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if !accepts || !is_page {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // Pages are complete in memory, so collecting them does not fail.
    let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    parts.headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if bytes.len() < MIN_COMPRESSED_BYTES {
        return Response::from_parts(parts, bytes.into());
    }
    parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts.headers.remove(axum::http::header::CONTENT_LENGTH);
    Response::from_parts(parts, gzip(&bytes, Compression::fast()).into())
}
