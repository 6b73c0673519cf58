use std::sync::Arc;

use axum::extract::FromRef;
use hexabase_api::{ApiState, SystemState};
use hexabase_auth::Auth;
use hexabase_core::Platform;

/// State of the routes of the console. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct ConsoleState {
    /// State of the API, whose services the pages call.
    pub(crate) api: ApiState,
    /// Name of the product.
    pub(crate) product: Arc<str>,
    /// Manifest that prepares a host cluster.
    pub(crate) host_setup: Option<Arc<str>>,
}

impl FromRef<ConsoleState> for SystemState {
    fn from_ref(state: &ConsoleState) -> Self {
        Self::from_ref(&state.api)
    }
}

impl FromRef<ConsoleState> for Platform {
    fn from_ref(state: &ConsoleState) -> Self {
        state.api.platform().clone()
    }
}

impl FromRef<ConsoleState> for Arc<Auth> {
    fn from_ref(state: &ConsoleState) -> Self {
        state.api.auth().clone()
    }
}
