use std::time::Duration;

use futures_util::try_join;

use super::commit::require_version;
use super::invitations::require_not_deleting;
use super::{Caller, PlatformInner};
use crate::access::Action;
use crate::billing::{Billable, DesiredSubscription, Invoice, InvoiceStatus, PaymentMethod, covers};
use crate::changeset::{Changeset, OutboxMessage};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{OrderId, OrganizationId};
use crate::limits;
use crate::model::{
    BillingAccount, BillingStanding, CustomerId, Interval, Order, Organization, OrganizationCounts, Plan,
    SubscriptionChange, SubscriptionState, WebhookEvent, Workspace,
};
use crate::name::PlanId;
use crate::page::PageRequest;
use crate::plans::PlanCatalog;
use crate::version::Version;
use crate::worker::BillingReconciler;

/// Number of checks if a pending order has been carried out, and the time between two checks.
const ORDER_POLL_ATTEMPTS: usize = 20;
const ORDER_POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Billing of organizations: plans, orders, payment methods, invoices and usage.
#[derive(Debug, Clone, Copy)]
pub struct Billing<'a>(pub(super) &'a PlatformInner);

/// Command to change the plan of an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChoosePlan {
    /// Requested plan.
    pub plan_id: PlanId,
    /// Billing interval; `None` for the interval of the current subscription, or monthly without one.
    pub interval: Option<Interval>,
    /// Coupon to redeem.
    pub coupon: Option<String>,
}

/// Billing account of an organization with its plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BillingState {
    /// Plan of the organization.
    pub plan_id: PlanId,
    /// Billing account; an empty one if the organization never had any.
    pub account: BillingAccount,
    /// Client secret with which a browser confirms a payment that the bank has not authorized yet; `None` if no
    /// payment needs confirmation.
    pub payment_secret: Option<String>,
}

/// Billing account with payment method and invoices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BillingOverview {
    /// Billing account and plan.
    pub state: BillingState,
    /// Default payment method.
    pub payment_method: Option<PaymentMethod>,
    /// Next invoice.
    pub upcoming: Option<Invoice>,
    /// Invoices that are not paid yet.
    pub open: Vec<Invoice>,
}

/// Existing resources of an organization, which a plan must allow.
pub(super) struct ExistingResources {
    pub(super) workspaces: Vec<Workspace>,
    counts: OrganizationCounts,
}

