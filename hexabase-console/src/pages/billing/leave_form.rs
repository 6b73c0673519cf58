//! Form that ends the subscription, with the consequences.

use hexabase_core::id::OrganizationId;
use hexabase_core::platform::CancellationEffects;
use maud::{Markup, html};

use super::Membership;
use super::leave::LeavePage;
use crate::components::{
    ButtonKind, DangerForm, Field, Tone, card, danger_form, field, form_actions, notice, post_form,
};
use crate::context::Context;
use crate::form::{FormState, form_to};
use crate::language::Texts;
use crate::pages::seen::plan_version;
use crate::time::{exact_time, exact_time_text};
use crate::urls;

/// Maximum number of names of suspended workspaces on the page.
const SHOWN_NAMES: usize = 20;

/// Choice of the time, and the form with the consequences at that time.
pub(super) fn confirmation(
    context: &Context,
    membership: &Membership,
    facts: &LeavePage,
    effects: &CancellationEffects,
    form: &FormState,
) -> Markup {
    let texts = context.texts();
    let org = membership.0.id;
    let version = plan_version(&membership.0.plan_id, &effects.account);
    let mut target = form_to(context, urls::leave_plan(org), Some(version));
    target.hidden.push(("now", facts.now.to_string()));
    let (title, button) = match facts.now {
        true => (texts.text("leave-now"), texts.text("leave-now-button")),
        false => (texts.text("leave-at-period-end"), texts.text("leave-title")),
    };
    let consequences = consequences(&texts, facts, effects);
    let slug = membership.0.name.as_str();
    let confirmation = match facts.now {
        true => danger_form(
            &texts,
            &DangerForm {
                form: target,
                title,
                consequences,
                typed_name: Some(slug.to_owned()),
                error: form.error("confirm_name"),
                button,
                cancel_href: urls::billing(org),
            },
        ),
        // The end can be revoked until then.
        false => card(
            &title,
            None,
            &html! {
                ul { @for consequence in &consequences { li { (consequence) } } }
                (post_form(&target, &html! {
                    (field(&texts, &Field::line("confirm_name", texts.text_with("danger-type-name", &[("name", slug.into())]))
                        .error(form.error("confirm_name"))
                        .required()))
                    (form_actions(&texts, ButtonKind::Danger, &button, &urls::billing(org)))
                }))
            },
        ),
    };
    let subscription = effects.account.live_subscription();
    let scheduled = subscription.filter(|subscription| subscription.cancel_at_period_end);
    html! {
        @if let Some(subscription) = scheduled {
            (notice(Tone::Neutral, &texts.text("leave-is-scheduled"), &html! {
                p { (texts.text("subscription-ends")) ": " (exact_time(&texts, subscription.current_period_end)) }
                p { (texts.text("leave-revoke")) }
            }))
        }
        (choice(&texts, org, facts.now))
        @if facts.now || scheduled.is_none() { (confirmation) }
    }
}

/// Links to the two times at which the subscription can end.
fn choice(texts: &Texts, org: OrganizationId, now: bool) -> Markup {
    let url = urls::leave_plan(org);
    let options = [
        (false, url.clone(), texts.text("leave-at-period-end")),
        (true, format!("{url}?now=true"), texts.text("leave-now")),
    ];
    html! {
        nav class="tabs" aria-label=(texts.text("leave-when")) {
            ul {
                @for (is_now, href, label) in options {
                    li { a href=(href) aria-current=[(is_now == now).then_some("true")] { (label) } }
                }
            }
        }
    }
}

fn consequences(texts: &Texts, facts: &LeavePage, effects: &CancellationEffects) -> Vec<String> {
    let end = effects.account.live_subscription().map(|subscription| subscription.current_period_end);
    let mut all = Vec::new();
    match (facts.now, end) {
        (false, Some(end)) => {
            let end = exact_time_text(texts, end);
            all.push(texts.text_with("leave-effect-end", &[("time", (&end).into())]));
        }
        _ => all.push(texts.text("leave-effect-now")),
    }
    all.push(texts.text_with("leave-effect-plan", &[("plan", (&facts.plan_name).into())]));
    if !effects.suspended.is_empty() {
        let shown = effects.suspended.iter().take(SHOWN_NAMES).map(|name| name.as_str());
        let mut names = shown.collect::<Vec<_>>().join(", ");
        if effects.suspended.len() > SHOWN_NAMES {
            names.push_str(", …");
        }
        let count = effects.suspended.len();
        all.push(
            texts
                .text_with("leave-effect-workspaces", &[("count", count.into()), ("names", (&names).into())]),
        );
    }
    all.push(texts.text("leave-effect-usage"));
    all
}
