use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use futures_util::future::try_join_all;
use futures_util::try_join;
use jiff::{SignedDuration, Timestamp};

use super::Caller;
use super::billing::Billing;
use super::commit::require_version;
use super::invitations::require_not_deleting;
use crate::access::{Action, Decision, EffectiveRoles, authorize};
use crate::billing::{Invoice, InvoiceStatus};
use crate::changeset::Changeset;
use crate::error::{Error, Result};
use crate::id::{OrganizationId, WorkspaceId};
use crate::metering::{self, Bill};
use crate::model::{
    BillingAccount, CustomerId, Hour, Meter, Money, Month, OrganizationRole, PerMeter, Price, Reading,
    UsageBound, WorkspaceUsage,
};
use crate::name::Slug;
use crate::platform::PlatformInner;
use crate::version::Version;

/// Maximum period of a usage statement: 400 days.
const MAX_USAGE_PERIOD: SignedDuration = SignedDuration::from_hours(400 * 24);

/// Number of invoices that are read at a time.
const INVOICE_PAGE_SIZE: usize = 100;

/// Usage of the workspaces of an organization in a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageStatement {
    /// First hour of the period.
    pub from: Hour,
    /// First hour after the period.
    pub until: Hour,
    /// Usage by workspace. The name is `None` if the workspace has been deleted.
    pub workspaces: Vec<(Option<Slug>, WorkspaceUsage)>,
}

impl UsageStatement {
    /// Returns the total usage of all workspaces.
    #[must_use]
    pub fn total(&self) -> PerMeter<Reading> {
        let all = self.workspaces.iter().map(|(_, usage)| &usage.readings);
        all.fold(PerMeter::default(), |sum: PerMeter<Reading>, more| {
            PerMeter::from_fn(|meter| sum[meter].plus(more[meter]))
        })
    }
}

/// Cost of an organization's usage in the current month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonthlyUsage {
    /// Month of the usage.
    pub month: Month,
    /// Cost of the usage beyond the included amounts, at the current prices of the paid plan; `None` without a paid
    /// subscription.
    pub bill: Option<Bill>,
    /// Monthly budget for this cost; `None` if the organization does not request usage alerts for one.
    pub budget: Option<Money>,
}

/// Invoice with the shares of workspaces in its usage lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedInvoice {
    /// The invoice.
    pub invoice: Invoice,
    /// Shares by workspace, for each line of the invoice; empty for a line that is not for usage.
    pub shares: Vec<Vec<WorkspaceShare>>,
}

/// Share of a workspace in an invoice line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceShare {
    /// Id of the workspace, which may have been deleted.
    pub workspace_id: WorkspaceId,
    /// Name of the workspace; `None` if it has been deleted.
    pub name: Option<Slug>,
    /// Usage in thousandths of the meter's unit.
    pub quantity: u64,
    /// Share of the amount. The shares of all workspaces add up to the amount exactly.
    pub amount: Money,
}

/// Comparison of stored, reported and received usage of a meter in a month, in thousandths of the meter's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageVerification {
    /// Meter that is compared.
    pub meter: Meter,
    /// Stored usage of complete hours, since the creation of the billing account.
    pub used: u64,
    /// Usage that was reported to the billing provider.
    pub reported: u64,
    /// Usage that the billing provider has received.
    pub provider: u64,
    /// Reported usage of the paid periods that end in the month that no invoice charges, since it became known after
    /// the invoice was final.
    pub uncharged: u64,
}

impl UsageVerification {
    /// `true` if the usage is reported, and received as reported. Usage that became known too late to be charged is
    /// not an inconsistency.
    #[must_use]
    pub const fn is_consistent(&self) -> bool {
        self.used == self.reported && self.reported == self.provider
    }
}

