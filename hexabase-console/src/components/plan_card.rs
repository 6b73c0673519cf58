use maud::{Markup, html};

use super::badge::{Tone, badge};
use super::name;

/// Plan as it is sold.
#[derive(Debug, Clone, Default)]
pub struct PlanCard {
    /// Name of the plan.
    pub title: String,
    /// Price as text, with its period: "$49.00 per month".
    pub price: String,
    /// Effect of choosing the plan, such as the amount on the next invoice.
    pub effect: Option<String>,
    /// Amounts and features: labels with values.
    pub facts: Vec<(String, String)>,
    /// Text of a badge, such as "Current plan".
    pub badge: Option<String>,
    /// Choice of the plan in a form; `None` for cards with an action of their own.
    pub choice: Option<PlanChoice>,
    /// Reason for which the plan cannot be chosen; `None` if it can.
    pub refusal: Option<String>,
    /// Button or link; `None` for none.
    pub action: Option<Markup>,
}

/// Choice of a plan in a form.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlanChoice {
    /// Name of the field.
    pub name: String,
    /// Value of the plan.
    pub value: String,
    /// `true` if the plan is chosen at first.
    pub is_chosen: bool,
}

/// Cards of plans side by side. `label` names the choice.
#[must_use]
pub fn plan_cards(label: &str, cards: &[PlanCard]) -> Markup {
    html! {
        fieldset class="plans" {
            legend { (label) }
            div { @for card in cards { (plan_card(card)) } }
        }
    }
}

/// Card of a plan.
#[must_use]
pub fn plan_card(card: &PlanCard) -> Markup {
    let heading = html! {
        span class="plan-title" { (name(&card.title)) }
        @if let Some(text) = &card.badge { " " (badge(Tone::Neutral, text)) }
    };
    html! {
        div class="plan" {
            @match &card.choice {
                Some(choice) => {
                    label {
                        input type="radio" name=(choice.name) value=(choice.value) checked[choice.is_chosen]
                            disabled[card.refusal.is_some()];
                        span { (heading) }
                    }
                },
                None => h3 { (heading) },
            }
            p class="price" { (card.price) }
            @if let Some(effect) = &card.effect { p class="hint" { (effect) } }
            dl class="facts" {
                @for (label, value) in &card.facts { div { dt { (label) } dd { (value) } } }
            }
            @if let Some(refusal) = &card.refusal { p class="reason" { (refusal) } }
            @if let Some(action) = &card.action { (action) }
        }
    }
}
