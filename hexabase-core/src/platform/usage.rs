use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};

use super::Caller;
use super::billing::Billing;
use super::commit::require_version;
use super::invitations::require_alive;
use crate::access::{Action, Decision, Standing, authorize};
use crate::billing::Invoice;
use crate::changeset::Changeset;
use crate::error::{Error, Result};
use crate::id::{OrganizationId, WorkspaceId};
use crate::metering::{self, Bill};
use crate::model::{
    BillingAccount, Hour, Meter, Money, Month, OrganizationRole, PerMeter, Price, Reading, UsageBound,
    WorkspaceUsage,
};
use crate::name::Slug;
use crate::platform::Parts;
use crate::version::Version;

/// The longest time of which usage is added up.
const LONGEST: SignedDuration = SignedDuration::from_hours(400 * 24);

/// What was used in a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageStatement {
    /// From this hour on.
    pub from: Hour,
    /// Until before this hour.
    pub until: Hour,
    /// What each workspace used, with its name as long as it is there.
    pub workspaces: Vec<(Option<Slug>, WorkspaceUsage)>,
}

impl UsageStatement {
    /// What all of them used together.
    #[must_use]
    pub fn total(&self) -> PerMeter<Reading> {
        let all = self.workspaces.iter().map(|(_, usage)| &usage.readings);
        all.fold(PerMeter::default(), |sum: PerMeter<Reading>, more| {
            PerMeter::of(|meter| sum[meter].plus(more[meter]))
        })
    }
}

/// What an organization's usage costs this month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonthlyUsage {
    /// Which month.
    pub month: Month,
    /// What usage costs beyond what is included, by the present prices of the plan that it pays; none when it pays none.
    pub bill: Option<Bill>,
    /// What it wants to spend on that, if it wants to be warned.
    pub budget: Option<Money>,
}

/// An invoice, and which workspaces its lines for usage are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedInvoice {
    /// The invoice.
    pub invoice: Invoice,
    /// Of each of its lines, what each workspace's share of it is; nothing for lines that are not for usage.
    pub shares: Vec<Vec<WorkspaceShare>>,
}

/// A workspace's share of a line of an invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceShare {
    /// Which workspace, which may be gone by now.
    pub workspace_id: WorkspaceId,
    /// Its name, as long as it is there.
    pub name: Option<Slug>,
    /// How much it used, in thousandths of the meter's unit.
    pub quantity: u64,
    /// Its share of the amount. Those of all workspaces together are the amount, to the smallest coin.
    pub amount: Money,
}

/// Whether what was used of something in a month is what the billing provider was told and has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageProof {
    /// Of what.
    pub meter: Meter,
    /// How much was used in the hours that are over, since the organization is a customer.
    pub used: u64,
    /// How much of that the provider was told.
    pub told: u64,
    /// How much the provider has.
    pub provider: u64,
}

impl UsageProof {
    /// Whether all three agree.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.used == self.told && self.told == self.provider
    }
}

