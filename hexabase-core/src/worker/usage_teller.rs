use std::collections::BTreeMap;

use futures_util::future::try_join_all;

use crate::billing::UsageEvent;
use crate::changeset::Changeset;
use crate::error::Result;
use crate::id::OrganizationId;
use crate::metering::{self, Bill, Telling};
use crate::model::{
    BillingAccount, CustomerId, Hour, Meter, Money, Month, Organization, PerMeter, UsageAlert, UsageBound,
    UsageReport,
};
use crate::notifier::Mail;
use crate::platform::Parts;
use crate::store::Lease;

/// How many hours back the billing provider is told of usage: Stripe takes nothing that is older than 35 days.
const REACH: i64 = 34 * 24;

/// How many hours are told of in one look, so that an order does not wait long for the account.
const AT_A_TIME: usize = 24;

/// How much of what was to be told was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// All of it.
    Everything,
    /// As much as is told in one look.
    Some,
}

/// Tells the billing provider what organizations used, and warns them.
#[derive(Debug)]
pub(super) struct UsageTeller<'a>(&'a Parts);

impl<'a> UsageTeller<'a> {
    pub(super) const fn new(parts: &'a Parts) -> Self {
        Self(parts)
    }

    /// Warns an organization of what its usage has reached this month, and tells the provider of every hour what it was
    /// not told yet. Under the lease on the account.
    pub(super) async fn tell(&self, id: OrganizationId, lease: &Lease) -> Result<Told> {
        let charged = self.0.plans.charged_meters();
        if charged.is_empty() {
            return Ok(Told::Everything);
        }
        let Some(account) = self.0.store.find_billing_account(id).await? else { return Ok(Told::Everything) };
        let Some(customer) = account.customer_id.clone() else { return Ok(Told::Everything) };
        let present = Hour::of(self.0.now());
        let from = Hour::of(account.created_at).max(present.after(-REACH));
        let used = self.0.store.sum_usage_by_hour(id, from, present).await?;
        let used: BTreeMap<Hour, PerMeter<u64>> = used.into_iter().collect();
        self.warn(account, &used, lease).await?;
        let reports = self.0.store.list_usage_reports(id, from, present).await?;
        let nothing_told = |hour| UsageReport::untold(id, hour);
        let mut tellings = metering::untold(&used, reports, nothing_told, &charged).into_iter();
        for telling in tellings.by_ref().take(AT_A_TIME) {
            self.tell_hour(&customer, telling, lease).await?;
        }
        Ok(if tellings.len() == 0 { Told::Everything } else { Told::Some })
    }

    /// Tells what an hour came to. Whoever is cut off in between tells the same again.
    async fn tell_hour(&self, customer: &CustomerId, telling: Telling, lease: &Lease) -> Result<()> {
        let Telling { mut report, news } = telling;
        let events: Vec<UsageEvent> =
            news.iter().map(|news| event(&report, news.meter, news.amount)).collect();
        try_join_all(events.iter().map(|event| self.0.billing.report_usage(customer, event))).await?;
        for news in news {
            report.told[news.meter] = news.amount;
        }
        report.round += 1;
        self.0.commit(Changeset::new().guard(lease.guard()).put(report)).await
    }

    async fn warn(
        &self,
        account: BillingAccount,
        used: &BTreeMap<Hour, PerMeter<u64>>,
        lease: &Lease,
    ) -> Result<()> {
        let now = self.0.now();
        let month = Month::of(now);
        let Some(price) = self.0.price_of(&account) else { return Ok(()) };
        let this_month = used.range(Hour::of(month.start())..).map(|(_, used)| used);
        let used = this_month.fold(PerMeter::default(), |sum: PerMeter<u64>, used| {
            PerMeter::of(|meter| sum[meter].saturating_add(used[meter]))
        });
        let bill = metering::bill(&price, &used);
        let (warned, alerts) = metering::warn(&account, &bill, month);
        if alerts.is_empty() {
            return Ok(());
        }
        let organization = &self.0.organization(account.organization_id).await?;
        let data = serde_json::json!({ "month": month, "alerts": alerts });
        let mut changeset = Changeset::new().guard(lease.guard()).insert(self.0.event(
            organization.id,
            None,
            "billing.usage",
            data,
        ));
        for to in self.0.who_pays(organization.id).await? {
            for alert in &alerts {
                let (subject, text) =
                    words(*alert, organization, &bill, account.budget, &self.0.settings.public_url);
                let mail = Mail { to: to.clone(), subject, text };
                changeset = changeset.message(self.0.mail(organization.id, &mail)?);
            }
        }
        self.0.commit(changeset.billing_account(BillingAccount { warned, ..account }, now)).await
    }
}

/// What the provider is told of something in an hour. Its name follows from what was told before and what is told now.
fn event(report: &UsageReport, meter: Meter, amount: u64) -> UsageEvent {
    let UsageReport { organization_id, hour, round, .. } = report;
    UsageEvent {
        identifier: format!("{organization_id}/{meter}/{hour}/{round}/{amount}"),
        meter,
        hour: *hour,
        at: metering::stands_for(*hour, *round),
        amount,
    }
}

/// What a warning says: its subject and its text.
fn words(
    alert: UsageAlert,
    organization: &Organization,
    bill: &Bill,
    budget: Option<Money>,
    url: &str,
) -> (String, String) {
    let name = &organization.display_name;
    let reached = if alert.percent < 100 { format!("{} % of", alert.percent) } else { "all of".to_owned() };
    let so_far = format!("Usage beyond what is included has cost {} so far this month.", bill.total.shown());
    let more = format!("See what uses how much at {url}.");
    match alert.bound {
        UsageBound::Included(meter) => {
            let (title, unit) = (meter.title(), meter.unit_title());
            let included = bill.lines.iter().find(|line| line.meter == meter).map_or(0, |line| line.included);
            let included = included / 1_000;
            (
                format!("{name} has used {reached} the {title} that is included"),
                format!(
                    "{name} has used {reached} the {included} {unit} of {title} that its plan includes in a month. What \
                     is used beyond that is charged; nothing is stopped. {so_far}\n\n{more}\n"
                ),
            )
        }
        UsageBound::Budget => {
            let budget = budget.unwrap_or_else(|| bill.total.zero()).shown();
            (
                format!("{name} has used {reached} its budget"),
                format!(
                    "{name} wants to spend {budget} on usage in a month, and has used {reached} that. {so_far} Nothing \
                     is stopped.\n\n{more}\n"
                ),
            )
        }
    }
}
