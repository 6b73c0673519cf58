//! Web console of Hexabase: pages that tenants, organization owners, billing people and operators use. They are rendered
//! by the server from the same services as the HTTP API, and work without JavaScript.
//!
//! The console is an [`axum::Router`] beside that of the API:
//!
//! ```
//! use hexabase_api::ApiState;
//! use hexabase_auth::{Auth, AuthConfig};
//! use hexabase_console::{Console, ConsoleConfig};
//! use hexabase_core::Platform;
//! # use hexabase_core::fixture;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let platform = Platform::builder("https://shop.example/tenancy")
//!     .with_plans(vec![fixture::plan("small")])
//!     .build()?;
//! let auth = Auth::new(platform.clone(), Vec::new(), AuthConfig::default()).await?;
//! let console = Console::new(ConsoleConfig { product: "Shop".to_owned(), ..ConsoleConfig::default() });
//! // Sign-in, consent, invitations and errors of the API have the look of the console.
//! let state = ApiState::builder(platform, auth).with_pages(console.pages()).build();
//! let tenancy = hexabase_api::router(state.clone()).merge(console.router(&state));
//! let service: axum::Router = axum::Router::new().nest("/tenancy", tenancy);
//! # drop(service);
//! # Ok(()) })
//! # }
//! ```
//!
//! [`components`] are the parts of the pages, as functions from plain data to markup. Embedders build pages of their own
//! from them in the same look:
//!
//! ```
//! use hexabase_console::components::{Tone, badge, copyable};
//! use hexabase_console::language::{Language, Texts};
//!
//! let texts = Texts::new(Language::English);
//! let page = maud::html! {
//!     p { "Your cluster is " (badge(Tone::Good, "ready")) }
//!     (copyable(&texts, "kubectl get pods"))
//! };
//! assert!(page.into_string().contains("kubectl get pods"));
//! ```

mod assets;
pub mod components;
mod context;
mod csp;
mod csrf;
mod flash;
mod form;
pub mod language;
pub mod money;
pub mod numbers;
mod pages;
mod preferences;
mod reasons;
mod response;
mod routes;
mod saved_form;
mod state;
pub mod time;
pub mod urls;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn;
use axum::response::Redirect;
use axum::routing::get;
use hexabase_api::html_pages::HtmlPages;
use hexabase_api::{ApiError, ApiState, layers};

use pages::api_pages::ConsolePages;
pub use routes::routes;
use state::ConsoleState;

/// Configuration of the console.
#[derive(Debug, Clone)]
pub struct ConsoleConfig {
    /// Name of the product, in titles and in the header.
    pub product: String,
    /// `true` to redirect `/`, below the path that the console is mounted under, to the console.
    pub redirects_root: bool,
    /// Manifest that the administrator of a host cluster applies before its registration, which the page of the registration
    /// shows; `None` to show the command that prints it only.
    pub host_setup: Option<String>,
}

impl Default for ConsoleConfig {
    fn default() -> Self {
        Self { product: "Hexabase".to_owned(), redirects_root: true, host_setup: None }
    }
}

/// Web console. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Console {
    product: Arc<str>,
    redirects_root: bool,
    host_setup: Option<Arc<str>>,
}

impl Console {
    /// Creates a console.
    #[must_use]
    pub fn new(config: ConsoleConfig) -> Self {
        Self {
            product: config.product.into(),
            redirects_root: config.redirects_root,
            host_setup: config.host_setup.map(Into::into),
        }
    }

    /// Returns the pages that the API itself shows, such as errors and consent, in the look of the console.
    #[must_use]
    pub fn pages(&self) -> Arc<dyn HtmlPages> {
        Arc::new(ConsolePages::new(self.product.clone()))
    }

    /// Returns the router of the console with its layers, to be merged with that of the API: pages link to the sign-in,
    /// live events and kubeconfigs of the API at the same mount.
    pub fn router(&self, api: &ApiState) -> Router {
        let state = ConsoleState {
            api: api.clone(),
            product: self.product.clone(),
            host_setup: self.host_setup.clone(),
        };
        let files = Router::new().route(&format!("{}/{{hash}}/{{name}}", urls::ASSETS), get(assets::serve));
        let files = layers::file_stack(files, api);
        let mut router =
            routes::router().method_not_allowed_fallback(async || ApiError::method_not_allowed());
        if self.redirects_root {
            router = router.route("/", get(async || Redirect::to(&urls::home())));
        }
        let pages = layers::page_stack(
            router.layer(from_fn(response::compress)).layer(from_fn(response::name_redirects)),
            api,
        );
        pages.merge(files).with_state(state)
    }
}
