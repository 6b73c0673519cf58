//! Host cluster: health, capacity, change, cordon and deregistration.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_api::admin::requests::ClusterPatch;
use hexabase_core::error::Result;
use hexabase_core::name::HostClusterName;
use hexabase_core::platform::{KnownHost, Registration, UpdateHost};
use hexabase_core::version::Version;
use maud::{Markup, html};

use super::fields::{
    capacity_text, health_badge, kubeconfig_field, pair_lines, placement_fields, with_pairs,
};
use super::hosts::capacity;
use super::{Operator, OperatorSubmission};
use crate::components::{
    ButtonKind, DangerForm, Link, Tone, api_text, badge, card, danger_form, data, disabled_button,
    error_summary, facts, field, form_actions, name, notice, page_heading, post_form, shell_commands,
};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::{Fields, FormState, INTENT, Submission, form_to, invalid_entry};
use crate::language::Texts;
use crate::pages::api_call::api_call;
use crate::pages::conflict::{Conflict, is_outdated};
use crate::pages::{OperatorSection, PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::time::time;
use crate::urls;

/// Fields of the forms.
const FIELDS: [&str; 6] = ["kubeconfig", "region", "capacity", "labels", "settings", "confirm_name"];

pub(super) async fn show(Operator(mut context): Operator, Path(name): Path<HostClusterName>) -> PageResult {
    let known = context.platform().hosts().get(&name).await?;
    let form = FormState::with(context.saved_fields());
    Ok(page(context, StatusCode::OK, &known, &form))
}

pub(super) async fn submit(
    Path(name): Path<HostClusterName>,
    OperatorSubmission(submission): OperatorSubmission,
) -> PageResult {
    let expected = submission.version();
    let Submission { context, fields } = submission;
    let known = context.platform().hosts().get(&name).await?;
    let intent = fields.get(INTENT).to_owned();
    let changed = match intent.as_str() {
        "cordon" | "uncordon" => cordon(&context, &known, intent == "cordon").await,
        "unregister" => unregister(&context, &name, &fields).await,
        _ => update(&context, &name, &fields, expected).await,
    };
    match changed {
        Ok((url, flash)) => {
            let by = context.caller.principal.user_id;
            tracing::info!(host = %name, %by, intent, "host cluster changed");
            Ok(see_other(context, &url, &flash))
        }
        Err(error) if is_outdated(&error) => conflict(context, &known, &fields).await,
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            Ok(page(context, error.status(), &known, &form))
        }
    }
}

/// Excludes the host from placement or includes it. The other one reverts it. Neither has a version: changes of the health
/// increment it, and both mean the same at every version.
async fn cordon(context: &Context, known: &KnownHost, cordoned: bool) -> Result<(String, Flash)> {
    let name = &known.host.name;
    let command = UpdateHost { cordoned: Some(cordoned), ..UpdateHost::default() };
    context.platform().hosts().update(name, &command, None).await?;
    let (text, undo) = match cordoned {
        true => (context.text("host-is-cordoned"), "uncordon"),
        false => (context.text("host-is-uncordoned"), "cordon"),
    };
    let url = urls::host(name);
    let flash = Flash::new(text).with_undo(url.clone(), &[(INTENT, undo)]);
    Ok((url, flash))
}

async fn update(
    context: &Context,
    name: &HostClusterName,
    fields: &Fields,
    expected: Option<Version>,
) -> Result<(String, Flash)> {
    let mut patch = with_pairs(fields).parse::<ClusterPatch>()?;
    // A field without lines removes all pairs.
    patch.labels.get_or_insert_default();
    patch.settings.get_or_insert_default();
    let command = patch.parse()?;
    context.platform().hosts().update(name, &command, expected).await?;
    Ok((urls::host(name), Flash::new(context.text("settings-saved"))))
}

async fn unregister(context: &Context, name: &HostClusterName, fields: &Fields) -> Result<(String, Flash)> {
    if fields.get("confirm_name") != name.as_str() {
        return Err(invalid_entry("confirm_name", context.text("danger-wrong-name")));
    }
    context.platform().hosts().unregister(name, None).await?;
    let text = context.texts().text_with("host-unregistered", &[("name", name.as_str().into())]);
    Ok((urls::hosts(), Flash::new(text)))
}

async fn conflict(context: Context, known: &KnownHost, fields: &Fields) -> PageResult {
    let texts = context.texts();
    let host = &known.host;
    let Some(registration) = &known.registration else {
        return Ok(page(context, StatusCode::PRECONDITION_FAILED, known, &FormState::default()));
    };
    let value = |label: &str, name: &str, now: String| (texts.text(label), fields.get(name).to_owned(), now);
    let region = host.region.as_ref().map(ToString::to_string).unwrap_or_default();
    let conflict = Conflict {
        url: urls::host(&host.name),
        version: registration.version,
        updated_at: registration.updated_at,
        changes: None,
        values: vec![
            value("field-region", "region", region),
            value("host-capacity", "capacity", capacity_text(host).unwrap_or_default()),
            value("host-labels", "labels", pair_lines(&host.labels)),
            value("host-settings", "settings", pair_lines(&registration.settings)),
        ],
    };
    conflict.respond(context, fields, None).await
}