impl Billing<'_> {
    /// Returns the billing account and the plan.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role.
    pub async fn state(&self, caller: &Caller, id: OrganizationId) -> Result<BillingState> {
        self.0.permit(caller, id, Action::BillingRead).await?;
        self.read(caller, id).await
    }

    async fn read(&self, caller: &Caller, id: OrganizationId) -> Result<BillingState> {
        let reads = self.0.reads(caller);
        let (organization, found) = try_join!(reads.organization(id), reads.billing_account(id))?;
        let account = found.unwrap_or_else(|| BillingAccount::new(id, organization.created_at));
        let may_need_confirmation = account.subscription.as_ref().is_some_and(|subscription| {
            subscription.awaits_confirmation
                || subscription.state == SubscriptionState::Incomplete
                || subscription.state.is_payment_missing()
        });
        let payment_secret = match &account.customer_id {
            Some(customer) if may_need_confirmation => self.payment_secret(customer).await,
            _ => None,
        };
        Ok(BillingState { plan_id: organization.plan_id, account, payment_secret })
    }

    /// Reads the client secret from the provider, because it is never stored. If the provider does not respond, the
    /// account is returned without it.
    async fn payment_secret(&self, customer: &CustomerId) -> Option<String> {
        self.0.billing.pending_payment(customer).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "reading pending payment failed; payment secret omitted");
            None
        })
    }

    /// Orders a plan and waits up to two seconds for the order to be carried out. If the provider is unavailable, the
    /// returned account still contains the order, which is carried out once the provider is available again. An order
    /// of a free plan cancels the subscription at the end of the paid period.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role.
    /// - `Invalid` for a plan or interval that is not sold, or a coupon that cannot be redeemed.
    /// - `QuotaExceeded` if the organization exceeds the limits of the plan; names the resources to remove first.
    /// - `Conflict` with code `order_pending` while another order is pending, `no_payment_method`, `payment_failed`,
    ///   `order_rejected`, `organization_deleting` or `precondition_failed`.
    pub async fn choose_plan(
        &self,
        caller: &Caller,
        id: OrganizationId,
        command: &ChoosePlan,
        expected: Option<Version>,
    ) -> Result<BillingState> {
        self.place_order(caller, id, expected, |plans, organization, account, existing| {
            let plan = requested_plan(plans, organization, account, &command.plan_id)?;
            self.require_fits(plans, organization, existing, plan)?;
            self.subscription_change(account, plan, command)
        })
        .await
    }

    /// Previews the next invoice with another plan, without ordering it. `None` for a free plan.
    ///
    /// # Errors
    /// As [`Self::choose_plan`].
    pub async fn preview(
        &self,
        caller: &Caller,
        id: OrganizationId,
        command: &ChoosePlan,
    ) -> Result<Option<Invoice>> {
        // Creates the customer at the provider if the organization has none.
        self.0.permit(caller, id, Action::BillingOrder).await?;
        let reads = self.0.reads(caller);
        let (organization, existing, account) = try_join!(
            reads.organization(id),
            self.existing_resources(caller, id),
            reads.billing_account(id),
        )?;
        let account = account.unwrap_or_else(|| BillingAccount::new(id, self.0.now()));
        let plans = self.0.plans().await?;
        let plan = requested_plan(&plans, &organization, &account, &command.plan_id)?;
        self.require_fits(&plans, &organization, &existing, plan)?;
        let Some(SubscriptionChange::Subscribe { interval, coupon, .. }) =
            self.subscription_change(&account, plan, command)?
        else {
            return Ok(None);
        };
        let (_, customer) = self.customer(caller, id).await?;
        let desired = DesiredSubscription {
            coupon,
            ..DesiredSubscription::of(plan, interval, Billable::of(&existing.workspaces))
        };
        self.0.billing.preview(&customer, &desired).await.map(Some)
    }

    /// Cancels the subscription, immediately or at the end of the paid period. Does nothing without a subscription.
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
        self.place_order(caller, id, expected, |_, _, account, _| {
            Ok(account.live_subscription().map(|_| SubscriptionChange::Cancel { at_period_end }))
        })
        .await
    }

    pub(super) async fn existing_resources(
        &self,
        caller: &Caller,
        id: OrganizationId,
    ) -> Result<ExistingResources> {
        let reads = self.0.reads(caller);
        let counts = self.0.count_with_open_invitations(caller, id);
        let (workspaces, (counts, _)) = try_join!(reads.workspaces(id), counts)?;
        Ok(ExistingResources { workspaces, counts })
    }

    pub(super) fn require_fits(
        &self,
        plans: &PlanCatalog,
        organization: &Organization,
        existing: &ExistingResources,
        plan: &Plan,
    ) -> Result<()> {
        if plan.id == organization.plan_id {
            return Ok(());
        }
        let required = self.0.config.billing.required;
        let is_too_large = |workspace: &&Workspace| {
            let current = plans.find(&workspace.plan_id);
            required && current.is_some_and(|current| !covers(plan.display_order, current.display_order))
        };
        let too_large: Vec<&str> = existing
            .workspaces
            .iter()
            .filter(is_too_large)
            .map(|workspace| workspace.name.as_str())
            .collect();
        limits::check_organization_plan_change(&existing.counts, &too_large, plan)
    }

    /// Returns the subscription change for a plan; `None` for a free plan without a subscription to cancel.
    fn subscription_change(
        &self,
        account: &BillingAccount,
        plan: &Plan,
        command: &ChoosePlan,
    ) -> Result<Option<SubscriptionChange>> {
        let live = account.live_subscription();
        let Some(price) = plan.price else {
            return Ok(live.map(|_| SubscriptionChange::Cancel { at_period_end: true }));
        };
        let current_interval = live.map(|subscription| subscription.interval);
        let interval = command.interval.or(current_interval).unwrap_or(Interval::Month);
        if price.per(interval).is_none() {
            return Err(Error::invalid(
                "interval",
                format!("the plan {} has no price per {interval}", plan.id),
            ));
        }
        let coupon = command.coupon.clone();
        Ok(Some(SubscriptionChange::Subscribe { plan_id: plan.id.clone(), interval, coupon }))
    }

    /// Stores an order and waits for it to be carried out.
    async fn place_order(
        &self,
        caller: &Caller,
        id: OrganizationId,
        expected: Option<Version>,
        decide: impl Fn(
            &PlanCatalog,
            &Organization,
            &BillingAccount,
            &ExistingResources,
        ) -> Result<Option<SubscriptionChange>>
        + Send
        + Sync,
    ) -> Result<BillingState> {
        let decide = &decide;
        let placed: Option<OrderId> = self
            .0
            .transact(|| async move {
                self.0.permit(caller, id, Action::BillingOrder).await?;
                let organization = self.0.organization(id).await?;
                require_not_deleting(&organization)?;
                let found = self.0.store.find_billing_account(id).await?;
                let now = self.0.now();
                let known = found.is_some();
                let mut account = found.unwrap_or_else(|| BillingAccount::new(id, now));
                if known {
                    require_version(expected, account.version)?;
                }
                require_no_order(&account)?;
                let existing = self.existing_resources(caller, id).await?;
                let plans = self.0.plans().await?;
                let Some(change) = decide(&plans, &organization, &account, &existing)? else {
                    return Ok((Changeset::new(), None));
                };
                let order = Order {
                    id: self.0.id(now),
                    change,
                    requested_by: caller.principal.user_id,
                    requested_at: now,
                };
                let entry =
                    self.0.audit(caller, id, "billing.order", id, &account.subscription, &order.change);
                let order_id = order.id;
                account.order = Some(order);
                account.reconcile_at = Some(now);
                let changeset = Changeset::new().organization(organization, now).audit(entry);
                let changeset = changeset.precondition(plans.precondition());
                let changeset = match known {
                    true => changeset.billing_account(account, now),
                    false => changeset.insert(account),
                };
                Ok((changeset.message(self.0.account_reconcile_message(id)), Some(order_id)))
            })
            .await?;
        if let Some(order) = placed {
            self.await_order(id, order).await?;
        }
        let mut state = self.read(caller, id).await?;
        match state.account.rejection.take_if(|rejection| Some(rejection.order_id) == placed) {
            Some(rejection) => Err(Error::conflict(rejection.reason.as_str(), rejection.message)),
            None => Ok(state),
        }
    }

    /// Reconciles the account until the order is carried out, a reconcile fails or [`ORDER_POLL_ATTEMPTS`] is reached.
    async fn await_order(&self, id: OrganizationId, order: OrderId) -> Result<()> {
        for _ in 0..ORDER_POLL_ATTEMPTS {
            BillingReconciler::of(self.0).reconcile_without_usage(id).await?;
            let account = self.0.store.find_billing_account(id).await?;
            let is_pending =
                |account: &BillingAccount| account.order.as_ref().is_some_and(|pending| pending.id == order);
            if account.is_none_or(|account| !is_pending(&account) || account.failures > 0) {
                return Ok(());
            }
            self.0.clock.sleep(ORDER_POLL_INTERVAL).await;
        }
        Ok(())
    }

    /// Returns the billing account with payment method, next invoice and unpaid invoices.
    ///
    /// # Errors
    /// As [`Self::checkout`].
    pub async fn overview(&self, caller: &Caller, id: OrganizationId) -> Result<BillingOverview> {
        let state = self.state(caller, id).await?;
        let Some(customer) = state.account.customer_id.clone() else {
            return Ok(BillingOverview { state, payment_method: None, upcoming: None, open: Vec::new() });
        };
        let provider = &self.0.billing;
        let (methods, upcoming, invoices) = try_join!(
            provider.list_payment_methods(&customer),
            provider.upcoming_invoice(&customer),
            provider.list_invoices(&customer, usize::from(PageRequest::MAX_LIMIT), None),
        )?;
        Ok(BillingOverview {
            state,
            payment_method: methods.into_iter().find(|method| method.is_default),
            upcoming,
            open: invoices.into_iter().filter(|invoice| invoice.status == InvoiceStatus::Open).collect(),
        })
    }

    /// Verifies a webhook of the provider and stores its event once; a worker then reconciles the account. An event
    /// without a customer is accepted and ignored.
    ///
    /// # Errors
    /// As [`verify_webhook`](crate::billing::BillingProvider::verify_webhook), and any error of the store. The
    /// provider then sends the event again.
    pub async fn receive_webhook(&self, body: &[u8], signature: &str) -> Result<()> {
        let received_at = self.0.now();
        let hint = self.0.billing.verify_webhook(body, signature, received_at)?;
        let Some(customer_id) = hint.customer else { return Ok(()) };
        let (id, kind) = (hint.event_id, hint.kind);
        let event = WebhookEvent { id, kind, customer_id, received_at, processed_at: None };
        let changeset = Changeset::new().insert(event);
        match self.0.commit(changeset).await {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            outcome => outcome,
        }
    }
}

