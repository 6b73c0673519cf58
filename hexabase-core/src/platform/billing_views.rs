use std::collections::BTreeMap;

use futures_util::try_join;
use jiff::Timestamp;

use super::Caller;
use super::billing::Billing;
use super::usage::{UsageVerification, checked_period};
use crate::access::{Action, Decision, EffectiveRoles, authorize};
use crate::billing::{BillingInput, ProviderSnapshot, decide};
use crate::error::{ErrorKind, Result};
use crate::id::OrganizationId;
use crate::model::{
    BillingAccount, BillingStanding, Hour, Interval, Money, Month, PerMeter, Plan, Price, Subscription,
};
use crate::name::{PlanId, Slug};

/// Plan that is sold, or that the organization is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanOffer {
    /// The plan.
    pub plan: Plan,
    /// `true` if the organization is on the plan.
    pub is_current: bool,
    /// Reason why the organization cannot change to the plan, with the remedy; `None` if it can.
    pub refusal: Option<String>,
}

/// Consequences of the end of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancellationEffects {
    /// Billing account.
    pub account: BillingAccount,
    /// Plan of the organization afterwards.
    pub plan_id: PlanId,
    /// Names of the workspaces that are suspended, since that plan does not cover them.
    pub suspended: Vec<Slug>,
}

/// Usage of all workspaces of an organization in one hour, in thousandths of each meter's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HourlyUsage {
    /// Hour of the usage.
    pub hour: Hour,
    /// Stored usage.
    pub used: PerMeter<u64>,
    /// Usage that was reported to the billing provider.
    pub reported: PerMeter<u64>,
}

/// Price of one more workspace of an organization with a subscription, at the current prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextWorkspacePrice {
    /// Amount per interval; zero for a workspace that the price of the plan includes.
    pub amount: Money,
    /// Billing interval of the subscription.
    pub interval: Interval,
    /// Number of workspaces that the price of the plan includes.
    pub included: u32,
}

impl NextWorkspacePrice {
    /// Returns the price of a workspace beyond the `existing` ones; `None` if the subscription does not charge for
    /// workspaces.
    fn of(price: &Price, subscription: &Subscription, existing: u32) -> Option<Self> {
        let unit = price.workspace.filter(|_| subscription.add_ons.workspaces.is_some())?;
        let amount = unit.per(subscription.interval)?;
        let amount = if existing < unit.included { amount.zero() } else { amount };
        Some(Self { amount, interval: subscription.interval, included: unit.included })
    }
}

impl Billing<'_> {
    /// Returns the consequence of the organization's payments; `None` if the caller may not read billing.
    ///
    /// # Errors
    /// `NotFound` if the caller is not a member.
    pub async fn standing(&self, caller: &Caller, id: OrganizationId) -> Result<Option<BillingStanding>> {
        Ok(self.readable_account(caller, id).await?.map(|account| account.standing))
    }

    /// Returns the price of one more workspace; `None` if the caller may not read billing, or if no subscription charges
    /// for workspaces.
    ///
    /// # Errors
    /// `NotFound` if the caller is not a member.
    pub async fn next_workspace_price(
        &self,
        caller: &Caller,
        id: OrganizationId,
    ) -> Result<Option<NextWorkspacePrice>> {
        let account = self.readable_account(caller, id).await?;
        let Some(subscription) = account.as_ref().and_then(BillingAccount::live_subscription) else {
            return Ok(None);
        };
        let plans = self.0.plans().await?;
        let Some(price) = plans.find(&subscription.plan_id).and_then(|plan| plan.price) else {
            return Ok(None);
        };
        let existing = self.0.reads(caller).counts(id).await?.workspaces;
        Ok(NextWorkspacePrice::of(&price, subscription, existing))
    }

    /// Returns the billing account; `None` if the caller may not read billing, or there is none.
    async fn readable_account(&self, caller: &Caller, id: OrganizationId) -> Result<Option<BillingAccount>> {
        let role = self.0.permit(caller, id, Action::OverviewRead).await?;
        let roles = EffectiveRoles { organization: Some(role), ..EffectiveRoles::default() };
        match authorize(&caller.principal, &roles, Action::BillingRead) {
            Decision::Allowed => self.0.reads(caller).billing_account(id).await,
            _ => Ok(None),
        }
    }

    /// Lists the plans that are sold and the current plan, in display order, with the reasons why the organization cannot
    /// change to some of them.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role.
    pub async fn offers(&self, caller: &Caller, id: OrganizationId) -> Result<Vec<PlanOffer>> {
        self.0.permit(caller, id, Action::BillingRead).await?;
        let reads = self.0.reads(caller);
        let (organization, existing) =
            try_join!(reads.organization(id), self.existing_resources(caller, id))?;
        let plans = self.0.plans().await?;
        let offer = |plan: &Plan| {
            let refusal = match self.require_fits(&plans, &organization, &existing, plan) {
                Err(error) if error.kind() == ErrorKind::QuotaExceeded => Some(error.message().to_owned()),
                Err(error) => return Err(error),
                Ok(()) => None,
            };
            Ok(PlanOffer { plan: plan.clone(), is_current: plan.id == organization.plan_id, refusal })
        };
        let is_offered = |plan: &&Plan| !plan.retired || plan.id == organization.plan_id;
        plans.iter().filter(is_offered).map(offer).collect()
    }

    /// Previews the end of the subscription, without ordering it. `None` without a subscription.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role.
    pub async fn cancellation_effects(
        &self,
        caller: &Caller,
        id: OrganizationId,
    ) -> Result<Option<CancellationEffects>> {
        self.0.permit(caller, id, Action::BillingOrder).await?;
        let reads = self.0.reads(caller);
        let (organization, account) = try_join!(reads.organization(id), reads.billing_account(id))?;
        let Some(account) = account.filter(|account| account.live_subscription().is_some()) else {
            return Ok(None);
        };
        let workspaces = reads.workspaces(id).await?;
        let plans = self.0.plans().await?;
        let input = BillingInput {
            account: &account,
            organization: &organization,
            workspaces: &workspaces,
            plans: &plans,
        };
        let ended = ProviderSnapshot {
            customer_id: account.customer_id.clone(),
            subscription: Some(None),
            ..ProviderSnapshot::default()
        };
        let config = &self.0.config;
        let decision = decide(input, &ended, &config.billing, &config.intervals, self.0.now(), 0);
        let is_suspended = |id| decision.suspensions.iter().any(|(it, reason)| *it == id && reason.is_some());
        let suspended = workspaces.iter().filter(|workspace| is_suspended(workspace.id));
        let suspended = suspended.map(|workspace| workspace.name.clone()).collect();
        Ok(Some(CancellationEffects { account, plan_id: decision.plan_id, suspended }))
    }

    /// Returns the usage of all workspaces by hour, for the hours with usage or a report that begin in a period, with the
    /// usage that was reported to the billing provider.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role.
    /// - `Invalid` for a period that is longer than 400 days, or ends before it begins.
    pub async fn hourly_usage(
        &self,
        caller: &Caller,
        id: OrganizationId,
        period: (Timestamp, Timestamp),
    ) -> Result<Vec<HourlyUsage>> {
        self.0.permit(caller, id, Action::BillingRead).await?;
        let (from, until) = checked_period(period)?;
        let (used, reports) = try_join!(
            self.0.store.sum_usage_by_hour(id, from, until),
            self.0.store.list_usage_reports(id, from, until),
        )?;
        let reports = reports.into_iter().map(|report| (report.hour, report.reported)).collect();
        Ok(joined(used, reports))
    }

    /// Compares the usage of an organization in a month with the reports to the billing provider and with the usage that
    /// the provider has: see [`Self::verify_usage`].
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role, or `Unavailable`.
    pub async fn usage_verification(
        &self,
        caller: &Caller,
        id: OrganizationId,
        month: Month,
    ) -> Result<Vec<UsageVerification>> {
        self.0.permit(caller, id, Action::BillingRead).await?;
        let account = self.0.reads(caller).billing_account(id).await?;
        self.verify_usage_of(account, id, month).await
    }
}

