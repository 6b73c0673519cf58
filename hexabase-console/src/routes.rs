//! Table of the routes, from which the router is built.

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodRouter, get, post};

use crate::pages;
use crate::state::ConsoleState;
use crate::urls::{Access, Route};

/// Route with its handler.
pub(crate) struct Page {
    route: Route,
    handler: MethodRouter<ConsoleState>,
}

/// Page that is shown.
pub(crate) fn show<H, T>(path: &'static str, access: Access, handler: H) -> Page
where
    H: Handler<T, ConsoleState>,
    T: 'static,
{
    Page { route: Route { method: Method::GET, path, access }, handler: get(handler) }
}

/// Form that is sent.
pub(crate) fn submit<H, T>(path: &'static str, access: Access, handler: H) -> Page
where
    H: Handler<T, ConsoleState>,
    T: 'static,
{
    Page { route: Route { method: Method::POST, path, access }, handler: post(handler) }
}

/// Returns all routes of pages.
#[must_use]
pub fn routes() -> Vec<Route> {
    pages::all().into_iter().map(|page| page.route).collect()
}

pub(crate) fn router() -> Router<ConsoleState> {
    pages::all().into_iter().fold(Router::new(), |router, page| router.route(page.route.path, page.handler))
}
