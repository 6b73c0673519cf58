//! Errors as pages, for browsers.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, ALLOW, HeaderName};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use super::request_context::RequestContext;
use crate::html_pages::{ErrorPage, HtmlPages};
use crate::problem::ApiError;

/// Marker of an error response that is a page for all clients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AlwaysPage;

/// Headers of an error response that its page keeps.
const KEPT_HEADERS: [HeaderName; 3] =
    [ALLOW, super::rate_limit::RATELIMIT_POLICY, super::rate_limit::RATELIMIT];

/// Middleware that responds to navigations of browsers outside of `/api/` with a page instead of a problem document.
pub async fn error_pages(State(pages): State<Arc<dyn HtmlPages>>, request: Request, next: Next) -> Response {
    let context = RequestContext::of(request.extensions());
    let is_navigation = !request.uri().path().starts_with("/api/") && accepts_html(request.headers());
    let mut response = next.run(request).await;
    let is_page = is_navigation || response.extensions().get::<AlwaysPage>().is_some();
    let Some(error) = response.extensions_mut().remove::<ApiError>().filter(|_| is_page) else {
        return response;
    };
    let mut page =
        pages.error(&ErrorPage { status: error.status(), detail: error.detail(), request_id: &context.id });
    *page.status_mut() = error.status();
    error.set_retry_after(page.headers_mut());
    for name in KEPT_HEADERS {
        let value: Option<&HeaderValue> = response.headers().get(&name);
        if let Some(value) = value {
            page.headers_mut().insert(name, value.clone());
        }
    }
    page
}

/// `true` if the request is from a browser that shows the response.
fn accepts_html(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().any(|value| value.to_str().is_ok_and(|value| value.contains("text/html")))
}
