//! Facts of a plan: price, quota and limits.

use hexabase_core::id::OrganizationId;
use hexabase_core::model::{Interval, Meter, Plan, UsagePrice};
use hexabase_core::platform::PlanOffer;

use super::words::{interval_price, meter_text, usage_text};
use crate::components::{ButtonKind, PlanCard, link_button, resource_text};
use crate::language::{Language, Texts};
use crate::money::money;
use crate::numbers::{amount, count};
use crate::urls;

/// Card of a plan in the comparison.
pub(super) fn offer_card(texts: &Texts, org: OrganizationId, offer: &PlanOffer) -> PlanCard {
    let label = match offer.is_current {
        true => texts.text("plan-show"),
        false => texts.text("plan-preview"),
    };
    let action = offer.refusal.is_none().then(|| {
        let kind = if offer.is_current { ButtonKind::Secondary } else { ButtonKind::Primary };
        let label = texts
            .text_with("plan-action", &[("action", (&label).into()), ("plan", (&offer.plan.name).into())]);
        link_button(kind, &label, &urls::billing_plan(org, &offer.plan.id))
    });
    PlanCard {
        badge: offer.is_current.then(|| texts.text("billing-current-plan")),
        refusal: offer_refusal(texts, offer),
        action,
        ..plan_card(texts, &offer.plan)
    }
}

/// Returns the reason why the organization cannot change to a plan: it has more than the plan allows.
pub(super) fn offer_refusal(texts: &Texts, offer: &PlanOffer) -> Option<String> {
    let message = offer.refusal.clone()?;
    Some(match texts.language() {
        Language::English => message,
        Language::Japanese | Language::Pseudo => texts.text("plan-exceeded"),
    })
}

/// Card of a plan with its prices, quota and limits.
pub(super) fn plan_card(texts: &Texts, plan: &Plan) -> PlanCard {
    let yearly = plan.price.and_then(|price| price.yearly);
    PlanCard {
        title: plan.name.clone(),
        price: match plan.price {
            Some(price) => interval_price(texts, price.monthly, Interval::Month),
            None => texts.text("plan-free"),
        },
        effect: yearly.map(|yearly| interval_price(texts, yearly, Interval::Year)),
        facts: plan_facts(texts, plan),
        ..PlanCard::default()
    }
}

fn plan_facts(texts: &Texts, plan: &Plan) -> Vec<(String, String)> {
    let mut facts: Vec<_> = plan
        .quota
        .iter()
        .map(|(resource, quantity)| (resource_text(texts, resource), amount(resource, quantity)))
        .collect();
    facts.push((texts.text("nav-workspaces"), count(plan.limits.workspaces.into())));
    facts.push((texts.text("nav-members"), count(plan.limits.members.into())));
    let Some(price) = plan.price else { return facts };
    let units = [(texts.text("price-workspace"), price.workspace), (texts.text("price-node"), price.node)];
    for (label, unit) in units {
        let Some(unit) = unit else { continue };
        let monthly = money(texts.language(), unit.monthly);
        let text = texts.text_with(
            "price-beyond",
            &[("price", (&monthly).into()), ("included", u64::from(unit.included).into())],
        );
        facts.push((label, text));
    }
    let usage = price.usage.iter().filter_map(|(meter, price)| Some((meter, (*price)?)));
    facts.extend(usage.map(|(meter, price)| (meter_text(texts, meter), usage_price(texts, meter, price))));
    if price.trial_days > 0 {
        let days = texts.text_with("time-days", &[("count", u64::from(price.trial_days).into())]);
        facts.push((texts.text("plan-trial"), days));
    }
    facts
}

/// Returns the included amount, and the price of a thousand further units.
fn usage_price(texts: &Texts, meter: Meter, price: UsagePrice) -> String {
    let included = usage_text(texts, meter, price.included_in(1));
    let thousand = usage_text(texts, meter, 1_000_000);
    let price = money(texts.language(), price.per_thousand);
    texts.text_with(
        "price-usage",
        &[("included", (&included).into()), ("amount", (&thousand).into()), ("price", (&price).into())],
    )
}
