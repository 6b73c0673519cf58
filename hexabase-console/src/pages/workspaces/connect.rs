//! Connection with the cluster of a workspace: kubeconfigs in three forms.

use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_api::workspaces::kubeconfig_of;
use hexabase_api::workspaces::requests::KubeconfigSource;
use hexabase_core::access::Action;
use hexabase_core::error::{Error, ErrorKind};
use hexabase_core::id::{OrganizationId, WorkspaceId};
use hexabase_core::platform::ClusterAccess;
use jiff::Timestamp;
use maud::{Markup, html};

use super::{VisibleWorkspace, workspace_for, workspace_with};
use crate::components::{
    ButtonKind, Tone, card, copyable_block, link_button, notice, page_heading, post_form, submit_button,
};
use crate::context::{Context, refusal};
use crate::form::{Submission, error_text, form_to};
use crate::language::Texts;
use crate::pages::{PageContent, Section};
use crate::response::PageResult;
use crate::time::time;
use crate::urls;

/// Credentials on the page.
enum Credentials {
    /// The cluster cannot be reached, or the user has no access, for this reason.
    Unavailable(String),
    /// Kubeconfig without a secret.
    Kubeconfig(String),
    /// Kubeconfig with a token that expires at a time.
    Token(String, Timestamp),
    /// Offer of a token.
    NoToken,
}

pub(super) async fn show(
    context: Context,
    Path((org, ws)): Path<(OrganizationId, WorkspaceId)>,
    RawQuery(query): RawQuery,
) -> PageResult {
    let found = workspace_with(&context, (org, ws), Action::WorkspaceRead, &[Action::ClusterAccess]).await?;
    let source =
        match form_urlencoded::parse(query.unwrap_or_default().as_bytes()).find(|(name, _)| name == "with") {
            Some((_, value)) if value == "kubelogin" => KubeconfigSource::Kubelogin,
            Some((_, value)) if value == "token" => KubeconfigSource::Token,
            _ => KubeconfigSource::Exec,
        };
    if let Some(reason) = refusal(&context, &found.abilities, Action::ClusterAccess) {
        return Ok(page(context, &found, source, &Credentials::Unavailable(reason), None));
    }
    let access = context.platform().workspaces().cluster_access(&context.caller, org, ws).await?;
    let credentials = match source {
        // A token is issued on request only.
        KubeconfigSource::Token => Credentials::NoToken,
        source => match kubeconfig_of(context.auth(), &access, source).await {
            Ok((text, _)) => Credentials::Kubeconfig(text),
            Err(error) => Credentials::Unavailable(explained(context.texts(), error)?),
        },
    };
    Ok(page(context, &found, source, &credentials, Some(&access)))
}

/// Issues a token. It is in the response to this form only: in no address, and in no cache.
pub(super) async fn submit(
    Path((org, ws)): Path<(OrganizationId, WorkspaceId)>,
    Submission { context, .. }: Submission,
) -> PageResult {
    let found = workspace_for(&context, org, ws, Action::ClusterAccess).await?;
    let access = context.platform().workspaces().cluster_access(&context.caller, org, ws).await?;
    let credentials = match kubeconfig_of(context.auth(), &access, KubeconfigSource::Token).await {
        Ok((text, Some(expires_at))) => Credentials::Token(text, expires_at),
        Ok((text, None)) => Credentials::Kubeconfig(text),
        Err(error) => Credentials::Unavailable(explained(context.texts(), error)?),
    };
    Ok(page(context, &found, KubeconfigSource::Token, &credentials, Some(&access)))
}

/// Returns the reason of an error that the page explains.
fn explained(texts: Texts, error: Error) -> Result<String, Error> {
    match error.kind() {
        ErrorKind::Unsupported | ErrorKind::Conflict | ErrorKind::QuotaExceeded => {
            Ok(error_text(texts, error.code(), error.message()))
        }
        _ => Err(error),
    }
}

fn page(
    context: Context,
    found: &VisibleWorkspace,
    source: KubeconfigSource,
    credentials: &Credentials,
    access: Option<&ClusterAccess>,
) -> Response {
    let texts = context.texts();
    let workspace = &found.workspace;
    let title = texts.text("nav-connect");
    let content = html! {
        (page_heading(&html! { (title) }, None, None))
        (tabs(&texts, found, source))
        (credential(&context, found, source, credentials))
        @if let Some(access) = access {
            (card(&texts.text("connect-groups"), None, &html! {
                p { (texts.text("connect-groups-about")) }
                @if access.groups.is_empty() { p { (texts.text("connect-no-groups")) } }
                ul { @for group in &access.groups { li { code { "hexabase:" (group) } } } }
            }))
        }
    };
    PageContent { section: Section::Connect, ..PageContent::new(title, content) }
        .in_organization(&found.membership)
        .in_workspace(workspace)
        .respond(context, StatusCode::OK)
}

/// Links to the three forms of a kubeconfig.
fn tabs(texts: &Texts, found: &VisibleWorkspace, current: KubeconfigSource) -> Markup {
    let url = urls::connect(found.workspace.organization_id, found.workspace.id);
    let tabs = [
        (KubeconfigSource::Exec, "exec", texts.text("connect-exec")),
        (KubeconfigSource::Kubelogin, "kubelogin", texts.text("connect-kubelogin")),
        (KubeconfigSource::Token, "token", texts.text("connect-token")),
    ];
    html! {
        nav class="tabs" aria-label=(texts.text("connect-tabs")) {
            ul {
                @for (source, name, label) in tabs {
                    li {
                        a href=(format!("{url}?with={name}")) aria-current=[(source == current).then_some("page")] {
                            (label)
                        }
                    }
                }
            }
        }
    }
}

fn credential(
    context: &Context,
    found: &VisibleWorkspace,
    source: KubeconfigSource,
    credentials: &Credentials,
) -> Markup {
    let texts = context.texts();
    let workspace = &found.workspace;
    let (org, ws) = (workspace.organization_id, workspace.id);
    let (name, about) = match source {
        KubeconfigSource::Exec => ("exec", texts.text("connect-exec-about")),
        KubeconfigSource::Kubelogin => ("kubelogin", texts.text("connect-kubelogin-about")),
        KubeconfigSource::Token => ("token", texts.text("connect-token-about")),
    };
    let file = format!("{}.kubeconfig", workspace.name);
    let test = format!("kubectl --kubeconfig {file} auth whoami");
    let form = form_to(context, urls::connect(org, ws), None);
    html! {
        p { (about) }
        @match credentials {
            Credentials::Unavailable(reason) => {
                (notice(Tone::Warning, &texts.text("connect-unavailable"), &html! { p { (reason) } }))
            },
            Credentials::NoToken => {
                (post_form(&form, &submit_button(&texts, ButtonKind::Primary, &texts.text("connect-create-token"))))
            },
            Credentials::Kubeconfig(text) => {
                (copyable_block(&texts, &file, text))
                div class="actions" {
                    (link_button(ButtonKind::Secondary, &texts.text("connect-download"), &urls::kubeconfig(org, ws, name)))
                }
                p { (texts.text("connect-test")) }
                (copyable_block(&texts, &texts.text("connect-test"), &test))
            },
            Credentials::Token(text, expires_at) => {
                (notice(Tone::Warning, &texts.text("connect-token-once"), &html! {
                    p { (texts.text("connect-token-expires")) " " (time(&texts, *expires_at)) }
                }))
                (copyable_block(&texts, &file, text))
                p { (texts.text("connect-test")) }
                (copyable_block(&texts, &texts.text("connect-test"), &test))
            },
        }
    }
}
