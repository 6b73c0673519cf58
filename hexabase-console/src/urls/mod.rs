//! Addresses of pages. Routes and links both use them.

mod access;
mod account;
mod audit;
mod billing;
mod observe;
mod operators;
mod organization;
mod projects;
mod search;
mod service_accounts;
mod workspaces;

use axum::http::Method;
use hexabase_api::layers::server_path;
use hexabase_core::access::Action;
use hexabase_core::id::{OrganizationId, WorkspaceId};

pub use access::*;
pub use account::*;
pub use audit::*;
pub use billing::*;
pub use observe::*;
pub use operators::*;
pub use organization::*;
pub use projects::*;
pub use search::*;
pub use service_accounts::*;
pub use workspaces::*;

/// Path of the assets, without their hash.
pub(crate) const ASSETS: &str = "/console/assets";

/// Required access of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everyone.
    Public,
    /// Signed-in users.
    Session,
    /// Users with an ability.
    Action(Action),
    /// Platform administrators.
    Operator,
}

/// Route of the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Method.
    pub method: Method,
    /// Path template, without the path that the console is mounted under.
    pub path: &'static str,
    /// Access that the route requires.
    pub access: Access,
}

macro_rules! urls {
    ($($(#[$doc:meta])* $template:ident $name:ident($($parameter:ident: $type:ty),*) = $path:literal;)+) => {$(
        #[doc = concat!("Path template of `", stringify!($name), "`.")]
        pub const $template: &str = $path;

        $(#[$doc])*
        #[must_use]
        pub fn $name($($parameter: $type),*) -> String {
            let path = $template.to_owned();
            $(let path = path.replace(concat!("{", stringify!($parameter), "}"), &$parameter.to_string());)*
            hexabase_api::layers::server_path(&path)
        }
    )+};
}

pub(crate) use urls;

urls! {
    /// Entry: the last organization, or the list of organizations.
    HOME home() = "/console";
    /// Sign-in.
    SIGN_IN sign_in() = "/console/sign-in";
    /// Sign-out.
    SIGN_OUT sign_out() = "/console/sign-out";
    /// Probe of the session.
    SESSION session() = "/console/session";
    /// Language and theme of the browser.
    PREFERENCES preferences() = "/console/preferences";
    /// Invitations to the user.
    INVITATIONS invitations() = "/console/invitations";
}

/// Returns the address of the sign-in that returns to a path, which has no mount.
pub(crate) fn sign_in_for(path: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("return_to", path).finish();
    format!("{}?{query}", sign_in())
}

/// Returns the address of the page after a sign-out.
pub(crate) fn signed_out() -> String {
    format!("{}?signed_out=1", sign_in())
}

/// Returns the address of the live events of an organization.
pub(crate) fn events(org: OrganizationId) -> String {
    server_path(&format!("/api/v1/organizations/{org}/events"))
}

/// Returns the address of the kubeconfig of a workspace as a file.
pub(crate) fn kubeconfig(org: OrganizationId, ws: WorkspaceId, source: &str) -> String {
    server_path(&format!("/api/v1/organizations/{org}/workspaces/{ws}/kubeconfig?auth={source}"))
}