impl Billing<'_> {
    /// Returns the usage of all workspaces of an organization, or of one, in the hours that begin in a period.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role.
    /// - `Invalid` for a period that is longer than 400 days, or ends before it begins.
    pub async fn usage(
        &self,
        caller: &Caller,
        id: OrganizationId,
        workspace: Option<WorkspaceId>,
        (from, until): (Timestamp, Timestamp),
    ) -> Result<UsageStatement> {
        self.0.permit(caller, id, Action::BillingRead).await?;
        let (from, until) = checked_period((from, until))?;
        let used = async {
            match workspace {
                Some(_) => self.0.store.sum_usage_by_workspace(id, workspace, from, until).await,
                None => self.0.reads(caller).usage(id, from, until).await,
            }
        };
        let (used, names) = try_join!(used, self.names(caller, id))?;
        let named = |usage: WorkspaceUsage| (names.get(&usage.workspace_id).cloned(), usage);
        Ok(UsageStatement { from, until, workspaces: used.into_iter().map(named).collect() })
    }

    async fn names(&self, caller: &Caller, id: OrganizationId) -> Result<BTreeMap<WorkspaceId, Slug>> {
        let workspaces = self.0.reads(caller).workspaces(id).await?;
        Ok(workspaces.into_iter().map(|workspace| (workspace.id, workspace.name)).collect())
    }

    /// Returns the cost of usage in the current month so far.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role.
    pub async fn this_month(&self, caller: &Caller, id: OrganizationId) -> Result<MonthlyUsage> {
        self.0.permit(caller, id, Action::BillingRead).await?;
        let account = self.0.reads(caller).billing_account(id).await?;
        let month = Month::of(self.0.now());
        let price = match &account {
            Some(account) => self.0.current_price(account).await?,
            None => None,
        };
        let bill = match price {
            Some(price) => Some(self.0.usage_bill(caller, id, &price, month).await?),
            None => None,
        };
        Ok(MonthlyUsage { month, bill, budget: account.and_then(|account| account.budget) })
    }

    /// Sets the monthly budget for usage beyond the included amounts, or removes it with `None`. Usage alerts are sent
    /// at 80 and 100 percent; usage is never stopped.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role.
    /// - `Invalid` for a negative amount, or a currency that no plan has a price in.
    /// - `Conflict` with code `precondition_failed` or `organization_deleting`.
    pub async fn set_budget(
        &self,
        caller: &Caller,
        id: OrganizationId,
        budget: Option<Money>,
        expected: Option<Version>,
    ) -> Result<BillingAccount> {
        self.0
            .transact(|| async move {
                self.0.permit(caller, id, Action::BillingBudget).await?;
                let organization = self.0.organization(id).await?;
                require_not_deleting(&organization)?;
                if let Some(budget) = budget {
                    self.require_valid_budget(budget).await?;
                }
                let found = self.0.store.find_billing_account(id).await?;
                let (now, known) = (self.0.now(), found.is_some());
                let mut account = found.unwrap_or_else(|| BillingAccount::new(id, now));
                if known {
                    require_version(expected, account.version)?;
                }
                if account.budget == budget {
                    return Ok((Changeset::new(), account));
                }
                let entry = self.0.audit(caller, id, "billing.budget", id, account.budget, budget);
                account.budget = budget;
                // Alerts that were sent for the previous budget must not suppress those for the new one.
                account.sent_usage_alerts.alerts.retain(|alert| alert.bound != UsageBound::Budget);
                let changeset = Changeset::new().audit(entry).message(self.0.account_reconcile_message(id));
                let changeset = match known {
                    true => changeset.billing_account(account.clone(), now),
                    false => changeset.organization(organization, now).insert(account.clone()),
                };
                let version = if known { account.version.next() } else { account.version };
                Ok((changeset, BillingAccount { version, ..account }))
            })
            .await
    }

    async fn require_valid_budget(&self, budget: Money) -> Result<()> {
        if budget.amount < 0 {
            return Err(Error::invalid("amount", "must not be negative"));
        }
        let plans = self.0.plans().await?;
        let is_plan_currency =
            |currency| plans.iter().any(|plan| plan.price.is_some_and(|it| it.monthly.currency == currency));
        match is_plan_currency(budget.currency) {
            true => Ok(()),
            false => Err(Error::invalid("currency", "must be a currency that plans are priced in")),
        }
    }

    /// Adds the shares of workspaces to an invoice.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role.
    pub async fn explain(
        &self,
        caller: &Caller,
        id: OrganizationId,
        invoice: Invoice,
    ) -> Result<ExplainedInvoice> {
        self.0.permit(caller, id, Action::BillingRead).await?;
        let names = match invoice.lines.iter().any(|line| line.meter.is_some()) {
            true => self.names(caller, id).await?,
            false => BTreeMap::new(),
        };
        let mut shares = Vec::with_capacity(invoice.lines.len());
        // Lines for tiers and meters of the same period share one query.
        let mut known: BTreeMap<(Hour, Hour), Vec<WorkspaceUsage>> = BTreeMap::new();
        for line in &invoice.lines {
            let Some(meter) = line.meter else {
                shares.push(Vec::new());
                continue;
            };
            let (from, until) = metering::billed_hours(line.period_start, line.period_end);
            let used = match known.entry((from, until)) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => unknown.insert(self.0.reads(caller).usage(id, from, until).await?),
            };
            let used: Vec<(WorkspaceId, u64)> =
                used.iter().map(|usage| (usage.workspace_id, usage.readings[meter].amount)).collect();
            let share = |(workspace_id, quantity, amount): (WorkspaceId, u64, Money)| WorkspaceShare {
                workspace_id,
                name: names.get(&workspace_id).cloned(),
                quantity,
                amount,
            };
            shares.push(metering::shares(line.amount, &used).into_iter().map(share).collect());
        }
        Ok(ExplainedInvoice { invoice, shares })
    }

    /// Compares the usage of an organization in a month with the reports to the billing provider and with the usage
    /// that the provider has, for each meter that any plan charges for. For operators: no caller is authorized.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn verify_usage(&self, id: OrganizationId, month: Month) -> Result<Vec<UsageVerification>> {
        let account = self.0.store.find_billing_account(id).await?;
        self.verify_usage_of(account, id, month).await
    }

    /// As [`Self::verify_usage`], for a billing account that was read.
    pub(super) async fn verify_usage_of(
        &self,
        account: Option<BillingAccount>,
        id: OrganizationId,
        month: Month,
    ) -> Result<Vec<UsageVerification>> {
        let Some(account) = account else { return Ok(Vec::new()) };
        let Some(customer) = &account.customer_id else { return Ok(Vec::new()) };
        let from = Hour::of(month.start()).max(Hour::of(account.created_at));
        let until = Hour::of(month.end()).min(Hour::of(self.0.now()));
        if from >= until {
            return Ok(Vec::new());
        }
        let (used, reported, invoices) = try_join!(
            self.0.store.sum_usage_by_hour(id, from, until),
            self.0.store.list_usage_reports(id, from, until),
            self.final_invoices(customer, month),
        )?;
        let periods = invoices.iter().flat_map(|invoice| &invoice.lines).map(|line| line.period_start);
        let billed_from =
            periods.min().map_or(from, |start| Hour::of(start).max(Hour::of(account.created_at)));
        let billed = match billed_from < from {
            true => self.0.store.list_usage_reports(id, billed_from, until).await?,
            false => reported.clone(),
        };
        let plans = self.0.plans().await?;
        let charges_for = |meter: Meter| {
            let plan = account.subscription.as_ref().and_then(|it| plans.find(&it.plan_id));
            plan.and_then(|plan| plan.price).is_some_and(|price| price.usage[meter].is_some())
        };
        let verify_usage = |meter: Meter| {
            let used = used.iter().map(|(_, used)| used[meter]).sum();
            let reported = reported.iter().map(|report| report.reported[meter]).sum();
            let uncharged = match charges_for(meter) {
                true => metering::uncharged(meter, month, &invoices, &billed),
                false => 0,
            };
            async move {
                let provider = self.0.billing.reported_usage(customer, meter, from, until).await?;
                Ok::<_, Error>(UsageVerification { meter, used, reported, provider, uncharged })
            }
        };
        try_join_all(plans.charged_meters().into_iter().map(verify_usage)).await
    }
}

