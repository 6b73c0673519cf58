//! Errors as pages, for browsers.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, ALLOW, HeaderName, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;

use super::request_context::RequestContext;
use crate::html_pages::{ErrorPage, HtmlPages};
use crate::problem::ApiError;

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Marker of an error response that is a page for all clients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AlwaysPage;

/// Headers of an error response that its page keeps.
const KEPT_HEADERS: [HeaderName; 4] =
    [ALLOW, WWW_AUTHENTICATE, super::rate_limit::RATELIMIT_POLICY, super::rate_limit::RATELIMIT];

/// Middleware that responds to navigations of browsers outside of `/api/` with a page instead of a problem document.
pub async fn error_pages(State(pages): State<Arc<dyn HtmlPages>>, request: Request, next: Next) -> Response {
    let context = RequestContext::of(request.extensions());
    let is_navigation = !request.uri().path().starts_with("/api/") && navigates(&request);
    let mut response = next.run(request).await;
    let is_page = is_navigation || response.extensions().get::<AlwaysPage>().is_some();
    let Some(error) = response.extensions_mut().remove::<ApiError>().filter(|_| is_page) else {
        return response;
    };
    let mut page = pages.error(&ErrorPage {
        status: error.status(),
        code: error.code(),
        detail: error.detail(),
        request_id: &context.id,
    });
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

/// `true` if the request is from a browser that shows the response. Some programs accept HTML, too.
fn navigates(request: &Request) -> bool {
    let mut accepted = request.headers().get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let is_navigation = match request.headers().get(SEC_FETCH_MODE) {
        Some(mode) => mode == "navigate",
        None => matches!(*request.method(), Method::GET | Method::HEAD),
    };
    is_navigation && accepted.any(|types| types.contains("text/html"))
}