/// Returns a requested plan, which must be available or the current plan of the organization or its subscription.
fn requested_plan<'a>(
    plans: &'a PlanCatalog,
    organization: &Organization,
    account: &BillingAccount,
    requested: &PlanId,
) -> Result<&'a Plan> {
    let paid = account.live_subscription().map(|subscription| &subscription.plan_id);
    let current: Vec<&PlanId> = paid.into_iter().chain([&organization.plan_id]).collect();
    plans.choose(requested, &current)
}

impl PlatformInner {
    /// Creates a message that requests a reconcile of the billing account after node pools changed; `None` if no plan
    /// charges for nodes.
    pub(crate) fn node_billing_message(
        &self,
        organization: OrganizationId,
        plans: &PlanCatalog,
    ) -> Option<OutboxMessage> {
        let charges_for_nodes = |plan: &Plan| plan.price.is_some_and(|price| price.node.is_some());
        plans.iter().any(charges_for_nodes).then(|| self.account_reconcile_message(organization))
    }

    /// Creates a message that requests a reconcile of the billing account after workspaces changed; `None` if the
    /// organization's plan charges for neither workspaces nor nodes.
    pub(crate) fn workspace_billing_message(
        &self,
        organization: &Organization,
        plans: &PlanCatalog,
    ) -> Option<OutboxMessage> {
        let price = plans.find(&organization.plan_id)?.price?;
        (price.workspace.is_some() || price.node.is_some())
            .then(|| self.account_reconcile_message(organization.id))
    }

