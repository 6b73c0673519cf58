//! Metered usage of a month: by meter, by workspace, and hour by hour.

use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_core::access::Action;
use hexabase_core::id::OrganizationId;
use hexabase_core::metering::BillLine;
use hexabase_core::model::{Meter, Month, Reading, WorkspaceUsage};
use hexabase_core::name::Slug;
use hexabase_core::platform::{HourlyUsage, MonthlyUsage, UsageStatement, UsageVerification};
use jiff::{Span, Timestamp};
use maud::{Markup, html};

use super::usage_hours::{hours, usage_filters};
use super::usage_proof::proof;
use super::words::{meter_text, usage_text};
use super::{BillingPage, Membership, Tab};
use crate::components::{Column, Row, Table, card, table};
use crate::context::Context;
use crate::language::Texts;
use crate::money::money;
use crate::numbers::count;
use crate::pages::api_call::api_call;
use crate::pages::filters::Filters;
use crate::pages::unless_unavailable;
use crate::response::PageResult;
use crate::urls;

/// Part of the usage that the page shows in detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UsageChoice {
    pub(super) month: Month,
    pub(super) meter: Meter,
    /// Day of the month, such as `2026-11-29`; empty for the last one with usage.
    pub(super) day: String,
    /// Current time.
    pub(super) now: Timestamp,
}

impl UsageChoice {
    /// Parses a query. Values that are not valid are those of the page without a query.
    fn parse(filters: &Filters, now: Timestamp) -> Self {
        let month = filters.get("month").parse().unwrap_or_else(|_| Month::of(now));
        let meter = filters.get("meter").parse().unwrap_or(Meter::NetworkTransmit);
        Self { month, meter, day: filters.get("day").to_owned(), now }
    }

    /// Returns the start and the end of the month; the end of the current one is now.
    fn period(&self) -> (Timestamp, Timestamp) {
        let end = self.month.end().min(self.now);
        (self.month.start(), end.max(self.month.start()))
    }
}

/// Returns a month and the 11 months before it, newest first.
pub(super) fn last_months(month: Month) -> Vec<Month> {
    let before = |month: &Month| Some(Month::of(month.start().checked_sub(Span::new().hours(1)).ok()?));
    std::iter::successors(Some(month), before).take(12).collect()
}

/// Facts on the page.
struct UsagePage {
    choice: UsageChoice,
    statement: UsageStatement,
    /// Usage with its cost; only of the current month.
    month: Option<MonthlyUsage>,
    hours: Vec<HourlyUsage>,
    /// Comparison with the payment provider; `None` if it does not respond.
    verified: Option<Vec<UsageVerification>>,
}

pub(super) async fn show(
    context: Context,
    Path(org): Path<OrganizationId>,
    RawQuery(query): RawQuery,
) -> PageResult {
    let membership = context.organization_for(org, Action::BillingRead).await?;
    let (billing, caller) = (context.platform().billing(), &context.caller);
    let filters = Filters::new(query.as_deref().unwrap_or_default());
    let choice = UsageChoice::parse(&filters, context.platform().clock().now());
    let period = choice.period();
    let (statement, month, hours, verified) = tokio::try_join!(
        billing.usage(caller, org, None, period),
        billing.this_month(caller, org),
        billing.hourly_usage(caller, org, period),
        async { unless_unavailable(billing.usage_verification(caller, org, choice.month).await) },
    )?;
    let month = Some(month).filter(|month| month.month == choice.month);
    Ok(page(context, &membership, &UsagePage { choice, statement, month, hours, verified }))
}

fn page(context: Context, membership: &Membership, facts: &UsagePage) -> Response {
    let texts = context.texts();
    let org = membership.0.id;
    let meter = facts.choice.meter;
    let by_workspace =
        texts.text_with("metered-by-workspace", &[("meter", (&meter_text(&texts, meter)).into())]);
    let by_hour = texts.text_with("metered-by-hour", &[("meter", (&meter_text(&texts, meter)).into())]);
    let content = html! {
        (usage_filters(&texts, org, &facts.choice))
        (card(&texts.text("metered-by-meter"), None, &meters(&texts, facts)))
        (card(&by_workspace, None, &workspaces(&texts, org, meter, &facts.statement)))
        (card(&by_hour, None, &hours(&texts, &facts.choice, &facts.hours)))
        (card(&texts.text("metered-proof"), None, &proof(&texts, facts.verified.as_deref())))
    };
    let (from, to) = facts.choice.period();
    let path = format!("/organizations/{org}/billing/usage?from={from:.0}&to={to:.0}");
    let commands = vec![api_call(&context, texts.text("billing-shell-usage"), &path)];
    BillingPage { commands, ..BillingPage::new(Tab::Usage, content) }.respond(
        context,
        StatusCode::OK,
        membership,
    )
}

