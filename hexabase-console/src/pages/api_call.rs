//! Calls of the API with the same effect as a page.

use crate::components::ShellCommand;
use crate::context::Context;

/// Returns the call that reads a path of the API, with an API token in the environment.
pub(crate) fn api_call(context: &Context, label: String, path: &str) -> ShellCommand {
    let server = &context.platform().config().public_url;
    ShellCommand {
        label,
        command: format!("curl -H \"Authorization: Bearer $HEXABASE_TOKEN\" {server}/api/v1{path}"),
    }
}
