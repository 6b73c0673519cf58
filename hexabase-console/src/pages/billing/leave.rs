//! End of the subscription, at the end of the paid period or at once, with its consequences.

use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_api::billing::requests::Cancellation;
use hexabase_api::requests::from_filter_form;
use hexabase_core::access::Action;
use hexabase_core::error::Result;
use hexabase_core::id::OrganizationId;
use hexabase_core::platform::{BillingState, CancellationEffects};
use hexabase_core::version::Version;
use maud::html;

use super::leave_form::confirmation;
use super::{BillingPage, Membership, Tab};
use crate::components::{Empty, Link, disabled_button, empty, error_summary};
use crate::context::{Context, refusal};
use crate::flash::Flash;
use crate::form::{Fields, FormState, Submission, invalid_entry};
use crate::pages::api_call::api_request;
use crate::pages::seen::{plan_version, require_seen};
use crate::response::{PageResult, see_other};
use crate::urls;

/// Facts on the page.
pub(super) struct LeavePage {
    /// Consequences; `None` without a subscription.
    pub(super) effects: Option<CancellationEffects>,
    /// Name of the plan afterwards.
    pub(super) plan_name: String,
    /// Reason why the subscription cannot be ended now.
    refusal: Option<String>,
    /// `true` to end the subscription immediately.
    pub(super) now: bool,
}

pub(super) async fn show(
    mut context: Context,
    Path(org): Path<OrganizationId>,
    RawQuery(query): RawQuery,
) -> PageResult {
    let form = FormState::with(context.saved_fields());
    let cancellation: Cancellation = from_filter_form(query.as_deref().unwrap_or_default())?;
    page(context, StatusCode::OK, org, cancellation.now, &form).await
}

pub(super) async fn submit(Path(org): Path<OrganizationId>, submission: Submission) -> PageResult {
    let seen = submission.version();
    let Submission { context, fields } = submission;
    let (organization, _) = context.organization_for(org, Action::BillingOrder).await?;
    let now = fields.get("now") == "true";
    let ended = match fields.get("confirm_name") == organization.name.as_str() {
        true => end(&context, org, &fields, seen).await,
        false => Err(invalid_entry("confirm_name", context.text("danger-wrong-name"))),
    };
    match ended {
        Ok(state) => {
            let text = match state.account.order.is_some() {
                true => context.text("order-pending-about"),
                false if now => context.text("leave-ended"),
                false => context.text("leave-scheduled"),
            };
            Ok(see_other(context, &urls::billing(org), &Flash::new(text)))
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            page(context, error.status(), org, now, &form).await
        }
    }
}

async fn end(
    context: &Context,
    org: OrganizationId,
    fields: &Fields,
    seen: Option<Version>,
) -> Result<BillingState> {
    let query =
        form_urlencoded::Serializer::new(String::new()).append_pair("now", fields.get("now")).finish();
    let Cancellation { now } = from_filter_form(&query)?;
    let (billing, caller) = (context.platform().billing(), &context.caller);
    let known = billing.state(caller, org).await?;
    require_seen(seen, plan_version(&known.plan_id, &known.account))?;
    billing.cancel(caller, org, !now, Some(known.account.version)).await
}

async fn page(
    context: Context,
    status: StatusCode,
    org: OrganizationId,
    now: bool,
    form: &FormState,
) -> PageResult {
    let membership = context.organization_for(org, Action::BillingOrder).await?;
    let (platform, caller) = (context.platform(), &context.caller);
    let billing = platform.billing();
    let (effects, abilities, plans) = tokio::try_join!(
        billing.cancellation_effects(caller, org),
        platform.abilities_for(caller, org, None, &[Action::BillingOrder]),
        platform.current_plans(),
    )?;
    let plan_name = effects.as_ref().map_or_else(String::new, |effects| {
        plans.find(&effects.plan_id).map_or_else(|| effects.plan_id.to_string(), |plan| plan.name.clone())
    });
    let refusal = refusal(&context, &abilities, Action::BillingOrder);
    let facts = LeavePage { effects, plan_name, refusal, now };
    Ok(render(context, status, &membership, &facts, form))
}

fn render(
    context: Context,
    status: StatusCode,
    membership: &Membership,
    facts: &LeavePage,
    form: &FormState,
) -> Response {
    let texts = context.texts();
    let org = membership.0.id;
    let title = texts.text("leave-title");
    let content = html! {
        (error_summary(&texts, &form.summary(&["confirm_name"])))
        @match (&facts.effects, &facts.refusal) {
            (None, _) => (empty(&Empty {
                title: texts.text("subscription-none"),
                purpose: texts.text("leave-nothing"),
                action: Some(Link::new(texts.text("plans-compare"), urls::billing_plans(org))),
                documentation: None,
            })),
            (Some(_), Some(reason)) => (disabled_button("leave-reason", &title, reason)),
            (Some(effects), None) => (confirmation(&context, membership, facts, effects, form)),
        }
    };
    let path = format!("/organizations/{org}/billing/subscription");
    let commands = vec![
        api_request(&context, texts.text("leave-at-period-end"), "DELETE", &path, ""),
        api_request(&context, texts.text("leave-now"), "DELETE", &format!("{path}?now=true"), ""),
    ];
    let page = BillingPage {
        title: Some(title),
        commands,
        has_errors: form.has_errors(),
        ..BillingPage::new(Tab::Overview, content)
    };
    page.respond(context, status, membership)
}