impl Billing<'_> {
    /// Returns the final invoices of a customer that were created in a month or later, newest first.
    async fn final_invoices(&self, customer: &CustomerId, month: Month) -> Result<Vec<Invoice>> {
        let mut found: Vec<Invoice> = Vec::new();
        loop {
            let after = found.last().map(|invoice| invoice.id.clone());
            let page = self.0.billing.list_invoices(customer, INVOICE_PAGE_SIZE, after).await?;
            let is_last = page.len() < INVOICE_PAGE_SIZE;
            found.extend(page);
            let is_older = found.last().is_none_or(|invoice| invoice.created_at < month.start());
            if is_last || is_older {
                found.retain(|invoice| {
                    invoice.status != InvoiceStatus::Draft && invoice.created_at >= month.start()
                });
                return Ok(found);
            }
        }
    }
}

impl PlatformInner {
    /// Returns the current price of the plan that an organization pays for; `None` without a paid subscription.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) async fn current_price(&self, account: &BillingAccount) -> Result<Option<Price>> {
        let plans = self.plans().await?;
        let plan = account.live_subscription().and_then(|subscription| plans.find(&subscription.plan_id));
        Ok(plan.and_then(|plan| plan.price))
    }

    async fn usage_bill(
        &self,
        caller: &Caller,
        id: OrganizationId,
        price: &Price,
        month: Month,
    ) -> Result<Bill> {
        let (from, until) = (Hour::of(month.start()), Hour::of(month.end()));
        let used = self.reads(caller).usage(id, from, until).await?;
        let used = used.iter().fold(PerMeter::default(), |sum: PerMeter<u64>, more| {
            PerMeter::from_fn(|meter| sum[meter].saturating_add(more.readings[meter].amount))
        });
        Ok(metering::bill(price, &used))
    }

    /// Returns the cost of the current month so far: the prepaid amounts and the usage. `None` if the caller may not
    /// read billing, or there is no paid subscription.
    pub(crate) async fn month_to_date(
        &self,
        caller: &Caller,
        id: OrganizationId,
        role: OrganizationRole,
    ) -> Result<Option<Money>> {
        let roles = EffectiveRoles { organization: Some(role), ..EffectiveRoles::default() };
        if authorize(&caller.principal, &roles, Action::BillingRead) != Decision::Allowed {
            return Ok(None);
        }
        let Some(account) = self.reads(caller).billing_account(id).await? else { return Ok(None) };
        let (Some(price), Some(subscription)) =
            (self.current_price(&account).await?, account.live_subscription())
        else {
            return Ok(None);
        };
        let used = self.usage_bill(caller, id, &price, Month::of(self.now())).await?;
        Ok(Some(metering::month_cost(&price, subscription, &used)))
    }
}

/// Returns the first hour of a period, and the first hour after it.
///
/// # Errors
/// `Invalid` for a period that is longer than 400 days, or ends before it begins.
pub(super) fn checked_period((from, until): (Timestamp, Timestamp)) -> Result<(Hour, Hour)> {
    if until < from || until.duration_since(from) > MAX_USAGE_PERIOD {
        return Err(Error::invalid("to", "must not be before from, and at most 400 days after it"));
    }
    Ok((first_hour_from(from), first_hour_from(until)))
}

/// Returns the first hour that begins at `moment` or later.
fn first_hour_from(moment: Timestamp) -> Hour {
    let hour = Hour::of(moment);
    if hour.start() == moment { hour } else { hour.after(1) }
}