    /// Checks that the organization pays for a workspace on this plan, if payment is required.
    ///
    /// # Errors
    /// `QuotaExceeded` with code `plan_not_paid_for` or `payment_overdue`.
    pub(crate) async fn require_paid_for(&self, organization: &Organization, plan: &Plan) -> Result<()> {
        if !self.config.billing.required {
            return Ok(());
        }
        let plans = self.plans().await?;
        let account = self.store.find_billing_account(organization.id).await?;
        check_paid_for(account.as_ref(), plans.get(&organization.plan_id)?, plan)
    }
}

/// Checks that an organization on the plan `own` pays for a workspace on a plan.
///
/// # Errors
/// `QuotaExceeded` with code `plan_not_paid_for` or `payment_overdue`.
pub(super) fn check_paid_for(account: Option<&BillingAccount>, own: &Plan, plan: &Plan) -> Result<()> {
    if !covers(own.display_order, plan.display_order) {
        let message = format!(
            "the plan {} of the organization does not cover workspaces on the plan {}; subscribe to that plan first",
            own.id, plan.id
        );
        return Err(Error::quota_exceeded(message).with_code("plan_not_paid_for"));
    }
    if account.is_some_and(|account| matches!(account.standing, BillingStanding::Suspended { .. })) {
        let message = "a payment of the organization is overdue; pay it first";
        return Err(Error::quota_exceeded(message).with_code("payment_overdue"));
    }
    Ok(())
}

/// Checks that no order is pending.
///
/// # Errors
/// `Conflict` with code `order_pending`.
pub(super) fn require_no_order(account: &BillingAccount) -> Result<()> {
    if account.order.is_none() {
        return Ok(());
    }
    let message = "the previous order is still pending; it is carried out once the billing provider responds";
    Err(Error::conflict("order_pending", message))
}
