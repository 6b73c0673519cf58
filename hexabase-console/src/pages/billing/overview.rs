//! Overview of billing: plan, payment, invoices and usage.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_core::access::Action;
use hexabase_core::billing::{Invoice, PaymentMethod};
use hexabase_core::id::OrganizationId;
use hexabase_core::model::{Subscription, SubscriptionState};
use hexabase_core::plans::PlanCatalog;
use hexabase_core::platform::{BillingOverview, BillingState, MonthlyUsage};
use maud::{Markup, html};

use super::budget::budget_meter;
use super::invoices::invoice_table;
use super::words::{interval_price, subscription_badge};
use super::{BillingPage, Membership, Tab, dunning};
use crate::components::{ButtonKind, Tone, badge, card, facts, link_button, name, notice, unavailable};
use crate::context::Context;
use crate::form::error_text;
use crate::language::Texts;
use crate::money::money;
use crate::pages::api_call::api_call;
use crate::pages::unless_unavailable;
use crate::response::PageResult;
use crate::time::{exact_time, time};
use crate::urls::{self, UPCOMING_INVOICE};

/// Facts on the page.
struct OverviewPage {
    state: BillingState,
    /// State at the payment provider; `None` if it does not respond.
    provider: Option<ProviderState>,
    month: MonthlyUsage,
    plans: Arc<PlanCatalog>,
}

/// State that only the payment provider knows.
struct ProviderState {
    payment_method: Option<PaymentMethod>,
    upcoming: Option<Invoice>,
    open: Vec<Invoice>,
}

pub(super) async fn show(context: Context, Path(org): Path<OrganizationId>) -> PageResult {
    let membership = context.organization_for(org, Action::BillingRead).await?;
    let (platform, caller) = (context.platform(), &context.caller);
    let billing = platform.billing();
    let (found, month, plans) = tokio::join!(
        billing.overview(caller, org),
        billing.this_month(caller, org),
        platform.current_plans()
    );
    let (state, provider) = match unless_unavailable(found)? {
        Some(BillingOverview { state, payment_method, upcoming, open }) => {
            (state, Some(ProviderState { payment_method, upcoming, open }))
        }
        None => (billing.state(caller, org).await?, None),
    };
    let facts = OverviewPage { state, provider, month: month?, plans: plans? };
    Ok(page(context, &membership, &facts))
}

fn page(context: Context, membership: &Membership, facts: &OverviewPage) -> Response {
    let texts = context.texts();
    let org = membership.0.id;
    let content = html! {
        div id="billing" data-live="billing" {
            (dunning(&texts, org, facts.state.account.standing))
            (notices(&texts, org, &facts.state))
            (card(&texts.text("billing-current-plan"), None, &current_plan(&texts, org, facts)))
            @match &facts.provider {
                Some(provider) => (payments(&texts, org, provider)),
                None => (unavailable(&texts, &texts.text("billing-provider"))),
            }
            (card(&texts.text("billing-month"), None, &month(&texts, org, &facts.month)))
        }
    };
    let path = format!("/organizations/{org}/billing/overview");
    let commands = vec![api_call(&context, texts.text("billing-shell-billing"), &path)];
    BillingPage { commands, ..BillingPage::new(Tab::Overview, content) }.respond(
        context,
        StatusCode::OK,
        membership,
    )
}

/// Notices about the last order.
fn notices(texts: &Texts, org: OrganizationId, state: &BillingState) -> Markup {
    let account = &state.account;
    let awaits_bank = account.subscription.as_ref().is_some_and(|subscription| {
        subscription.awaits_confirmation || subscription.state == SubscriptionState::Incomplete
    });
    html! {
        @if let Some(order) = &account.order {
            (notice(Tone::Busy, &texts.text("order-pending"), &html! {
                p { (texts.text("order-pending-about")) }
                p class="note" { (texts.text("order-requested")) " " (time(texts, order.requested_at)) }
            }))
        }
        @if let Some(rejection) = &account.rejection {
            (notice(Tone::Bad, &texts.text("order-rejected"), &html! {
                p { (error_text(*texts, rejection.reason.as_str(), &rejection.message)) }
                p class="note" { (time(texts, rejection.at)) }
            }))
        }
        @if awaits_bank {
            (notice(Tone::Warning, &texts.text("order-awaits-bank"), &html! {
                p { (texts.text("order-awaits-bank-about")) }
                (link_button(ButtonKind::Secondary, &texts.text("billing-methods"), &urls::payment_methods(org)))
            }))
        }
    }
}

