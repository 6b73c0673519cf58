//! New API token with its secret, which is on this page only.

use hexabase_core::model::Scope;
use hexabase_core::platform::NewToken;
use maud::{Markup, html};

use crate::components::{ButtonKind, Tone, card, copyable_block, link_button, notice};
use crate::context::Context;
use crate::time::time;

/// Secret of a new token, and how to use it. A form that is sent again shows no secret: it is not stored.
pub(in crate::pages) fn created(context: &Context, new: &NewToken, back: &str) -> Markup {
    let texts = context.texts();
    let server = &context.platform().config().public_url;
    let reaches_clusters = new.token.scopes.covers(Scope::ClusterAccess);
    html! {
        @match &new.secret {
            Some(secret) => {
                (notice(Tone::Warning, &texts.text("token-once"), &html! {
                    p { (texts.text("token-once-about")) }
                    @if let Some(end) = new.token.expires_at {
                        p { (texts.text("token-expires")) ": " (time(&texts, end)) }
                    }
                }))
                (copyable_block(&texts, &texts.text("token-secret"), secret))
                (card(&texts.text("token-use-title"), None, &html! {
                    p { (texts.text("token-use-shell")) }
                    (copyable_block(&texts, &texts.text("token-use-shell"), &shell(server)))
                    p { (texts.text("token-use-ci")) }
                    (copyable_block(&texts, &texts.text("token-use-ci"), &pipeline(server)))
                    @if reaches_clusters {
                        p { (texts.text("token-use-cluster")) }
                        (copyable_block(&texts, &texts.text("token-use-cluster"), &exchange(server)))
                    }
                }))
            },
            None => {
                (notice(Tone::Warning, &texts.text("token-not-again"), &html! { p { (texts.text("token-not-again-about")) } }))
            },
        }
        div class="actions" { (link_button(ButtonKind::Primary, &texts.text("token-kept"), back)) }
    }
}

/// Commands that read the secret without a trace in the history of the shell, and use it.
fn shell(server: &str) -> String {
    format!(
        "read -rs HEXABASE_TOKEN && export HEXABASE_TOKEN\ncurl -H \"Authorization: Bearer $HEXABASE_TOKEN\" {server}/auth/me"
    )
}

/// Job of GitHub Actions; other systems have the same parts.
fn pipeline(server: &str) -> String {
    let lines = [
        "jobs:",
        "  deploy:",
        "    runs-on: ubuntu-latest",
        "    env:",
        "      HEXABASE_TOKEN: ${{ secrets.HEXABASE_TOKEN }}",
        "    steps:",
        &format!("      - run: curl --fail -H \"Authorization: Bearer $HEXABASE_TOKEN\" {server}/auth/me"),
    ];
    lines.join("\n")
}

/// Exchange of the token for one that a tenant cluster accepts.
fn exchange(server: &str) -> String {
    let lines = [
        &format!("curl --fail {server}/oauth2/token \\"),
        "  -d grant_type=urn:ietf:params:oauth:grant-type:token-exchange \\",
        "  -d subject_token_type=urn:ietf:params:oauth:token-type:access_token \\",
        "  -d \"subject_token=$HEXABASE_TOKEN\" -d \"audience=$WORKSPACE_ID\"",
    ];
    lines.join("\n")
}