impl Billing<'_> {
    /// What the workspaces of an organization, or one of them, used in the hours that lie in a time.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's role says.
    /// - `Invalid` for a time that is longer than 400 days, or ends before it begins.
    pub async fn usage(
        &self,
        caller: &Caller,
        id: OrganizationId,
        workspace: Option<WorkspaceId>,
        (from, until): (Timestamp, Timestamp),
    ) -> Result<UsageStatement> {
        self.0.permit(caller, id, Action::BillingRead).await?;
        if until < from || until.duration_since(from) > LONGEST {
            return Err(Error::invalid("to", "must be after from, and at most 400 days"));
        }
        let (from, until) = (beginning_from(from), beginning_from(until));
        let used = self.0.store.sum_usage_by_workspace(id, workspace, from, until).await?;
        let names = self.names(id).await?;
        let named = |usage: WorkspaceUsage| (names.get(&usage.workspace_id).cloned(), usage);
        Ok(UsageStatement { from, until, workspaces: used.into_iter().map(named).collect() })
    }

    async fn names(&self, id: OrganizationId) -> Result<BTreeMap<WorkspaceId, Slug>> {
        let workspaces = self.0.all_workspaces(id).await?;
        Ok(workspaces.into_iter().map(|workspace| (workspace.id, workspace.name)).collect())
    }

    /// What usage has cost this month so far.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` as the caller's role says.
    pub async fn this_month(&self, caller: &Caller, id: OrganizationId) -> Result<MonthlyUsage> {
        self.0.permit(caller, id, Action::BillingRead).await?;
        let account = self.0.store.find_billing_account(id).await?;
        let month = Month::of(self.0.now());
        let bill = match account.as_ref().and_then(|account| self.0.price_of(account)) {
            Some(price) => Some(self.0.usage_bill(id, &price, month).await?),
            None => None,
        };
        Ok(MonthlyUsage { month, bill, budget: account.and_then(|account| account.budget) })
    }

    /// Says how much an organization wants to spend in a month on usage beyond what is included, to be warned at 80 and at
    /// 100 percent of it; or that it does not want to be. Nothing is ever stopped for it.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's role says.
    /// - `Invalid` for what is less than nothing, or in a currency that no plan is paid in.
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
                self.0.permit(caller, id, Action::BillingManage).await?;
                let organization = self.0.organization(id).await?;
                require_alive(&organization)?;
                if let Some(budget) = budget {
                    self.require_sensible(budget)?;
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
                // Whoever was warned of the old one is warned of the new one as well.
                account.warned.of.retain(|alert| alert.bound != UsageBound::Budget);
                let changeset = Changeset::new().audit(entry).message(self.0.look_at_account(id));
                let changeset = match known {
                    true => changeset.billing_account(account.clone(), now),
                    false => changeset.organization(organization, now).insert(account.clone()),
                };
                let version = if known { account.version.next() } else { account.version };
                Ok((changeset, BillingAccount { version, ..account }))
            })
            .await
    }

    fn require_sensible(&self, budget: Money) -> Result<()> {
        if budget.amount < 0 {
            return Err(Error::invalid("amount", "must not be negative"));
        }
        let sold = |currency| {
            self.0.plans.iter().any(|plan| plan.price.is_some_and(|it| it.monthly.currency == currency))
        };
        match sold(budget.currency) {
            true => Ok(()),
            false => Err(Error::invalid("currency", "must be one that plans are paid in")),
        }
    }

    /// An invoice, explained by what the workspaces used.
    ///
    /// # Errors
    /// As [`Self::invoice`] and [`Self::upcoming_invoice`].
    pub async fn explain(
        &self,
        caller: &Caller,
        id: OrganizationId,
        invoice: Invoice,
    ) -> Result<ExplainedInvoice> {
        self.0.permit(caller, id, Action::BillingRead).await?;
        let names = match invoice.lines.iter().any(|line| line.meter.is_some()) {
            true => self.names(id).await?,
            false => BTreeMap::new(),
        };
        let mut shares = Vec::with_capacity(invoice.lines.len());
        // Tiers and meters of one period are all of the same usage.
        let mut known: BTreeMap<(Hour, Hour), Vec<WorkspaceUsage>> = BTreeMap::new();
        for line in &invoice.lines {
            let Some(meter) = line.meter else {
                shares.push(Vec::new());
                continue;
            };
            let (from, until) = metering::hours_of(line.period_start, line.period_end);
            let used = match known.entry((from, until)) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    unknown.insert(self.0.store.sum_usage_by_workspace(id, None, from, until).await?)
                }
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

    /// Whether what an organization used in a month is what the billing provider was told and has, for everything that any
    /// plan charges for. For operators: nobody's rights are asked for.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn prove(&self, id: OrganizationId, month: Month) -> Result<Vec<UsageProof>> {
        let Some(account) = self.0.store.find_billing_account(id).await? else { return Ok(Vec::new()) };
        let Some(customer) = &account.customer_id else { return Ok(Vec::new()) };
        let from = Hour::of(month.start()).max(Hour::of(account.created_at));
        let until = Hour::of(month.end()).min(Hour::of(self.0.now()));
        if from >= until {
            return Ok(Vec::new());
        }
        let used = self.0.store.sum_usage_by_hour(id, from, until).await?;
        let told = self.0.store.list_usage_reports(id, from, until).await?;
        let prove = |meter: Meter| {
            let used = used.iter().map(|(_, used)| used[meter]).sum();
            let told = told.iter().map(|report| report.told[meter]).sum();
            async move {
                let provider = self.0.billing.reported_usage(customer, meter, from, until).await?;
                Ok::<_, Error>(UsageProof { meter, used, told, provider })
            }
        };
        try_join_all(self.0.plans.charged_meters().into_iter().map(prove)).await
    }
}

impl Parts {
    /// What an organization pays now, by the present prices of its plan; none when it pays nothing.
    pub(crate) fn price_of(&self, account: &BillingAccount) -> Option<Price> {
        self.plans.find(&account.live_subscription()?.plan_id)?.price
    }

    async fn usage_bill(&self, id: OrganizationId, price: &Price, month: Month) -> Result<Bill> {
        let (from, until) = (Hour::of(month.start()), Hour::of(month.end()));
        let used = self.store.sum_usage_by_workspace(id, None, from, until).await?;
        let used = used.iter().fold(PerMeter::default(), |sum: PerMeter<u64>, more| {
            PerMeter::of(|meter| sum[meter].saturating_add(more.readings[meter].amount))
        });
        Ok(metering::bill(price, &used))
    }

    /// What this month has cost an organization so far: what is paid for it in advance, and its usage. For those who may
    /// see it.
    pub(crate) async fn month_to_date(
        &self,
        caller: &Caller,
        id: OrganizationId,
        role: OrganizationRole,
    ) -> Result<Option<Money>> {
        let standing = Standing { organization: Some(role), ..Standing::default() };
        if authorize(&caller.principal, &standing, Action::BillingRead) != Decision::Allowed {
            return Ok(None);
        }
        let Some(account) = self.store.find_billing_account(id).await? else { return Ok(None) };
        let (Some(price), Some(subscription)) = (self.price_of(&account), account.live_subscription()) else {
            return Ok(None);
        };
        let used = self.usage_bill(id, &price, Month::of(self.now())).await?;
        Ok(Some(metering::month_cost(&price, subscription, &used)))
    }
}

/// The first hour that begins at a moment or after it.
fn beginning_from(moment: Timestamp) -> Hour {
    let hour = Hour::of(moment);
    if hour.start() == moment { hour } else { hour.after(1) }
}
