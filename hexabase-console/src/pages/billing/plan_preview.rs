//! Markup of the preview of a plan.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_core::id::OrganizationId;
use hexabase_core::model::{Interval, Plan};
use maud::{Markup, html};

use super::invoice_lines::invoice_lines;
use super::plan::{PlanPage, Preview};
use super::plan_facts::{offer_refusal, plan_card};
use super::words::interval_price;
use super::{BillingPage, Membership, Tab, action_form};
use crate::components::{
    self, ButtonKind, Choice, Control, Field, Tone, card, error_summary, field, link_button, notice,
    post_form, submit_button, unavailable,
};
use crate::context::Context;
use crate::form::{FormState, INTENT, form_to};
use crate::language::Texts;
use crate::pages::api_call::api_request;
use crate::pages::seen::plan_version;
use crate::urls::{self, without_mount};

pub(super) fn render(
    context: Context,
    status: StatusCode,
    membership: &Membership,
    page: &PlanPage,
    form: &FormState,
) -> Response {
    let texts = context.texts();
    let org = membership.0.id;
    let plan = &page.offer.plan;
    let content = html! {
        (error_summary(&texts, &form.summary(&["interval", "coupon"])))
        p {
            (texts.text_with("plan-change-from", &[
                ("current", (&page.current_name).into()),
                ("plan", (&plan.name).into()),
            ]))
        }
        @if let Some(reason) = offer_refusal(&texts, &page.offer).or(page.refusal.clone()) {
            (notice(Tone::Warning, &texts.text("plan-change-refused"), &html! { p { (reason) } }))
        } @else if plan.price.is_none() {
            (free_plan(&texts, org, page))
        } @else {
            (order(&context, org, page, form))
        }
        (card(&texts.text("plan-about"), None, &components::plan_card(&plan_card(&texts, plan))))
    };
    let body = format!("{{\"plan_id\": \"{}\"}}", plan.id);
    let path = format!("/organizations/{org}/billing/subscription");
    let commands = vec![
        api_request(&context, texts.text("plan-preview"), "PUT", &format!("{path}?dry_run=true"), &body),
        api_request(&context, texts.text("plan-choose"), "PUT", &path, &body),
    ];
    let page = BillingPage {
        title: Some(plan.name.clone()),
        commands,
        has_errors: form.has_errors(),
        ..BillingPage::new(Tab::Plans, content)
    };
    page.respond(context, status, membership)
}

/// A free plan is what remains without a subscription.
fn free_plan(texts: &Texts, org: OrganizationId, page: &PlanPage) -> Markup {
    html! {
        @if page.state.account.live_subscription().is_some() {
            p { (texts.text("plan-free-by-leaving")) }
            (link_button(ButtonKind::Secondary, &texts.text("leave-title"), &urls::leave_plan(org)))
        } @else {
            p { (texts.text("plan-free-already")) }
        }
    }
}

/// Options of the order, its preview, and the button that places it or leads to the page for a payment method.
fn order(context: &Context, org: OrganizationId, page: &PlanPage, form: &FormState) -> Markup {
    let texts = context.texts();
    let plan = &page.offer.plan;
    let url = urls::billing_plan(org, &plan.id);
    let mut options = form_to(context, url.clone(), None);
    options.hidden.push((INTENT, "preview".to_owned()));
    // The order is that of the preview, whatever the options are by then.
    let version = plan_version(&page.state.plan_id, &page.state.account);
    let mut target = form_to(context, url.clone(), Some(version));
    let interval = page.command.interval.map_or("", Interval::as_str);
    target.hidden.extend([
        (INTENT, "choose".to_owned()),
        ("interval", interval.to_owned()),
        ("coupon", page.command.coupon.clone().unwrap_or_default()),
    ]);
    let needs_method = page.methods.as_ref().is_some_and(Vec::is_empty)
        && plan.price.is_some_and(|price| price.trial_days == 0);
    let may_choose = !needs_method && matches!(page.preview, Preview::Shown(_));
    html! {
        div id="plan-preview" {
            (card(&texts.text("plan-preview"), None, &html! {
                (preview(&texts, &page.preview))
                @if may_choose {
                    (post_form(&target, &submit_button(&texts, ButtonKind::Primary, &texts.text("plan-choose"))))
                }
            }))
        }
        @if needs_method { (checkout(context, org, &url)) }
        (card(&texts.text("plan-options"), None, &post_form(&options, &html! {
            (field(&texts, &interval_field(&texts, plan, page, form)))
            (field(&texts, &coupon_field(&texts, form)))
            div class="form-actions" {
                (submit_button(&texts, ButtonKind::Secondary, &texts.text("plan-preview-update")))
                (link_button(ButtonKind::Secondary, &texts.text("button-cancel"), &urls::billing_plans(org)))
            }
        })))
    }
}

fn preview(texts: &Texts, preview: &Preview) -> Markup {
    html! {
        @match preview {
            Preview::OnRequest => p { (texts.text("plan-preview-needed")) },
            Preview::Shown(Some(invoice)) => {
                p { (texts.text("plan-preview-about")) }
                (invoice_lines(texts, invoice))
            },
            Preview::Shown(None) => p { (texts.text("plan-preview-free")) },
            Preview::Rejected(reason) => {
                (notice(Tone::Warning, &texts.text("plan-change-refused"), &html! { p { (reason) } }))
            },
            Preview::Unavailable => (unavailable(texts, &texts.text("billing-provider"))),
        }
    }
}

/// Form that leads to the page of the payment provider for a payment method, and back to the plan.
fn checkout(context: &Context, org: OrganizationId, url: &str) -> Markup {
    let texts = context.texts();
    let mut form = action_form(context, urls::payment_methods(org), "checkout");
    form.hidden.push(("return_to", without_mount(url).to_owned()));
    notice(
        Tone::Neutral,
        &texts.text("methods-needed"),
        &html! {
            p { (texts.text("methods-needed-about")) }
            (post_form(&form, &submit_button(&texts, ButtonKind::Primary, &texts.text("methods-add"))))
        },
    )
}

fn interval_field(texts: &Texts, plan: &Plan, page: &PlanPage, form: &FormState) -> Field {
    let price_of = |interval: &Interval| Some((*interval, plan.price?.per(*interval)?));
    let choices = Interval::ALL
        .iter()
        .filter_map(price_of)
        .map(|(interval, price)| Choice::new(interval.as_str(), interval_price(texts, price, interval)));
    let subscription = page.state.account.live_subscription();
    let current = subscription.map_or(Interval::Month, |subscription| subscription.interval);
    Field::new("interval", texts.text("billing-interval"), Control::Radio(choices.collect()))
        .value(form.value_or("interval", current.as_str()))
        .error(form.error("interval"))
        .required()
}

fn coupon_field(texts: &Texts, form: &FormState) -> Field {
    Field::line("coupon", texts.text("billing-coupon"))
        .value(form.value("coupon"))
        .error(form.error("coupon"))
}
