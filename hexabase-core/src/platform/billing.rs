use std::time::Duration;

use super::commit::require_version;
use super::invitations::require_alive;
use super::{Caller, Parts};
use crate::access::Action;
use crate::billing::{Billable, Invoice, PaymentMethod, Wanted, covers};
use crate::changeset::{Changeset, OutboxMessage};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{OrderId, OrganizationId};
use crate::limits;
use crate::model::{
    BillingAccount, CustomerId, Interval, Order, Organization, OrganizationCounts, Plan, Standing,
    SubscriptionState, WebhookEvent, Wish, Workspace,
};
use crate::name::PlanId;
use crate::page::PageRequest;
use crate::version::Version;
use crate::worker::Accountant;

/// How often to see whether somebody else is done with an order, and how long to wait in between.
const TRIES: usize = 20;
const WAIT: Duration = Duration::from_millis(100);

/// What organizations pay, and how.
#[derive(Debug, Clone, Copy)]
pub struct Billing<'a>(pub(super) &'a Parts);

/// What an organization wants to pay for.
#[derive(Debug, Clone)]
pub struct ChoosePlan {
    /// The plan.
    pub plan_id: PlanId,
    /// How often to pay; as before, or else monthly, if not said.
    pub interval: Option<Interval>,
    /// A coupon to redeem.
    pub coupon: Option<String>,
}

/// How things stand between an organization and whoever takes its money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BillingState {
    /// The plan that the organization is on.
    pub plan_id: PlanId,
    /// Its account; one that was never used, if it never had to do with money.
    pub account: BillingAccount,
    /// What a browser needs to confirm a payment for which the bank waits.
    pub payment_secret: Option<String>,
}

/// Everything about an organization's money at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BillingOverview {
    /// How things stand.
    pub state: BillingState,
    /// The default way to pay.
    pub payment_method: Option<PaymentMethod>,
    /// The invoice that comes next.
    pub upcoming: Option<Invoice>,
    /// Invoices that are to be paid.
    pub open: Vec<Invoice>,
}

/// What a plan has to have room for.
struct There {
    workspaces: Vec<Workspace>,
    counts: OrganizationCounts,
}

