//! [`UsageReporter`] reports hourly usage to the billing provider and warns organizations of high usage.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;

use crate::billing::UsageEvent;
use crate::changeset::Changeset;
use crate::error::Result;
use crate::id::OrganizationId;
use crate::metering::{self, Bill, PendingReport};
use crate::model::{
    BillingAccount, CustomerId, EventKind, Hour, Meter, Money, Month, Organization, PerMeter, UsageAlert,
    UsageBound, UsageReport,
};
use crate::notifier::{Notification, PlainName};
use crate::platform::PlatformInner;
use crate::store::Lease;

/// Age of the oldest usage that is reported, in hours: Stripe rejects meter events older than 35 days.
const MAX_REPORT_AGE_HOURS: i64 = 34 * 24;

/// Maximum number of hours reported in one reconcile, so that an order does not wait long for the account's lease.
const MAX_HOURS_PER_REPORT: usize = 24;

/// Extent of one call of [`UsageReporter::report`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReportOutcome {
    /// All pending usage is reported.
    Complete,
    /// Usage remains to be reported: the call reached its maximum number of hours.
    Partial,
}

/// Reports the usage of organizations to the billing provider, and sends usage alerts.
#[derive(Debug)]
pub(super) struct UsageReporter<'a>(&'a PlatformInner);

impl<'a> UsageReporter<'a> {
    pub(super) const fn new(inner: &'a PlatformInner) -> Self {
        Self(inner)
    }

    /// Sends the usage alerts that are due this month, and reports unreported usage to the provider. Requires the
    /// lease on the account.
    pub(super) async fn report(&self, id: OrganizationId, lease: &Lease) -> Result<ReportOutcome> {
        let charged = self.0.plans().await?.charged_meters();
        if charged.is_empty() {
            return Ok(ReportOutcome::Complete);
        }
        let Some(account) = self.0.store.find_billing_account(id).await? else {
            return Ok(ReportOutcome::Complete);
        };
        let Some(customer) = account.customer_id.clone() else { return Ok(ReportOutcome::Complete) };
        let present = Hour::of(self.0.now());
        let from = Hour::of(account.created_at).max(present.after(-MAX_REPORT_AGE_HOURS));
        let used = self.0.store.sum_usage_by_hour(id, from, present).await?;
        let used: BTreeMap<Hour, PerMeter<u64>> = used.into_iter().collect();
        self.send_alerts(account, &used, lease).await?;
        let reports = self.0.store.list_usage_reports(id, from, present).await?;
        let no_report = |hour| UsageReport::unreported(id, hour);
        let mut reports_due = metering::unreported(&used, reports, no_report, &charged).into_iter();
        for pending in reports_due.by_ref().take(MAX_HOURS_PER_REPORT) {
            self.report_hour(&customer, pending, lease).await?;
        }
        Ok(if reports_due.len() == 0 { ReportOutcome::Complete } else { ReportOutcome::Partial })
    }

    /// Reports the changed amounts of an hour. After an interruption, the next call sends the same events again.
    async fn report_hour(&self, customer: &CustomerId, pending: PendingReport, lease: &Lease) -> Result<()> {
        let PendingReport { mut report, deltas } = pending;
        let events: Vec<UsageEvent> =
            deltas.iter().map(|delta| event(&report, delta.meter, delta.amount)).collect();
        try_join_all(events.iter().map(|event| self.0.billing.report_usage(customer, event))).await?;
        for delta in deltas {
            report.reported[delta.meter] = delta.amount;
        }
        report.revision += 1;
        self.0.commit(Changeset::new().precondition(lease.precondition()).put(report)).await
    }

    async fn send_alerts(
        &self,
        account: BillingAccount,
        used: &BTreeMap<Hour, PerMeter<u64>>,
        lease: &Lease,
    ) -> Result<()> {
        let now = self.0.now();
        let month = Month::of(now);
        let Some(price) = self.0.current_price(&account).await? else { return Ok(()) };
        let this_month = used.range(Hour::of(month.start())..).map(|(_, used)| used);
        let used = this_month.fold(PerMeter::default(), |sum: PerMeter<u64>, used| {
            PerMeter::from_fn(|meter| sum[meter].saturating_add(used[meter]))
        });
        let bill = metering::bill(&price, &used);
        let (sent_usage_alerts, alerts) = metering::due_alerts(&account, &bill, month);
        if alerts.is_empty() {
            return Ok(());
        }
        let organization = &self.0.organization(account.organization_id).await?;
        let data = serde_json::json!({ "month": month, "alerts": alerts });
        let mut changeset = Changeset::new().precondition(lease.precondition()).insert(self.0.event(
            organization.id,
            None,
            EventKind::BillingUsage,
            data,
        ));
        for to in self.0.billing_recipients(organization.id).await? {
            for alert in &alerts {
                let billing_url = self.0.billing_url(organization.id);
                let notification = notification(*alert, organization, &bill, account.budget, billing_url);
                changeset =
                    changeset.message(self.0.notification(organization.id, to.clone(), notification)?);
            }
        }
        self.0.commit(changeset.billing_account(BillingAccount { sent_usage_alerts, ..account }, now)).await
    }
}

/// Usage event for one meter in one hour. Its identifier follows from the number of earlier reports and the amount, so
/// that a retry repeats it.
fn event(report: &UsageReport, meter: Meter, amount: u64) -> UsageEvent {
    let UsageReport { organization_id, hour, revision, .. } = report;
    UsageEvent {
        identifier: format!("{organization_id}/{meter}/{hour}/{revision}/{amount}"),
        meter,
        hour: *hour,
        at: metering::report_time(*hour, *revision),
        amount,
    }
}

/// Notification of a usage alert.
fn notification(
    alert: UsageAlert,
    organization: &Organization,
    bill: &Bill,
    budget: Option<Money>,
    billing_url: String,
) -> Notification {
    let organization = PlainName::of(organization);
    let (percent, cost) = (alert.percent, bill.total);
    match alert.bound {
        UsageBound::Included(meter) => {
            let included = bill.lines.iter().find(|line| line.meter == meter).map_or(0, |line| line.included);
            let included = included / 1_000;
            Notification::IncludedUsage { organization, meter, percent, included, cost, billing_url }
        }
        UsageBound::Budget => {
            let budget = budget.unwrap_or_else(|| cost.zero());
            Notification::Budget { organization, percent, budget, cost, billing_url }
        }
    }
}
