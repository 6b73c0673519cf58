//! Budget for usage beyond the included amounts.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_api::billing::requests::Budget;
use hexabase_core::access::Action;
use hexabase_core::error::Result;
use hexabase_core::id::OrganizationId;
use hexabase_core::metering::reached_percent;
use hexabase_core::model::{BillingAccount, Currency, Money};
use hexabase_core::plans::PlanCatalog;
use hexabase_core::platform::MonthlyUsage;
use hexabase_core::version::Version;
use maud::{Markup, html};

use super::{BillingPage, Membership, Tab};
use crate::components::{
    ButtonKind, Choice, Control, Field, Meter, Tone, card, error_summary, field, form_actions, meter, notice,
    post_form, submit_button,
};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::{Fields, FormState, INTENT, Submission, VERSION, form_to, invalid_entry};
use crate::language::Texts;
use crate::money::{decimal_text, money, parse_amount};
use crate::pages::api_call::api_request;
use crate::pages::conflict::{Conflict, changes_of, is_outdated};
use crate::pages::seen::{budget_version, require_seen};
use crate::response::{PageResult, see_other};
use crate::urls;

/// Percentage at which the budget is used up.
const FULL: u8 = 100;

pub(super) async fn show(mut context: Context, Path(org): Path<OrganizationId>) -> PageResult {
    let form = FormState::with(context.saved_fields());
    page(context, StatusCode::OK, org, &form).await
}

pub(super) async fn submit(Path(org): Path<OrganizationId>, submission: Submission) -> PageResult {
    let seen = submission.version();
    let Submission { context, fields } = submission;
    let membership = context.organization_for(org, Action::BillingBudget).await?;
    let url = urls::budget(org);
    let before = context.platform().billing().state(&context.caller, org).await?.account;
    let changed = match require_seen(seen, budget_version(&before)) {
        Ok(()) => set(&context, org, &fields, before.version).await,
        Err(error) => Err(error),
    };
    match changed {
        Ok(after) => {
            let flash = Flash::new(context.text("budget-changed"));
            let version = budget_version(&after).number().to_string();
            let flash = match before.budget {
                Some(budget) => {
                    let (amount, currency) = (decimal_text(budget), budget.currency.as_str().to_owned());
                    let undo = [("amount", &*amount), ("currency", &*currency), (VERSION, &*version)];
                    flash.with_undo(url.clone(), &undo)
                }
                None => flash.with_undo(url.clone(), &[(INTENT, "remove"), (VERSION, &version)]),
            };
            Ok(see_other(context, &url, &flash))
        }
        // A removal has no values to compare.
        Err(error) if is_outdated(&error) && fields.get(INTENT) != "remove" => {
            let now = before.budget.map(decimal_text).unwrap_or_default();
            let conflict = Conflict {
                url,
                version: budget_version(&before),
                updated_at: before.updated_at,
                changes: Some(changes_of(org, Some("billing.budget"))),
                values: vec![(context.text("billing-budget"), fields.get("amount").to_owned(), now)],
            };
            conflict.respond(context, &fields, Some(membership)).await
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            page(context, error.status(), org, &form).await
        }
    }
}

async fn set(
    context: &Context,
    org: OrganizationId,
    fields: &Fields,
    version: Version,
) -> Result<BillingAccount> {
    let budget = match fields.get(INTENT) {
        "remove" => None,
        _ => Some(requested(fields.get("amount"), fields.get("currency"), &context.texts())?),
    };
    context.platform().billing().set_budget(&context.caller, org, budget, Some(version)).await
}

/// Returns the budget of an amount in the major unit of a currency.
fn requested(amount: &str, currency: &str, texts: &Texts) -> Result<Money> {
    // An unknown currency is rejected as in the API.
    let zero = Budget { amount: 0, currency: currency.to_owned() }.parse()?;
    let invalid = || invalid_entry("amount", texts.text("budget-amount-invalid"));
    parse_amount(amount, zero.currency).map(|amount| zero.with_amount(amount)).ok_or_else(invalid)
}

async fn page(context: Context, status: StatusCode, org: OrganizationId, form: &FormState) -> PageResult {
    let membership = context.organization_for(org, Action::BillingBudget).await?;
    let (platform, caller) = (context.platform(), &context.caller);
    let billing = platform.billing();
    let (state, month, plans) = tokio::try_join!(
        billing.state(caller, org),
        billing.this_month(caller, org),
        platform.current_plans(),
    )?;
    Ok(render(context, status, &membership, &state.account, &month, &plans, form))
}