impl Billing<'_> {
    /// How things stand.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` as the caller's role says.
    pub async fn state(&self, caller: &Caller, id: OrganizationId) -> Result<BillingState> {
        self.0.permit(caller, id, Action::BillingRead).await?;
        self.read(id).await
    }

    async fn read(&self, id: OrganizationId) -> Result<BillingState> {
        let organization = self.0.organization(id).await?;
        let found = self.0.store.find_billing_account(id).await?;
        let account = found.unwrap_or_else(|| BillingAccount::new(id, organization.created_at));
        let waits = account.subscription.as_ref().is_some_and(|subscription| {
            subscription.awaits_confirmation
                || subscription.state == SubscriptionState::Incomplete
                || subscription.state.owes()
        });
        let payment_secret = match &account.customer_id {
            Some(customer) if waits => self.payment_secret(customer).await,
            _ => None,
        };
        Ok(BillingState { plan_id: organization.plan_id, account, payment_secret })
    }

    /// It is never kept, so that it has to be asked for. What is known is shown without it while nobody answers.
    async fn payment_secret(&self, customer: &CustomerId) -> Option<String> {
        self.0.billing.pending_payment(customer).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "what a payment waits for could not be found out");
            None
        })
    }

    /// Orders a plan, and waits a little for the order to be carried out: it is still in the account that is answered
    /// when the provider is away, and is carried out as soon as it is back. Choosing a free plan ends the
    /// subscription when what was paid for is over.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's role says.
    /// - `Invalid` for a plan or rhythm that is not sold, or a coupon that cannot be redeemed.
    /// - `QuotaExceeded` when there is more in the organization than the plan allows, saying what must go first.
    /// - `Conflict` with code `order_pending` while another order is not carried out yet, `no_payment_method`,
    ///   `payment_failed`, `order_refused`, `organization_deleting` or `precondition_failed`.
    pub async fn choose_plan(
        &self,
        caller: &Caller,
        id: OrganizationId,
        command: &ChoosePlan,
        expected: Option<Version>,
    ) -> Result<BillingState> {
        self.order(caller, id, expected, |organization, account, there| {
            let plan = self.plan(organization, account, &command.plan_id)?;
            self.require_room(organization, there, plan)?;
            self.wish(account, plan, command)
        })
        .await
    }

    /// What the next invoice would be with another plan. Orders nothing.
    ///
    /// # Errors
    /// As [`Self::choose_plan`].
    pub async fn preview(
        &self,
        caller: &Caller,
        id: OrganizationId,
        command: &ChoosePlan,
    ) -> Result<Option<Invoice>> {
        // It makes the organization a customer, if it is none yet.
        self.0.permit(caller, id, Action::BillingManage).await?;
        let organization = self.0.organization(id).await?;
        let there = self.there(id).await?;
        let account = self.0.store.find_billing_account(id).await?;
        let account = account.unwrap_or_else(|| BillingAccount::new(id, self.0.now()));
        let plan = self.plan(&organization, &account, &command.plan_id)?;
        self.require_room(&organization, &there, plan)?;
        let Some(Wish::Subscribe { interval, coupon, .. }) = self.wish(&account, plan, command)? else {
            return Ok(None);
        };
        let (_, customer) = self.customer(caller, id).await?;
        let wanted = Wanted { coupon, ..Wanted::of(plan, interval, Billable::of(&there.workspaces)) };
        self.0.billing.preview(&customer, &wanted).await.map(Some)
    }

    /// Ends the subscription, now or when what was paid for is over. Ending what is not there does nothing.
    ///
    /// # Errors
    /// As [`Self::choose_plan`].
    pub async fn cancel(
        &self,
        caller: &Caller,
        id: OrganizationId,
        at_period_end: bool,
        expected: Option<Version>,
    ) -> Result<BillingState> {
        self.order(caller, id, expected, |_, account, _| {
            Ok(account.live_subscription().map(|_| Wish::Cancel { at_period_end }))
        })
        .await
    }

    fn plan(&self, organization: &Organization, account: &BillingAccount, wanted: &PlanId) -> Result<&Plan> {
        let paid = account.live_subscription().map(|subscription| &subscription.plan_id);
        let on: Vec<&PlanId> = paid.into_iter().chain([&organization.plan_id]).collect();
        self.0.plans.choose(wanted, &on)
    }

    async fn there(&self, id: OrganizationId) -> Result<There> {
        let (workspaces, counts) =
            futures_util::try_join!(self.0.all_workspaces(id), self.0.store.count_organization(id))?;
        Ok(There { workspaces, counts })
    }

    fn require_room(&self, organization: &Organization, there: &There, plan: &Plan) -> Result<()> {
        if plan.id == organization.plan_id {
            return Ok(());
        }
        let required = self.0.settings.billing.required;
        let too_large = |workspace: &&Workspace| {
            let wanted = self.0.plans.find(&workspace.plan_id);
            required && wanted.is_some_and(|wanted| !covers(plan.display_order, wanted.display_order))
        };
        let too_large: Vec<&str> =
            there.workspaces.iter().filter(too_large).map(|workspace| workspace.name.as_str()).collect();
        limits::change_of_organization_plan(&there.counts, &too_large, plan)
    }

    /// What is to be ordered for this plan; nothing when it is free and there is nothing to end.
    fn wish(&self, account: &BillingAccount, plan: &Plan, command: &ChoosePlan) -> Result<Option<Wish>> {
        let live = account.live_subscription();
        let Some(price) = plan.price else {
            return Ok(live.map(|_| Wish::Cancel { at_period_end: true }));
        };
        let before = live.map(|subscription| subscription.interval);
        let interval = command.interval.or(before).unwrap_or(Interval::Month);
        if price.per(interval).is_none() {
            return Err(Error::invalid(
                "interval",
                format!("the plan {} is not paid by the {interval}", plan.id),
            ));
        }
        let coupon = command.coupon.clone();
        Ok(Some(Wish::Subscribe { plan_id: plan.id.clone(), interval, coupon }))
    }

    /// Notes an order, and sees to it that it is carried out.
    async fn order(
        &self,
        caller: &Caller,
        id: OrganizationId,
        expected: Option<Version>,
        decide: impl Fn(&Organization, &BillingAccount, &There) -> Result<Option<Wish>> + Send + Sync,
    ) -> Result<BillingState> {
        let decide = &decide;
        let ordered: Option<OrderId> = self
            .0
            .transact(|| async move {
                self.0.permit(caller, id, Action::BillingManage).await?;
                let organization = self.0.organization(id).await?;
                require_alive(&organization)?;
                let found = self.0.store.find_billing_account(id).await?;
                let now = self.0.now();
                let known = found.is_some();
                let mut account = found.unwrap_or_else(|| BillingAccount::new(id, now));
                if known {
                    require_version(expected, account.version)?;
                }
                if account.order.is_some() {
                    let message =
                        "the last order is not carried out yet; it is as soon as the provider answers";
                    return Err(Error::conflict("order_pending", message));
                }
                let there = self.there(id).await?;
                let Some(wish) = decide(&organization, &account, &there)? else {
                    return Ok((Changeset::new(), None));
                };
                let order =
                    Order { id: self.0.id(now), wish, asked_by: caller.principal.user_id, asked_at: now };
                let entry = self.0.audit(caller, id, "billing.order", id, &account.subscription, &order.wish);
                let order_id = order.id;
                account.order = Some(order);
                account.look_at = Some(now);
                let changeset = Changeset::new().organization(organization, now).audit(entry);
                let changeset = match known {
                    true => changeset.billing_account(account, now),
                    false => changeset.insert(account),
                };
                Ok((changeset.message(self.0.look_at_account(id)), Some(order_id)))
            })
            .await?;
        if let Some(order) = ordered {
            self.await_order(id, order).await?;
        }
        let mut state = self.read(id).await?;
        match state.account.refusal.take_if(|refusal| Some(refusal.order_id) == ordered) {
            Some(refusal) => Err(Error::conflict(refusal.reason.as_str(), refusal.message)),
            None => Ok(state),
        }
    }

    /// Looks until an order is carried out, or until it is clear that this takes longer.
    async fn await_order(&self, id: OrganizationId, order: OrderId) -> Result<()> {
        for _ in 0..TRIES {
            Accountant::new(self.0).settle(id).await?;
            let account = self.0.store.find_billing_account(id).await?;
            let open = |account: &BillingAccount| account.order.as_ref().is_some_and(|open| open.id == order);
            if account.is_none_or(|account| !open(&account) || account.failures > 0) {
                return Ok(());
            }
            self.0.clock.sleep(WAIT).await;
        }
        Ok(())
    }

    /// Everything at a glance.
    ///
    /// # Errors
    /// As [`Self::checkout`].
    pub async fn overview(&self, caller: &Caller, id: OrganizationId) -> Result<BillingOverview> {
        let state = self.state(caller, id).await?;
        let Some(customer) = state.account.customer_id.clone() else {
            return Ok(BillingOverview { state, payment_method: None, upcoming: None, open: Vec::new() });
        };
        let provider = &self.0.billing;
        let (methods, upcoming, invoices) = futures_util::try_join!(
            provider.list_payment_methods(&customer),
            provider.upcoming_invoice(&customer),
            provider.list_invoices(&customer, usize::from(PageRequest::MAX_LIMIT), None),
        )?;
        Ok(BillingOverview {
            state,
            payment_method: methods.into_iter().find(|method| method.is_default),
            upcoming,
            open: invoices.into_iter().filter(|invoice| invoice.status == "open").collect(),
        })
    }

    /// Takes in what the provider tells: verifies it and keeps it once. A worker looks at the account then. What is of no
    /// interest is taken in as well, and changes nothing.
    ///
    /// # Errors
    /// As [`verify_webhook`](crate::billing::BillingProvider::verify_webhook), and whatever the store fails with: the
    /// provider tells it again then.
    pub async fn receive_webhook(&self, body: &[u8], signature: &str) -> Result<()> {
        let received_at = self.0.now();
        let hint = self.0.billing.verify_webhook(body, signature, received_at)?;
        let Some(customer_id) = hint.customer else { return Ok(()) };
        let (id, kind) = (hint.event_id, hint.kind);
        let event = WebhookEvent { id, kind, customer_id, received_at, heard_at: None };
        let changeset = Changeset::new().insert(event);
        match self.0.commit(changeset).await {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            outcome => outcome,
        }
    }
}