/// Joins used and reported amounts by their hours, both ordered by hour.
fn joined(used: Vec<(Hour, PerMeter<u64>)>, reported: Vec<(Hour, PerMeter<u64>)>) -> Vec<HourlyUsage> {
    let mut hours: BTreeMap<Hour, HourlyUsage> = BTreeMap::new();
    let empty = |hour| HourlyUsage { hour, used: PerMeter::default(), reported: PerMeter::default() };
    for (hour, used) in used {
        hours.entry(hour).or_insert_with(|| empty(hour)).used = used;
    }
    for (hour, reported) in reported {
        hours.entry(hour).or_insert_with(|| empty(hour)).reported = reported;
    }
    hours.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::model::{AddOns, Currency, Meter, SubscriptionState, UnitPrice};

    fn usd(amount: i64) -> Money {
        Money { amount, currency: Currency::parse("usd").unwrap() }
    }

    fn price() -> Price {
        Price {
            monthly: usd(4_900),
            yearly: None,
            workspace: Some(UnitPrice { included: 3, monthly: usd(1_500), yearly: None }),
            node: None,
            usage: PerMeter::default(),
            trial_days: 0,
        }
    }

    fn subscription(workspaces: Option<u32>, interval: Interval) -> Subscription {
        Subscription {
            id: "sub_1".to_owned(),
            plan_id: PlanId::parse("team").unwrap(),
            interval,
            add_ons: AddOns { workspaces, nodes: None },
            state: SubscriptionState::Active,
            current_period_end: fixture::FIXTURE_TIME,
            cancel_at_period_end: false,
            trial_end: None,
            awaits_confirmation: false,
        }
    }

    #[test]
    fn a_workspace_costs_nothing_until_the_included_ones_exist() {
        let paid = subscription(Some(0), Interval::Month);
        let amount = |existing| NextWorkspacePrice::of(&price(), &paid, existing).unwrap().amount;
        assert_eq!([0, 2, 3, 9].map(amount), [usd(0), usd(0), usd(1_500), usd(1_500)]);
        let older = subscription(None, Interval::Month);
        assert_eq!(NextWorkspacePrice::of(&price(), &older, 9), None, "it does not charge for workspaces");
        assert_eq!(NextWorkspacePrice::of(&price(), &subscription(Some(0), Interval::Year), 9), None);
    }

    #[test]
    fn each_hour_with_usage_or_a_report_occurs_once_in_order() {
        let hour = |number| Hour::of(fixture::FIXTURE_TIME).after(number);
        let amounts = |amount| PerMeter::from_fn(|meter| if meter == Meter::Cpu { amount } else { 0 });
        let hours = joined(
            vec![(hour(0), amounts(1)), (hour(2), amounts(2))],
            vec![(hour(1), amounts(3)), (hour(2), amounts(4))],
        );
        let found: Vec<_> =
            hours.iter().map(|it| (it.hour, it.used[Meter::Cpu], it.reported[Meter::Cpu])).collect();
        assert_eq!(found, [(hour(0), 1, 0), (hour(1), 0, 3), (hour(2), 2, 4)]);
    }
}
