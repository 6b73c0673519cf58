//! Calls of the API with the same effect as a page.

use crate::components::ShellCommand;
use crate::context::Context;

/// Returns the call that reads a path of the API, with an API token in the environment. A query must be encoded.
pub(crate) fn api_call(context: &Context, label: String, path: &str) -> ShellCommand {
    let server = &context.platform().config().public_url;
    let url = quoted(&format!("{server}/api/v1{path}"));
    ShellCommand { label, command: format!("curl -H \"Authorization: Bearer $HEXABASE_TOKEN\" {url}") }
}

/// Returns an address as one word of a shell.
fn quoted(url: &str) -> String {
    match url.contains(['?', '&']) {
        true => format!("'{}'", url.replace('\'', "%27")),
        false => url.to_owned(),
    }
}

/// Returns the call that sends a JSON object, or nothing if it is empty, to a path of the API with a method.
pub(crate) fn api_request(
    context: &Context,
    label: String,
    method: &str,
    path: &str,
    json: &str,
) -> ShellCommand {
    let call = api_call(context, label, path);
    let body = if json.is_empty() { String::new() } else { format!(" --json '{json}'") };
    ShellCommand { command: format!("{} -X {method}{body}", call.command), ..call }
}

/// Returns the call that reads a path outside of the API, with the access token of a session in the environment.
pub(crate) fn session_call(context: &Context, label: String, path: &str) -> ShellCommand {
    let server = &context.platform().config().public_url;
    ShellCommand {
        label,
        command: format!("curl -H \"Authorization: Bearer $HEXABASE_TOKEN\" {server}{path}"),
    }
}