fn current_plan(texts: &Texts, org: OrganizationId, page: &OverviewPage) -> Markup {
    let account = &page.state.account;
    let plan = page.plans.find(&page.state.plan_id);
    let plan_name = plan.map_or(page.state.plan_id.as_str(), |plan| &plan.name);
    let mut about = vec![(texts.text("field-plan"), name(plan_name))];
    match &account.subscription {
        Some(subscription) => {
            let price = page.plans.find(&subscription.plan_id).and_then(|plan| plan.price);
            let price = price.and_then(|price| price.per(subscription.interval));
            about.extend(price.map(|price| {
                (texts.text("billing-price"), html! { (interval_price(texts, price, subscription.interval)) })
            }));
            about.extend(subscription_facts(texts, subscription));
        }
        None => {
            about.push((texts.text("billing-status"), badge(Tone::Neutral, &texts.text("subscription-none"))))
        }
    }
    html! {
        (facts(&about))
        div class="actions" {
            (link_button(ButtonKind::Primary, &texts.text("plans-compare"), &urls::billing_plans(org)))
            @if account.live_subscription().is_some() {
                (link_button(ButtonKind::Secondary, &texts.text("leave-title"), &urls::leave_plan(org)))
            }
        }
    }
}

fn subscription_facts(texts: &Texts, subscription: &Subscription) -> Vec<(String, Markup)> {
    let mut about = vec![(texts.text("billing-status"), subscription_badge(texts, subscription.state))];
    let end = match (subscription.state.is_live(), subscription.cancel_at_period_end) {
        (true, false) => texts.text("subscription-renews"),
        (true, true) => texts.text("subscription-ends"),
        (false, _) => texts.text("subscription-ended"),
    };
    about.push((end, exact_time(texts, subscription.current_period_end)));
    if subscription.state == SubscriptionState::Trialing {
        about.extend(
            subscription.trial_end.map(|end| (texts.text("subscription-trial-end"), exact_time(texts, end))),
        );
    }
    let add_ons = [
        (texts.text("add-on-workspaces"), subscription.add_ons.workspaces),
        (texts.text("add-on-nodes"), subscription.add_ons.nodes),
    ];
    let charged = add_ons.into_iter().filter_map(|(label, count)| Some((label, count.filter(|it| *it > 0)?)));
    about.extend(charged.map(|(label, count)| (label, html! { (count) })));
    about
}

fn payments(texts: &Texts, org: OrganizationId, provider: &ProviderState) -> Markup {
    html! {
        (card(&texts.text("billing-next-invoice"), None, &html! {
            @match &provider.upcoming {
                Some(invoice) => {
                    p class="price" { (money(texts.language(), invoice.total)) }
                    p { a href=(urls::invoice(org, UPCOMING_INVOICE)) { (texts.text("invoice-upcoming-show")) } }
                },
                None => p { (texts.text("invoice-upcoming-none")) },
            }
        }))
        @if !provider.open.is_empty() {
            (card(&texts.text("billing-open-invoices"), None, &invoice_table(texts, org, &provider.open)))
        }
        (card(&texts.text("billing-default-method"), None, &html! {
            p {
                @match &provider.payment_method {
                    Some(method) => (name(&method.title)),
                    None => (texts.text("methods-none")),
                }
            }
            p { a href=(urls::payment_methods(org)) { (texts.text("billing-methods")) } }
        }))
    }
}

fn month(texts: &Texts, org: OrganizationId, month: &MonthlyUsage) -> Markup {
    html! {
        @match &month.bill {
            Some(bill) => p { (texts.text("metered-cost")) ": " (money(texts.language(), bill.total)) },
            None => p { (texts.text("metered-cost-none")) },
        }
        @if let Some(budget) = month.budget { (budget_meter(texts, month, budget)) }
        div class="actions" {
            a href=(urls::billing_usage(org)) { (texts.text("billing-usage")) }
            a href=(urls::budget(org)) { (texts.text("billing-budget")) }
        }
    }
}