impl Parts {
    /// A message that makes a worker look at the account of an organization, for when nodes come or go, if any plan charges
    /// for them.
    pub(crate) fn bill_for_nodes(&self, organization: OrganizationId) -> Option<OutboxMessage> {
        let charges = |plan: &Plan| plan.price.is_some_and(|price| price.node.is_some());
        self.plans.iter().any(charges).then(|| self.look_at_account(organization))
    }

    /// A message that makes a worker look at the account of an organization whose plan charges for what is in it, for when
    /// a workspace comes or goes.
    pub(crate) fn bill_for_workspaces(&self, organization: &Organization) -> Option<OutboxMessage> {
        let price = self.plans.find(&organization.plan_id)?.price?;
        (price.workspace.is_some() || price.node.is_some()).then(|| self.look_at_account(organization.id))
    }

    /// Refuses a workspace on a plan that its organization does not pay for, where that is required.
    pub(crate) async fn require_paid_for(&self, organization: &Organization, plan: &Plan) -> Result<()> {
        if !self.settings.billing.required {
            return Ok(());
        }
        let own = self.plans.of(&organization.plan_id)?;
        if !covers(own.display_order, plan.display_order) {
            let message = format!(
                "the organization is on the plan {}, which does not pay for workspaces on the plan {}; subscribe to it \
                 first",
                own.id, plan.id
            );
            return Err(Error::quota_exceeded(message).with_code("plan_not_paid_for"));
        }
        let account = self.store.find_billing_account(organization.id).await?;
        if account.is_some_and(|account| matches!(account.standing, Standing::Suspended { .. })) {
            let message = "a payment of the organization is overdue; pay it first";
            return Err(Error::quota_exceeded(message).with_code("payment_overdue"));
        }
        Ok(())
    }
}
