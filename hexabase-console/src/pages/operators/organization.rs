//! Organization as operators see it: suspension, resumption, and the proof of its metering.

use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_api::admin::requests::NewSuspension;
use hexabase_core::error::Result;
use hexabase_core::id::OrganizationId;
use hexabase_core::model::OrganizationSummary;
use maud::{Markup, html};

use super::metering::{Metering, metering};
use super::organizations::state;
use super::{Operator, OperatorSubmission};
use crate::components::{
    ButtonKind, Field, Link, Tone, card, data, error_summary, facts, field, id, name, notice, page_heading,
    post_form, shell_commands, submit_button,
};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::{Fields, FormState, INTENT, Submission, creating_form};
use crate::numbers::count;
use crate::pages::api_call::api_call;
use crate::pages::billing::subscription_badge;
use crate::pages::filters::Filters;
use crate::pages::{OperatorSection, PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::time::time;
use crate::urls;

pub(super) async fn show(
    Operator(mut context): Operator,
    Path(org): Path<OrganizationId>,
    RawQuery(query): RawQuery,
) -> PageResult {
    let filters = Filters::new(query.as_deref().unwrap_or_default());
    let summary = context.platform().organization_admin().get(org).await?;
    let metering = Metering::read(context.platform(), org, filters.get("month")).await?;
    let form = FormState::with(context.saved_fields());
    Ok(page(context, StatusCode::OK, &summary, &form, metering.as_ref()))
}

pub(super) async fn submit(
    Path(org): Path<OrganizationId>,
    OperatorSubmission(submission): OperatorSubmission,
) -> PageResult {
    let Submission { context, fields } = submission;
    let is_suspension = fields.get(INTENT) != "resume";
    let changed = match is_suspension {
        true => suspend(&context, org, &fields).await,
        false => context.platform().organization_admin().resume(Some(&context.caller), org).await.map(drop),
    };
    match changed {
        Ok(()) => {
            let (by, action) = (context.caller.principal.user_id, fields.get(INTENT));
            tracing::info!(organization = %org, %by, action, "suspension of an organization changed");
            let flash = match is_suspension {
                true => Flash::new(context.text("tenant-is-suspended"))
                    .with_undo(urls::tenant(org), &[(INTENT, "resume")]),
                false => Flash::new(context.text("tenant-is-resumed")),
            };
            Ok(see_other(context, &urls::tenant(org), &flash))
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            let summary = context.platform().organization_admin().get(org).await?;
            Ok(page(context, error.status(), &summary, &form, None))
        }
    }
}

async fn suspend(context: &Context, org: OrganizationId, fields: &Fields) -> Result<()> {
    let reason = fields.parse::<NewSuspension>()?.reason;
    let admin = context.platform().organization_admin();
    admin.suspend(Some(&context.caller), org, reason.as_deref()).await.map(drop)
}

fn page(
    context: Context,
    status: StatusCode,
    summary: &OrganizationSummary,
    form: &FormState,
    proof: Option<&Metering>,
) -> Response {
    let texts = context.texts();
    let organization = &summary.organization;
    let title = organization.display_name.to_string();
    let path = format!("/admin/organizations?q={}", organization.id);
    let content = html! {
        (page_heading(&html! { (name(&title)) }, None, None))
        (error_summary(&texts, &form.summary(&["reason"])))
        (card(&texts.text("settings-about"), None, &about(&context, summary)))
        (suspension(&context, summary, form))
        (card(&texts.text("metering-title"), None, &metering(&texts, organization.id, proof)))
        (shell_commands(&texts, &[api_call(&context, texts.text("tenants-command"), &path)]))
    };
    PageContent {
        section: Section::Operators(OperatorSection::Organizations),
        ancestors: vec![Link::new(texts.text("organizations-title"), urls::tenants())],
        has_errors: form.has_errors(),
        ..PageContent::new(title, content)
    }
    .respond(context, status)
}

fn about(context: &Context, summary: &OrganizationSummary) -> Markup {
    let texts = context.texts();
    let organization = &summary.organization;
    let mut about = vec![
        (texts.text("task-state"), state(&texts, summary)),
        (texts.text("field-name"), html! { code { (organization.name) } }),
        (texts.text("field-plan"), data(&organization.plan_id)),
        (texts.text("nav-members"), html! { (count(summary.members.into())) }),
        (texts.text("nav-workspaces"), html! { (count(summary.workspaces.into())) }),
        (texts.text("field-created"), time(&texts, organization.created_at)),
        (texts.text("field-id"), id(&texts, &organization.id.to_string())),
    ];
    if let Some(subscription) = &summary.subscription {
        about.push((texts.text("tenant-subscription"), subscription_badge(&texts, subscription.state)));
    }
    facts(&about)
}

/// Suspension with its reason, or the form that suspends the organization.
fn suspension(context: &Context, summary: &OrganizationSummary, form: &FormState) -> Markup {
    let texts = context.texts();
    let mut target = creating_form(context, urls::tenant(summary.organization.id), form);
    match &summary.organization.suspension {
        Some(suspension) => {
            target.hidden.push((INTENT, "resume".to_owned()));
            notice(
                Tone::Bad,
                &texts.text("organization-suspended"),
                &html! {
                    p { (texts.text("workspace-since")) " " (time(&texts, suspension.since)) }
                    @if let Some(reason) = &suspension.reason { p { (name(reason)) } }
                    p { (texts.text("tenant-resume-about")) }
                    (post_form(&target, &submit_button(&texts, ButtonKind::Primary, &texts.text("tenant-resume"))))
                },
            )
        }
        None => {
            target.hidden.push((INTENT, "suspend".to_owned()));
            let reason = Field::line("reason", texts.text("tenant-reason"))
                .value(form.value("reason"))
                .error(form.error("reason"))
                .hint(texts.text("tenant-reason-hint"));
            let content = html! {
                p { (texts.text("tenant-suspend-about")) }
                (post_form(&target, &html! {
                    (field(&texts, &reason))
                    div class="form-actions" {
                        (submit_button(&texts, ButtonKind::Secondary, &texts.text("tenant-suspend")))
                    }
                }))
            };
            card(&texts.text("tenant-suspend"), None, &content)
        }
    }
}