fn page(context: Context, status: StatusCode, known: &KnownHost, form: &FormState) -> Response {
    let texts = context.texts();
    let title = known.host.name.to_string();
    let path = format!("/admin/clusters/{title}");
    let content = html! {
        (page_heading(&name(&title), None, None))
        (error_summary(&texts, &form.summary(&FIELDS)))
        (about(&context, known))
        @match &known.registration {
            Some(registration) => (forms(&context, known, registration, form)),
            None => (notice(Tone::Neutral, &texts.text("host-configured"), &html! { p { (texts.text("host-configured-about")) } })),
        }
        (shell_commands(&texts, &[api_call(&context, texts.text("host-command"), &path)]))
    };
    PageContent {
        section: Section::Operators(OperatorSection::Hosts),
        ancestors: vec![Link::new(texts.text("operators-hosts"), urls::hosts())],
        has_errors: form.has_errors(),
        ..PageContent::new(title, content)
    }
    .respond(context, status)
}

fn about(context: &Context, known: &KnownHost) -> Markup {
    let texts = context.texts();
    let host = &known.host;
    let state = html! {
        (health_badge(&texts, known))
        @if host.cordoned { " " (badge(Tone::Warning, &texts.text("host-cordoned"))) }
        @if host.sandbox { " " (badge(Tone::Neutral, &texts.text("host-sandbox"))) }
    };
    let mut about = vec![(texts.text("task-state"), state)];
    if let Some(region) = &host.region {
        about.push((texts.text("field-region"), data(region)));
    }
    if let Some(Registration { created_at, updated_at, .. }) = &known.registration {
        about.push((texts.text("field-created"), time(&texts, *created_at)));
        about.push((texts.text("field-updated"), time(&texts, *updated_at)));
    }
    let health = known.registration.as_ref().map(|known| &known.health);
    card(
        &texts.text("settings-about"),
        None,
        &html! {
            (facts(&about))
            @if let Some(health) = health.filter(|health| !health.message.is_empty()) {
                (notice(Tone::Bad, &texts.text("host-unreachable"), &html! {
                    p { (api_text(&texts, &health.message)) }
                    p { (texts.text("workspace-since")) " " (time(&texts, health.since)) }
                }))
            }
            (capacity(&texts, known))
            p class="note" { (texts.text("host-setup-about")) " " a href=(urls::new_host()) { (texts.text("host-setup-manifest")) } }
        },
    )
}

/// Cordon, change and deregistration of a registered host.
fn forms(context: &Context, known: &KnownHost, registration: &Registration, form: &FormState) -> Markup {
    let texts = context.texts();
    let host = &known.host;
    let target = |version| form_to(context, urls::host(&host.name), version);
    let (intent, label, about) = match host.cordoned {
        false => ("cordon", texts.text("host-cordon"), texts.text("host-cordon-about")),
        true => ("uncordon", texts.text("host-uncordon"), texts.text("host-uncordon-about")),
    };
    let mut cordon = target(None);
    cordon.hidden.push((INTENT, intent.to_owned()));
    let mut unregister = target(None);
    unregister.hidden.push((INTENT, "unregister".to_owned()));
    let kubeconfig = kubeconfig_field(&texts, form).hint(texts.text("host-kubeconfig-keep"));
    html! {
        (card(&texts.text("host-placement"), None, &html! {
            p { (about) }
            (post_form(&cordon, &html! { button class="button" type="submit" { (label) } }))
        }))
        (card(&texts.text("settings-title"), None, &post_form(&target(Some(registration.version)), &html! {
            @for placement in placement_fields(&texts, form, Some(known)) { (field(&texts, &placement)) }
            (field(&texts, &kubeconfig))
            (form_actions(&texts, ButtonKind::Primary, &texts.text("settings-save"), &urls::hosts()))
        })))
        @match refusal(&texts, known) {
            Some(reason) => (disabled_button("unregister-reason", &texts.text("host-unregister"), &reason)),
            None => (danger_form(&texts, &DangerForm {
                form: unregister,
                title: texts.text_with("host-unregister-title", &[("name", host.name.as_str().into())]),
                consequences: vec![texts.text("host-unregister-objects"), texts.text("host-unregister-kubeconfig")],
                typed_name: Some(host.name.to_string()),
                error: form.error("confirm_name"),
                button: texts.text("host-unregister"),
                cancel_href: urls::hosts(),
            })),
        }
    }
}

/// Reason why the host cannot be unregistered now, as the service decides it.
fn refusal(texts: &Texts, known: &KnownHost) -> Option<String> {
    match (known.workspaces, known.host.cordoned) {
        (_, false) => Some(texts.text("host-unregister-cordon")),
        (0, true) => None,
        (workspaces, true) => {
            Some(texts.text_with("host-unregister-used", &[("count", u64::from(workspaces).into())]))
        }
    }
}
