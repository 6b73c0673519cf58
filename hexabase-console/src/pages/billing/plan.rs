//! Plan: preview of the change to it, and the choice.

use axum::http::StatusCode;
use hexabase_api::Path;
use hexabase_api::billing::requests::PlanChoice;
use hexabase_core::access::Action;
use hexabase_core::billing::{Invoice, PaymentMethod};
use hexabase_core::error::{Error, ErrorKind, Result};
use hexabase_core::id::OrganizationId;
use hexabase_core::model::SubscriptionState;
use hexabase_core::platform::{BillingState, ChoosePlan, PlanOffer};
use hexabase_core::version::Version;

use super::plan_preview::render;
use crate::context::{Context, refusal};
use crate::flash::Flash;
use crate::form::{Fields, FormState, INTENT, Submission, error_text};
use crate::language::Texts;
use crate::pages::conflict::{Conflict, changes_of, is_outdated};
use crate::pages::seen::{plan_version, require_seen};
use crate::pages::unless_unavailable;
use crate::reasons::violation_text;
use crate::response::{PageResult, see_other};
use crate::urls;

/// Facts on the page.
pub(super) struct PlanPage {
    pub(super) offer: PlanOffer,
    /// Choice that the preview is of.
    pub(super) command: ChoosePlan,
    pub(super) state: BillingState,
    /// Name of the plan of the organization.
    pub(super) current_name: String,
    /// Payment methods; `None` if the payment provider does not respond.
    pub(super) methods: Option<Vec<PaymentMethod>>,
    /// Reason why the user cannot order now; `None` if possible.
    pub(super) refusal: Option<String>,
    pub(super) preview: Preview,
}

/// Preview of the change.
pub(super) enum Preview {
    /// None yet: it registers the organization at the payment provider, which only a form does.
    OnRequest,
    /// Invoice after the change; `None` for a free plan.
    Shown(Option<Box<Invoice>>),
    /// The change is not possible.
    Rejected(String),
    /// The payment provider does not respond.
    Unavailable,
}

pub(super) async fn show(
    mut context: Context,
    Path((org, plan)): Path<(OrganizationId, String)>,
) -> PageResult {
    let membership = context.organization_for(org, Action::BillingOrder).await?;
    let form = FormState::with(context.saved_fields());
    let command = plain_choice(&plan)?;
    let known = context.platform().billing().state(&context.caller, org).await?;
    let preview = match known.account.customer_id {
        Some(_) => match previewed(&context, org, &command).await {
            Ok(preview) => preview,
            Err(error) if is_rule(&error) => Preview::Rejected(rule_of(context.texts(), &error)),
            Err(error) => return Err(error.into()),
        },
        None => Preview::OnRequest,
    };
    let page = load(&context, org, &command, preview).await?;
    Ok(render(context, StatusCode::OK, &membership, &page, &form))
}

pub(super) async fn submit(
    Path((org, plan)): Path<(OrganizationId, String)>,
    submission: Submission,
) -> PageResult {
    let seen = submission.version();
    let Submission { context, fields } = submission;
    let membership = context.organization_for(org, Action::BillingOrder).await?;
    let given = |name: &str| Some(fields.get(name).trim().to_owned()).filter(|text| !text.is_empty());
    let choice = PlanChoice { plan_id: plan, interval: given("interval"), coupon: given("coupon") };
    let plain = plain_choice(&choice.plan_id)?;
    let command = match choice.parse() {
        Ok(command) => command,
        Err(error) => return rejected(context, org, &membership, &plain, &fields, error).await,
    };
    if fields.get(INTENT) != "choose" {
        return match previewed(&context, org, &command).await {
            Ok(preview) => {
                let page = load(&context, org, &command, preview).await?;
                Ok(render(context, StatusCode::OK, &membership, &page, &FormState::with(fields)))
            }
            Err(error) => rejected(context, org, &membership, &plain, &fields, error).await,
        };
    }
    match choose(&context, org, &command, seen).await {
        Ok(text) => Ok(see_other(context, &urls::billing(org), &Flash::new(text))),
        Err(error) if is_outdated(&error) => {
            let page = load(&context, org, &command, Preview::OnRequest).await?;
            let account = &page.state.account;
            let conflict = Conflict {
                url: urls::billing_plan(org, &command.plan_id),
                version: plan_version(&page.state.plan_id, account),
                updated_at: account.updated_at,
                changes: Some(changes_of(org, Some("billing.order"))),
                values: vec![(context.text("field-plan"), page.offer.plan.name, page.current_name)],
            };
            // The form of that page orders nothing: the user sees the preview again.
            conflict.respond(context, &fields, Some(membership)).await
        }
        Err(error) => rejected(context, org, &membership, &plain, &fields, error).await,
    }
}

