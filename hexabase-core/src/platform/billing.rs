use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::commit::require_version;
use super::invitations::require_alive;
use super::{Caller, Done, Parts};
use crate::access::Action;
use crate::billing::{BillingKey, Invoice, PaymentMethod, SetupIntent, Wanted, covers};
use crate::changeset::{Changeset, OutboxMessage, Topic};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{OrderId, OrganizationId};
use crate::limits;
use crate::model::{
    BillingAccount, CustomerId, Interval, Order, Organization, OrganizationCounts, Plan, Standing,
    SubscriptionState, WebhookEvent, Wish, Workspace,
};
use crate::name::PlanId;
use crate::page::{Page, PageRequest};
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
            let plan = self.plan(&command.plan_id)?;
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
        self.0.permit(caller, id, Action::BillingRead).await?;
        let organization = self.0.organization(id).await?;
        let there = self.there(id).await?;
        let plan = self.plan(&command.plan_id)?;
        self.require_room(&organization, &there, plan)?;
        let account = self.0.store.find_billing_account(id).await?;
        let account = account.unwrap_or_else(|| BillingAccount::new(id, self.0.now()));
        let Some(Wish::Subscribe { interval, coupon, .. }) = self.wish(&account, plan, command)? else {
            return Ok(None);
        };
        let (_, customer) = self.customer(caller, id).await?;
        let wanted = Wanted { coupon, ..Wanted::of(plan, interval, there.counts.workspaces) };
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

    fn plan(&self, id: &PlanId) -> Result<&Plan> {
        let missing = || Error::invalid("plan_id", "there is no such plan; GET /api/v1/plans lists them");
        self.0.plans.find(id).ok_or_else(missing)
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
                Ok((changeset.message(self.0.bill(id)), Some(order_id)))
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
            Accountant::new(self.0).look(id).await?;
            let account = self.0.store.find_billing_account(id).await?;
            let open = |account: &BillingAccount| account.order.as_ref().is_some_and(|open| open.id == order);
            if account.is_none_or(|account| !open(&account) || account.failures > 0) {
                return Ok(());
            }
            self.0.clock.sleep(WAIT).await;
        }
        Ok(())
    }

    /// A page hosted by the provider where a way to pay is entered; answers its URL.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` as the caller's role says, `Unavailable`.
    pub async fn checkout(
        &self,
        caller: &Caller,
        id: OrganizationId,
        return_to: &str,
    ) -> Result<Done<String>> {
        self.ask(caller, id, "billing.checkout", "", |customer, key| async move {
            self.0.billing.checkout_url(&customer, return_to, &key).await
        })
        .await
    }

    /// A page hosted by the provider where ways to pay and invoices are managed; answers its URL.
    ///
    /// # Errors
    /// As [`Self::checkout`].
    pub async fn portal(&self, caller: &Caller, id: OrganizationId, return_to: &str) -> Result<Done<String>> {
        self.ask(caller, id, "billing.portal", "", |customer, key| async move {
            self.0.billing.portal_url(&customer, return_to, &key).await
        })
        .await
    }

    /// What a browser needs to hand a way to pay to the provider without it passing through here.
    ///
    /// # Errors
    /// As [`Self::checkout`].
    pub async fn setup_intent(&self, caller: &Caller, id: OrganizationId) -> Result<Done<SetupIntent>> {
        self.ask(caller, id, "billing.setup_intent", "", |customer, key| async move {
            self.0.billing.setup_intent(&customer, &key).await
        })
        .await
    }

    /// The ways to pay, the default one first.
    ///
    /// # Errors
    /// As [`Self::checkout`].
    pub async fn payment_methods(&self, caller: &Caller, id: OrganizationId) -> Result<Vec<PaymentMethod>> {
        self.0.permit(caller, id, Action::BillingRead).await?;
        match self.known_customer(id).await? {
            Some(customer) => self.0.billing.list_payment_methods(&customer).await,
            None => Ok(Vec::new()),
        }
    }

    /// Takes on a way to pay that was entered with the provider. The first one is the default.
    ///
    /// # Errors
    /// As [`Self::checkout`], and `Invalid` for what is no way to pay.
    pub async fn add_payment_method(
        &self,
        caller: &Caller,
        id: OrganizationId,
        method: &str,
    ) -> Result<Done<PaymentMethod>> {
        self.ask(caller, id, "billing.payment_method.add", method, |customer, key| async move {
            self.0.billing.attach_payment_method(&customer, method, &key).await
        })
        .await
    }

    /// Makes a way to pay the default, and pays what is open with it.
    ///
    /// # Errors
    /// As [`Self::checkout`], and `NotFound` for what is not among the organization's ways to pay.
    pub async fn choose_payment_method(
        &self,
        caller: &Caller,
        id: OrganizationId,
        method: &str,
    ) -> Result<()> {
        self.require_method(caller, id, method).await?;
        self.ask(caller, id, "billing.payment_method.choose", method, |customer, key| async move {
            self.0.billing.choose_payment_method(&customer, method, &key).await
        })
        .await
        .map(drop)
    }

    /// Gives up a way to pay.
    ///
    /// # Errors
    /// - As [`Self::choose_payment_method`].
    /// - `Conflict` with code `last_payment_method` while there is a subscription to pay, or
    ///   `default_payment_method` while there are others that could be the default.
    pub async fn remove_payment_method(
        &self,
        caller: &Caller,
        id: OrganizationId,
        method: &str,
    ) -> Result<()> {
        let methods = self.require_method(caller, id, method).await?;
        let account = self.0.store.find_billing_account(id).await?;
        let pays = account.is_some_and(|it| it.live_subscription().is_some() || it.order.is_some());
        if methods.len() == 1 && pays {
            let message = "it is the last way to pay while there is a subscription; add another one first";
            return Err(Error::conflict("last_payment_method", message));
        }
        if methods.len() > 1 && methods.iter().any(|known| known.id == method && known.is_default) {
            let message = "it is the default; make another one the default first";
            return Err(Error::conflict("default_payment_method", message));
        }
        self.ask(caller, id, "billing.payment_method.remove", method, |customer, key| async move {
            self.0.billing.detach_payment_method(&customer, method, &key).await
        })
        .await
        .map(drop)
    }

    async fn require_method(
        &self,
        caller: &Caller,
        id: OrganizationId,
        method: &str,
    ) -> Result<Vec<PaymentMethod>> {
        self.0.permit(caller, id, Action::BillingManage).await?;
        let methods = self.payment_methods(caller, id).await?;
        match methods.iter().any(|known| known.id == method) {
            true => Ok(methods),
            false => Err(Error::not_found("payment method")),
        }
    }

    /// The invoices, newest first.
    ///
    /// # Errors
    /// As [`Self::checkout`].
    pub async fn invoices(
        &self,
        caller: &Caller,
        id: OrganizationId,
        page: &PageRequest,
    ) -> Result<Page<Invoice>> {
        self.0.permit(caller, id, Action::BillingRead).await?;
        let found = match self.known_customer(id).await? {
            // One more than fits, to know whether another page follows.
            Some(customer) => self.0.billing.list_invoices(&customer, page.limit() + 1, page.after()).await?,
            None => Vec::new(),
        };
        Ok(page.page(found, |invoice| invoice.id.clone()))
    }

    /// One invoice.
    ///
    /// # Errors
    /// As [`Self::checkout`], and `NotFound` for one that is not the organization's.
    pub async fn invoice(&self, caller: &Caller, id: OrganizationId, invoice: &str) -> Result<Invoice> {
        self.0.permit(caller, id, Action::BillingRead).await?;
        let found = match self.known_customer(id).await? {
            Some(customer) => self.0.billing.find_invoice(&customer, invoice).await?,
            None => None,
        };
        found.ok_or_else(|| Error::not_found("invoice"))
    }

    /// The invoice that comes next; `NotFound` when none does.
    ///
    /// # Errors
    /// As [`Self::checkout`].
    pub async fn upcoming_invoice(&self, caller: &Caller, id: OrganizationId) -> Result<Invoice> {
        self.0.permit(caller, id, Action::BillingRead).await?;
        let found = match self.known_customer(id).await? {
            Some(customer) => self.0.billing.upcoming_invoice(&customer).await?,
            None => None,
        };
        found.ok_or_else(|| Error::not_found("upcoming invoice"))
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

    /// Takes in what the provider tells: verifies it, keeps it once, and has somebody look at the account. What is
    /// about nobody here, or of no interest, is taken in as well and changes nothing.
    ///
    /// # Errors
    /// As [`verify_webhook`](crate::billing::BillingProvider::verify_webhook), and whatever the store fails with: the
    /// provider tells it again then.
    pub async fn receive_webhook(&self, body: &[u8], signature: &str) -> Result<()> {
        let now = self.0.now();
        let hint = self.0.billing.verify_webhook(body, signature, now)?;
        let Some(customer) = &hint.customer else { return Ok(()) };
        let Some(organization) = self.0.store.find_customer(customer).await? else {
            tracing::debug!(event = hint.event_id, kind = hint.kind, "a webhook is about nobody here");
            return Ok(());
        };
        let event = WebhookEvent { id: hint.event_id, kind: hint.kind, received_at: now };
        let changeset = Changeset::new().insert(event).message(self.0.bill(organization));
        match self.0.commit(changeset).await {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            outcome => outcome,
        }
    }

    /// Asks the provider for something on behalf of a caller, and notes that it was done.
    async fn ask<T, F>(
        &self,
        caller: &Caller,
        id: OrganizationId,
        action: &str,
        resource: &str,
        ask: impl Fn(CustomerId, BillingKey) -> F + Send + Sync,
    ) -> Result<Done<T>>
    where
        T: Serialize + DeserializeOwned + Send,
        F: Future<Output = Result<T>> + Send,
    {
        let ask = &ask;
        self.0
            .once(caller, || async move {
                self.0.permit(caller, id, Action::BillingManage).await?;
                let (mut account, customer) = self.customer(caller, id).await?;
                let key = BillingKey(format!("{action}/{id}/{resource}/{}", account.version));
                let value = ask(customer, key).await?;
                let now = self.0.now();
                // Whatever was open may be paid by now.
                account.look_at = Some(now);
                let entry = self.0.audit(caller, id, action, resource, (), ());
                let changeset = Changeset::new().billing_account(account, now).audit(entry);
                Ok((changeset.message(self.0.bill(id)), value))
            })
            .await
    }

    /// The account and customer of an organization, both made if there is none.
    async fn customer(&self, caller: &Caller, id: OrganizationId) -> Result<(BillingAccount, CustomerId)> {
        let customer = self
            .0
            .transact(|| async {
                let found = self.0.store.find_billing_account(id).await?;
                let known = found.is_some();
                let now = self.0.now();
                let mut account = found.unwrap_or_else(|| BillingAccount::new(id, now));
                if let Some(customer) = &account.customer_id {
                    return Ok((Changeset::new(), customer.clone()));
                }
                let organization = self.0.organization(id).await?;
                let customer =
                    self.0.make_customer(&organization, &account, Some(caller.principal.user_id)).await?;
                account.customer_id = Some(customer.clone());
                let changeset = match known {
                    true => Changeset::new().billing_account(account, now),
                    false => Changeset::new().organization(organization, now).insert(account),
                };
                Ok((changeset, customer))
            })
            .await?;
        let account = self.0.store.find_billing_account(id).await?;
        Ok((account.ok_or_else(|| Error::not_found("organization"))?, customer))
    }

    async fn known_customer(&self, id: OrganizationId) -> Result<Option<CustomerId>> {
        Ok(self.0.store.find_billing_account(id).await?.and_then(|account| account.customer_id))
    }
}

impl Parts {
    /// A message that makes a worker look at the account of an organization.
    pub(crate) fn bill(&self, organization_id: OrganizationId) -> OutboxMessage {
        OutboxMessage {
            id: self.id(self.now()),
            topic: Topic::Bill,
            organization_id,
            workspace_id: None,
            payload: Vec::new(),
        }
    }

    /// A message that makes a worker look at the account of an organization whose plan charges for workspaces, for when
    /// one comes or goes.
    pub(crate) fn bill_for_workspaces(&self, organization: &Organization) -> Option<OutboxMessage> {
        let price = self.plans.find(&organization.plan_id)?.price?;
        price.workspace.map(|_| self.bill(organization.id))
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
