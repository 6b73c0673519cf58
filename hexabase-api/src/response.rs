//! Successful responses: status, version, location, and pages of lists.

use axum::Json;
use axum::extract::{FromRef, FromRequestParts};
use axum::http::header::{ETAG, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use hexabase_core::Platform;
use hexabase_core::error::Error;
use hexabase_core::page::{Page, PageRequest};
use hexabase_core::version::Version;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::{ApiError, ApiResult};
use crate::layers::server_path;
use crate::requests::PageQuery;

/// Representation with its response headers.
pub(crate) struct ApiResponse<T> {
    status: StatusCode,
    body: T,
    version: Option<Version>,
    location: Option<String>,
    replayed: bool,
}

impl<T> ApiResponse<T> {
    /// Returns a response with status 200.
    pub(crate) const fn ok(body: T) -> Self {
        Self { status: StatusCode::OK, body, version: None, location: None, replayed: false }
    }

    /// Returns a response with status 201 and the location of the new resource.
    pub(crate) fn created(location: String, body: T) -> Self {
        Self { status: StatusCode::CREATED, location: Some(location), ..Self::ok(body) }
    }

    /// Returns a response with status 202 for a long-running operation, and the location of its result.
    pub(crate) fn accepted(location: String, body: T) -> Self {
        Self { status: StatusCode::ACCEPTED, location: Some(location), ..Self::ok(body) }
    }

    /// Sets the version of the representation, which becomes its `ETag`.
    pub(crate) const fn version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }

    /// Marks the response as a replay of the response to an earlier request with the same idempotency key.
    pub(crate) const fn replayed(mut self, replayed: bool) -> Self {
        self.replayed = replayed;
        self
    }
}

impl<T: Serialize> IntoResponse for ApiResponse<T> {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        let headers = response.headers_mut();
        if let Some(etag) = self.version.and_then(|v| HeaderValue::from_str(&format!("\"{v}\"")).ok()) {
            headers.insert(ETAG, etag);
        }
        if let Some(location) = self.location.and_then(|path| HeaderValue::from_str(&server_path(&path)).ok())
        {
            headers.insert(LOCATION, location);
        }
        if self.replayed {
            headers.insert("idempotency-replayed", HeaderValue::from_static("true"));
        }
        response
    }
}

/// Page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct List<T> {
    /// Items, in a stable order.
    items: Vec<T>,
    /// Value of `cursor` for the next page; null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

impl<T> List<T> {
    /// Returns a list that has only one page.
    pub(crate) const fn complete(items: Vec<T>) -> Self {
        Self { items, next_cursor: None }
    }
}

/// Pagination of one list. Converts positions to cursors, which are sealed, so clients cannot forge them, and are
/// bound to the path and the filter of the list.
#[derive(Debug)]
pub struct Pager {
    platform: Platform,
    purpose: String,
}

impl<S> FromRequestParts<S> for Pager
where
    S: Send + Sync,
    Platform: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let filter = filter_of(parts.uri.query().unwrap_or_default());
        let purpose = format!("cursor:{}?{filter}", parts.uri.path());
        Ok(Self { platform: Platform::from_ref(state), purpose })
    }
}

/// Returns the parameters of a query string that select items of a list, in a canonical form.
fn filter_of(query: &str) -> String {
    let pairs = form_urlencoded::parse(query.as_bytes());
    let mut pairs: Vec<_> = pairs.filter(|(name, _)| !matches!(&**name, "limit" | "cursor")).collect();
    pairs.sort_unstable();
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

impl Pager {
    /// Parses the requested page.
    ///
    /// # Errors
    /// `invalid` for a limit out of range, or a cursor of another list.
    pub fn request(&self, query: &PageQuery) -> Result<PageRequest, ApiError> {
        let limit = query.limit.unwrap_or(PageRequest::DEFAULT_LIMIT);
        if !(1..=PageRequest::MAX_LIMIT).contains(&limit) {
            return Err(Error::invalid("limit", "must be 1 to 200").into());
        }
        let open = |cursor: &String| self.platform.master_key().open_text(&self.purpose, cursor);
        let invalid =
            |_| Error::invalid("cursor", "must be a next_cursor of this list; omit it for the first page");
        let after = query.cursor.as_ref().map(open).transpose().map_err(invalid)?;
        Ok(PageRequest::new(limit, after))
    }

    /// Converts a page to its response.
    pub(crate) fn list<T, U>(&self, page: Page<T>, view: impl FnMut(T) -> U) -> ApiResult<Json<List<U>>> {
        let next_cursor = self.next_cursor(&page)?;
        Ok(Json(List { items: page.items.into_iter().map(view).collect(), next_cursor }))
    }

    /// Returns the cursor of the page after this one; `None` on the last page.
    ///
    /// # Errors
    /// An internal error if the position cannot be sealed.
    pub fn next_cursor<T>(&self, page: &Page<T>) -> Result<Option<String>, ApiError> {
        let (key, ids) = (self.platform.master_key(), &**self.platform.ids());
        let seal = |position: &String| key.seal_text(ids, &self.purpose, position);
        Ok(page.next.as_ref().map(seal).transpose()?)
    }
}

#[cfg(test)]
mod tests {
    use super::filter_of;

    #[test]
    fn the_filter_of_a_list_has_no_page_and_a_fixed_order() {
        assert_eq!(filter_of(""), "");
        assert_eq!(filter_of("limit=5&cursor=abc"), "");
        assert_eq!(filter_of("q=a%20b&limit=5&phase=ready"), "phase=ready&q=a+b");
        assert_eq!(filter_of("phase=ready&q=a+b"), filter_of("q=a%20b&phase=ready"));
        assert_ne!(filter_of("q=a%26phase%3Dready"), filter_of("q=a&phase=ready"));
    }
}