async fn rejected(
    context: Context,
    org: OrganizationId,
    membership: &super::Membership,
    command: &ChoosePlan,
    fields: &Fields,
    error: Error,
) -> PageResult {
    let (form, error) = FormState::rejected(context.texts(), fields, error)?;
    let page = load(&context, org, command, Preview::OnRequest).await?;
    Ok(render(context, error.status(), membership, &page, &form))
}

/// Returns the choice of a plan without options. An address with an invalid id is that of no plan.
fn plain_choice(plan: &str) -> Result<ChoosePlan> {
    let choice = PlanChoice { plan_id: plan.to_owned(), interval: None, coupon: None };
    choice.parse().map_err(|_| Error::not_found("plan"))
}

/// Orders the plan, and returns what happens next.
async fn choose(
    context: &Context,
    org: OrganizationId,
    command: &ChoosePlan,
    seen: Option<Version>,
) -> Result<String> {
    let billing = context.platform().billing();
    let known = billing.state(&context.caller, org).await?;
    require_seen(seen, plan_version(&known.plan_id, &known.account))?;
    let version = Some(known.account.version);
    let state = billing.choose_plan(&context.caller, org, command, version).await?;
    let awaits_bank = state.account.subscription.as_ref().is_some_and(|subscription| {
        subscription.awaits_confirmation || subscription.state == SubscriptionState::Incomplete
    });
    Ok(match (state.account.order.is_some(), awaits_bank) {
        (true, _) => context.text("order-pending-about"),
        (false, true) => context.text("order-awaits-bank-about"),
        (false, false) => context.text("plan-chosen"),
    })
}

async fn previewed(context: &Context, org: OrganizationId, command: &ChoosePlan) -> Result<Preview> {
    let preview = context.platform().billing().preview(&context.caller, org, command).await;
    Ok(match unless_unavailable(preview)? {
        Some(invoice) => Preview::Shown(invoice.map(Box::new)),
        None => Preview::Unavailable,
    })
}

/// `true` if a change breaks a rule, rather than failed.
fn is_rule(error: &Error) -> bool {
    use ErrorKind::{Conflict, Invalid, QuotaExceeded, Unsupported};
    matches!(error.kind(), Invalid | Conflict | QuotaExceeded | Unsupported)
}

/// Returns the rule that a change breaks, with the remedy.
fn rule_of(texts: Texts, error: &Error) -> String {
    let rules = error.violations().iter().map(|violation| violation_text(&texts, violation));
    match error.kind() {
        ErrorKind::Invalid => rules.collect::<Vec<_>>().join("; "),
        _ => error_text(texts, error.code(), error.message()),
    }
}

async fn load(
    context: &Context,
    org: OrganizationId,
    command: &ChoosePlan,
    preview: Preview,
) -> Result<PlanPage> {
    let (platform, caller) = (context.platform(), &context.caller);
    let billing = platform.billing();
    let (offers, state, abilities, plans, methods) = tokio::try_join!(
        billing.offers(caller, org),
        billing.state(caller, org),
        platform.abilities_for(caller, org, None, &[Action::BillingOrder]),
        platform.current_plans(),
        async { unless_unavailable(billing.payment_methods(caller, org).await) },
    )?;
    let offer = offers.into_iter().find(|offer| offer.plan.id == command.plan_id);
    let current = plans.find(&state.plan_id);
    Ok(PlanPage {
        command: command.clone(),
        offer: offer.ok_or_else(|| Error::not_found("plan"))?,
        current_name: current.map_or_else(|| state.plan_id.to_string(), |plan| plan.name.clone()),
        refusal: refusal(context, &abilities, Action::BillingOrder),
        state,
        methods,
        preview,
    })
}