fn render(
    context: Context,
    status: StatusCode,
    membership: &Membership,
    account: &BillingAccount,
    month: &MonthlyUsage,
    plans: &PlanCatalog,
    form: &FormState,
) -> Response {
    let texts = context.texts();
    let org = membership.0.id;
    let url = urls::budget(org);
    let version = budget_version(account);
    let target = form_to(&context, url.clone(), Some(version));
    let mut removal = form_to(&context, url, Some(version));
    removal.hidden.push((INTENT, "remove".to_owned()));
    let save = texts.text("budget-set");
    let content = html! {
        (error_summary(&texts, &form.summary(&["amount", "currency"])))
        p { (texts.text("budget-about")) }
        @if let Some(budget) = account.budget {
            div id="budget-state" data-live="billing" {
                (card(&texts.text("billing-month"), None, &budget_meter(&texts, month, budget)))
            }
        }
        (card(&save, None, &html! {
            (post_form(&target, &html! {
                (fields(&texts, account.budget, plans, form))
                (form_actions(&texts, ButtonKind::Primary, &save, &urls::billing(org)))
            }))
            @if account.budget.is_some() {
                (post_form(&removal, &submit_button(&texts, ButtonKind::Secondary, &texts.text("budget-remove"))))
            }
        }))
    };
    let path = format!("/organizations/{org}/billing/budget");
    let body = r#"{"amount": 20000, "currency": "usd"}"#;
    let commands = vec![
        api_request(&context, save, "PUT", &path, body),
        api_request(&context, texts.text("budget-remove"), "DELETE", &path, ""),
    ];
    let page =
        BillingPage { commands, has_errors: form.has_errors(), ..BillingPage::new(Tab::Budget, content) };
    page.respond(context, status, membership)
}

fn fields(texts: &Texts, budget: Option<Money>, plans: &PlanCatalog, form: &FormState) -> Markup {
    let mut currencies: Vec<Currency> =
        plans.iter().filter_map(|plan| Some(plan.price?.monthly.currency)).collect();
    currencies.sort_by(|left, right| left.as_str().cmp(right.as_str()));
    currencies.dedup();
    let code = |currency: &Currency| currency.as_str().to_owned();
    let choices = currencies.iter().map(|it| Choice::new(code(it), code(it).to_ascii_uppercase()));
    let chosen = budget.map(|budget| budget.currency).or_else(|| currencies.first().copied());
    let amount = Field::line("amount", texts.text("billing-amount"))
        .value(form.value_or("amount", &budget.map(decimal_text).unwrap_or_default()))
        .hint(texts.text("budget-amount-hint"))
        .error(form.error("amount"))
        .required();
    let currency = Field::new("currency", texts.text("billing-currency"), Control::Select(choices.collect()))
        .value(form.value_or("currency", &chosen.as_ref().map(code).unwrap_or_default()))
        .error(form.error("currency"))
        .required();
    html! { (field(texts, &amount)) (field(texts, &currency)) }
}

/// Cost of this month's usage against the budget, with a warning once an alert is due.
pub(super) fn budget_meter(texts: &Texts, month: &MonthlyUsage, budget: Money) -> Markup {
    let cost = month.bill.as_ref().map_or(budget.zero(), |bill| bill.total);
    let text = |amount| money(texts.language(), amount);
    #[expect(clippy::cast_precision_loss, reason = "bars need no exact amounts")]
    let bar = |amount: Money| amount.amount as f64;
    let state = Meter {
        label: texts.text("metered-cost"),
        used: bar(cost),
        reserved: 0.0,
        limit: Some(bar(budget)),
        used_text: text(cost),
        reserved_text: String::new(),
        limit_text: text(budget),
    };
    html! {
        @match reached_percent(cost, budget) {
            None => {},
            Some(FULL..) => (notice(Tone::Bad, &texts.text("budget-exceeded"), &html! { p { (texts.text("budget-continues")) } })),
            Some(percent) => {
                (notice(
                    Tone::Warning,
                    &texts.text_with("budget-reached", &[("percent", u64::from(percent).into())]),
                    &html! { p { (texts.text("budget-continues")) } },
                ))
            },
        }
        (meter(texts, &state))
    }
}
