//! Answers that went well: status, version, place, and pages of lists.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::header::{ETAG, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use hexabase_core::error::Error;
use hexabase_core::page::{Page, PageRequest};
use hexabase_core::version::Version;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem::{Answer, Refusal};
use crate::app::App;

/// A representation, and what goes with it.
pub(crate) struct Reply<T> {
    status: StatusCode,
    body: T,
    version: Option<Version>,
    location: Option<String>,
    replayed: bool,
}

impl<T> Reply<T> {
    /// Here it is.
    pub(crate) const fn ok(body: T) -> Self {
        Self { status: StatusCode::OK, body, version: None, location: None, replayed: false }
    }

    /// It was made, and is found here.
    pub(crate) fn created(location: String, body: T) -> Self {
        Self { status: StatusCode::CREATED, location: Some(location), ..Self::ok(body) }
    }

    /// Slow work on it has begun; it is found here.
    pub(crate) fn accepted(location: String, body: T) -> Self {
        Self { status: StatusCode::ACCEPTED, location: Some(location), ..Self::ok(body) }
    }

    /// The version that is shown, for `If-Match`.
    pub(crate) const fn version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }

    /// Whether this is what was answered to the same request before.
    pub(crate) const fn replayed(mut self, replayed: bool) -> Self {
        self.replayed = replayed;
        self
    }
}

impl<T: Serialize> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        let headers = response.headers_mut();
        if let Some(etag) = self.version.and_then(|v| HeaderValue::from_str(&format!("\"{v}\"")).ok()) {
            headers.insert(ETAG, etag);
        }
        if let Some(location) = self.location.and_then(|location| HeaderValue::from_str(&location).ok()) {
            headers.insert(LOCATION, location);
        }
        if self.replayed {
            headers.insert("idempotency-replayed", HeaderValue::from_static("true"));
        }
        response
    }
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct List<T> {
    /// The entries, in a stable order.
    items: Vec<T>,
    /// What to send as `cursor` for the next page; null on the last one.
    next_cursor: Option<String>,
}

impl<T> List<T> {
    /// A list that is complete.
    pub(crate) const fn whole(items: Vec<T>) -> Self {
        Self { items, next_cursor: None }
    }
}

/// Which page of a list to show.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// How many entries at most, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub(crate) limit: Option<u16>,
    /// Where the page begins: `next_cursor` of the page before.
    pub(crate) cursor: Option<String>,
}

/// Turns pages with positions into pages with cursors, which nobody can make up and which belong to one list.
pub(crate) struct Pager {
    app: App,
    purpose: String,
}

impl FromRequestParts<App> for Pager {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        Ok(Self { app: app.clone(), purpose: format!("cursor:{}", parts.uri.path()) })
    }
}

impl Pager {
    /// The page that is asked for.
    pub(crate) fn request(&self, query: &PageQuery) -> Answer<PageRequest> {
        let limit = query.limit.unwrap_or(PageRequest::DEFAULT_LIMIT);
        if !(1..=PageRequest::MAX_LIMIT).contains(&limit) {
            return Err(Error::invalid("limit", "must be 1 to 200").into());
        }
        let open = |cursor: &String| self.app.platform.master_key().open_text(&self.purpose, cursor);
        let refused = |_| Error::invalid("cursor", "was not given out for this list; begin without one");
        let after = query.cursor.as_ref().map(open).transpose().map_err(refused)?;
        Ok(PageRequest::new(limit, after))
    }

    /// The page as it is sent.
    pub(crate) fn list<T, U>(&self, page: Page<T>, view: impl FnMut(T) -> U) -> Answer<Json<List<U>>> {
        let (key, ids) = (self.app.platform.master_key(), &**self.app.platform.ids());
        let seal = |position: &String| key.seal_text(ids, &self.purpose, position);
        let next_cursor = page.next.as_ref().map(seal).transpose()?;
        Ok(Json(List { items: page.items.into_iter().map(view).collect(), next_cursor }))
    }
}
