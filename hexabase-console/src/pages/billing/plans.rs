//! Comparison of the plans.

use axum::http::StatusCode;
use hexabase_api::Path;
use hexabase_core::access::Action;
use hexabase_core::id::OrganizationId;
use maud::html;

use super::plan_facts::offer_card;
use super::{BillingPage, Tab};
use crate::components::{Tone, notice, plan_card};
use crate::context::{Context, refusal};
use crate::pages::api_call::api_call;
use crate::response::PageResult;

pub(super) async fn show(context: Context, Path(org): Path<OrganizationId>) -> PageResult {
    let membership = context.organization_for(org, Action::BillingRead).await?;
    let (platform, caller) = (context.platform(), &context.caller);
    let billing = platform.billing();
    let (offers, abilities) = tokio::try_join!(
        billing.offers(caller, org),
        platform.abilities_for(caller, org, None, &[Action::BillingOrder])
    )?;
    let texts = context.texts();
    let content = html! {
        p { (texts.text("plans-about")) }
        @if let Some(reason) = refusal(&context, &abilities, Action::BillingOrder) {
            (notice(Tone::Warning, &texts.text("plan-change-refused"), &html! { p { (reason) } }))
        }
        div class="plans" id="plans" data-live="billing" {
            h2 class="hidden" { (texts.text("plans-compare")) }
            div { @for offer in &offers { (plan_card(&offer_card(&texts, org, offer))) } }
        }
    };
    let commands = vec![api_call(&context, texts.text("billing-shell-plans"), "/plans")];
    let page = BillingPage { commands, ..BillingPage::new(Tab::Plans, content) };
    Ok(page.respond(context, StatusCode::OK, &membership))
}