fn meters(texts: &Texts, facts: &UsagePage) -> Markup {
    let total = facts.statement.total();
    let hours: u64 = facts.statement.workspaces.iter().map(|(_, usage)| usage.hours).sum();
    let lines = facts.month.as_ref().and_then(|month| month.bill.as_ref()).map(|bill| &bill.lines[..]);
    let row = |(meter, reading): (Meter, &Reading)| -> Row {
        let line = lines.unwrap_or_default().iter().find(|line| line.meter == meter);
        let included = line.map(|line: &BillLine| usage_text(texts, meter, line.included));
        let cost = line.map(|line| money(texts.language(), line.cost));
        vec![
            html! { (meter_text(texts, meter)) },
            html! { (usage_text(texts, meter, reading.amount)) },
            html! { (included.as_deref().unwrap_or("–")) },
            html! { (cost.as_deref().unwrap_or("–")) },
            html! { (unmeasured(texts, hours, *reading)) },
        ]
        .into()
    };
    let list = Table {
        caption: texts.text("metered-by-meter"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("billing-meter")),
            Column::number(texts.text("metered-used")),
            Column::number(texts.text("metered-included")),
            Column::number(texts.text("metered-charge")),
            Column::number(texts.text("metered-unmeasured")),
        ],
        rows: total.iter().map(row).collect(),
    };
    html! {
        p class="note" { (texts.text("metered-about")) }
        (table(&list))
    }
}

/// Returns the time without measurements, which is not charged.
fn unmeasured(texts: &Texts, hours: u64, reading: Reading) -> String {
    let minutes = (hours * 60).saturating_sub(reading.minutes);
    texts.text_with("time-minutes", &[("count", minutes.into())])
}

fn workspaces(texts: &Texts, org: OrganizationId, meter: Meter, statement: &UsageStatement) -> Markup {
    let row = |(slug, usage): &(Option<Slug>, WorkspaceUsage)| -> Row {
        let workspace = html! {
            @match slug {
                Some(slug) => a href=(urls::workspace(org, usage.workspace_id)) { (slug) },
                None => { code { (usage.workspace_id) } " " (texts.text("billing-workspace-gone")) },
            }
        };
        let reading = usage.readings[meter];
        vec![
            workspace,
            html! { (usage_text(texts, meter, reading.amount)) },
            html! { (count(usage.hours)) },
            html! { (unmeasured(texts, usage.hours, reading)) },
        ]
        .into()
    };
    let list = Table {
        caption: texts.text("metered-by-workspace-caption"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("billing-workspace")),
            Column::number(texts.text("metered-used")),
            Column::number(texts.text("metered-hours")),
            Column::number(texts.text("metered-unmeasured")),
        ],
        rows: statement.workspaces.iter().map(row).collect(),
    };
    html! {
        @if statement.workspaces.is_empty() { p { (texts.text("metered-none")) } } @else { (table(&list)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-29T10:12:05Z";

    #[test]
    fn a_query_that_is_not_valid_shows_the_current_month() {
        let now: Timestamp = NOW.parse().unwrap();
        let choice = |query| UsageChoice::parse(&Filters::new(query), now);
        assert_eq!(choice("month=2026-13&meter=gold").month.to_string(), "2026-11");
        assert_eq!(choice("").meter, Meter::NetworkTransmit);
        let earlier = choice("month=2026-02&meter=cpu&day=2026-02-03");
        assert_eq!((earlier.month.to_string(), earlier.meter), ("2026-02".to_owned(), Meter::Cpu));
        assert_eq!(earlier.period().1.to_string(), "2026-03-01T00:00:00Z");
        assert_eq!(choice("").period().1, now);
        let later = choice("month=2027-01").period();
        assert_eq!(later.0, later.1, "a month that has not begun has no hours");
    }

    #[test]
    fn the_choice_has_twelve_months() {
        let months = last_months(Month::of(NOW.parse().unwrap()));
        let names: Vec<_> = months.iter().map(ToString::to_string).collect();
        assert_eq!(
            (names.len(), &*names[0], &*names[10], &*names[11]),
            (12, "2026-11", "2026-01", "2025-12")
        );
    }
}
