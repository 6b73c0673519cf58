//! [`BillingReconciler`] executes subscription orders and applies the state of subscriptions to organizations.

use super::requeue::{Requeue, RequeueReason};
use super::usage_reporter::{ReportOutcome, UsageReporter};
use crate::billing::{
    Billable, BillingDecision, BillingInput, BillingKey, DesiredSubscription, NewCustomer, Notice,
    OrderOutcome, ProviderSnapshot, decide,
};
use crate::changeset::Changeset;
use crate::clock::{after, until};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{OrganizationId, UserId};
use crate::id_source::IdSourceExt as _;
use crate::lifecycle;
use crate::model::{
    BillingAccount, BillingSuspension, CustomerId, EventKind, OrderRejectionReason, Organization,
    OrganizationRole, Subscription, SubscriptionChange, Workspace,
};
use crate::name::Email;
use crate::notifier::{Notification, PlainName};
use crate::platform::{Platform, PlatformInner};
use crate::store::Lease;
use crate::telemetry::Reconciled;

/// Maximum attempts of one reconcile if the organization changes meanwhile.
const MAX_ATTEMPTS: usize = 5;

/// Executes the orders of organizations, and suspends or resumes workspaces according to payments. No other component
/// changes a subscription.
#[derive(Debug)]
pub struct BillingReconciler<'a>(&'a PlatformInner);

impl<'a> BillingReconciler<'a> {
    /// Creates the billing reconciler of a platform.
    #[must_use]
    pub fn new(platform: &'a Platform) -> Self {
        Self::of(platform.inner())
    }

    pub(crate) const fn of(inner: &'a PlatformInner) -> Self {
        Self(inner)
    }

    /// Reconciles the billing account of an organization once: executes its order, reads its subscription, records the
    /// decision, and reports usage. Returns the time of the next reconcile.
    ///
    /// A failure of the provider is retried later and is not an error of this call.
    ///
    /// # Errors
    /// Errors of the store; reconciling again is harmless.
    pub async fn reconcile(&self, organization: OrganizationId) -> Result<Requeue> {
        let name = format!("billing/{organization}");
        let reconcile = async |lease: Lease| {
            let requeue = self.reconcile_leased(organization, &lease).await?;
            self.report_usage(organization, &lease, requeue).await
        };
        let started_at = self.0.now();
        let outcome = self.0.with_lease(&name, reconcile).await;
        Reconciled::BillingAccount.record_end(&outcome, until(started_at, self.0.now()));
        Ok(outcome?.unwrap_or(Requeue::Soon(RequeueReason::Busy)))
    }

    /// Same as [`Self::reconcile`], without reporting usage: for a request, which must not wait until hours of usage
    /// are reported. The next reconcile reports them.
    ///
    /// # Errors
    /// Same as [`Self::reconcile`].
    pub(crate) async fn reconcile_without_usage(&self, organization: OrganizationId) -> Result<()> {
        let name = format!("billing/{organization}");
        let reconcile = async |lease: Lease| self.reconcile_leased(organization, &lease).await;
        self.0.with_lease(&name, reconcile).await.map(drop)
    }

    async fn reconcile_leased(&self, id: OrganizationId, lease: &Lease) -> Result<Requeue> {
        for _ in 0..MAX_ATTEMPTS {
            let Some(organization) = self.0.store.find_organization(id).await? else {
                return Ok(Requeue::Never);
            };
            let Some(account) = self.0.store.find_billing_account(id).await? else {
                return Ok(Requeue::Never);
            };
            let workspaces = self.0.all_workspaces(id).await?;
            let plans = self.0.plans().await?;
            let input = BillingInput {
                account: &account,
                organization: &organization,
                workspaces: &workspaces,
                plans: &plans,
            };
            let snapshot = self.sync_provider(input, lease).await;
            if let Some(error) = &snapshot.error {
                tracing::warn!(organization = %id, error = ?error, "billing reconcile failed; retrying with back-off");
            }
            let (config, random) = (&self.0.config, u64::from_be_bytes(self.0.ids.bytes()));
            let decision = decide(input, &snapshot, &config.billing, &config.intervals, self.0.now(), random);
            match self.record(input, &decision, lease).await {
                Ok(()) => {
                    Reconciled::BillingAccount.count_outcome(snapshot.error.is_some());
                    let is_failed = snapshot.error.is_some();
                    let reason = if is_failed { RequeueReason::Failed } else { RequeueReason::Scheduled };
                    let next = decision.account.reconcile_at;
                    return Ok(next.map_or(Requeue::Never, |at| Requeue::At(at, reason)));
                }
                // An order was placed, or a workspace was created or deleted: reconcile again at once.
                Err(error) if error.is_version_conflict() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Requeue::Soon(RequeueReason::Conflict))
    }

    /// Reports usage to the provider, and returns the time of the next reconcile.
    async fn report_usage(
        &self,
        organization: OrganizationId,
        lease: &Lease,
        requeue: Requeue,
    ) -> Result<Requeue> {
        let error = match UsageReporter::new(self.0).report(organization, lease).await {
            Ok(ReportOutcome::Complete) => return Ok(requeue),
            Ok(ReportOutcome::Partial) => return Ok(Requeue::Soon(RequeueReason::Scheduled)),
            Err(error) if error.is_version_conflict() => return Ok(Requeue::Soon(RequeueReason::Conflict)),
            Err(error) => error,
        };
        tracing::warn!(organization = %organization, error = ?error, "reporting usage failed; retrying later");
        let retry_at = after(self.0.now(), self.0.config.intervals.longest_poll);
        Ok(match requeue {
            Requeue::Soon(reason) => Requeue::Soon(reason),
            Requeue::At(at, reason) if at <= retry_at => Requeue::At(at, reason),
            Requeue::Never | Requeue::At(..) => Requeue::At(retry_at, RequeueReason::Failed),
        })
    }

    /// Executes the order with the provider and reads the subscription. A failure becomes part of the snapshot.
    async fn sync_provider(&self, input: BillingInput<'_>, lease: &Lease) -> ProviderSnapshot {
        let mut snapshot = ProviderSnapshot {
            customer_id: input.account.customer_id.clone(),
            ..ProviderSnapshot::default()
        };
        match self.try_sync_provider(input, lease, &mut snapshot).await {
            // The customer was deleted at the provider: the next order creates a new one.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                snapshot.customer_id = None;
                snapshot.subscription = Some(None);
                snapshot.error = input.account.order.is_some().then_some(error);
            }
            Err(error) => snapshot.error = Some(error),
            Ok(()) => {}
        }
        snapshot
    }

    async fn try_sync_provider(
        &self,
        input: BillingInput<'_>,
        lease: &Lease,
        snapshot: &mut ProviderSnapshot,
    ) -> Result<()> {
        let BillingInput { account, organization, .. } = input;
        if snapshot.customer_id.is_none() && account.order.is_some() {
            let requested_by = account.order.as_ref().map(|order| order.requested_by);
            snapshot.customer_id = Some(self.0.ensure_customer(organization, account, requested_by).await?);
        }
        let Some(customer) = snapshot.customer_id.clone() else { return Ok(()) };
        if let Some(order) = &account.order {
            let key = BillingKey(order.id.to_string());
            if order.change == (SubscriptionChange::Cancel { at_period_end: false }) {
                self.report_usage_before_end(organization.id, lease).await?;
            }
            match self.execute_order(input, &customer, &order.change, &key).await {
                Ok(()) => snapshot.order = OrderOutcome::Fulfilled,
                Err(error) if error.is_retryable() || error.kind() == ErrorKind::NotFound => {
                    return Err(error);
                }
                Err(error) => snapshot.order = OrderOutcome::Rejected(error),
            }
        }
        let subscription = self.0.billing.find_subscription(&customer).await?;
        let corrected_subscription =
            subscription.as_ref().and_then(|subscription| Self::corrected_subscription(input, subscription));
        // The subscription is recorded even if correcting its quantities fails.
        snapshot.subscription = Some(subscription);
        if let Some(desired) = corrected_subscription {
            let key = BillingKey(format!("workspaces/{}/{}", organization.id, account.version));
            snapshot.subscription = Some(Some(self.0.billing.subscribe(&customer, &desired, &key).await?));
        }
        Ok(())
    }

    /// Reports usage before a subscription ends, since its last invoice charges only what is reported by then. A
    /// failure delays no cancellation.
    ///
    /// # Errors
    /// `Unavailable` if usage remains to be reported. The next reconcile continues with it.
    async fn report_usage_before_end(&self, organization: OrganizationId, lease: &Lease) -> Result<()> {
        match UsageReporter::new(self.0).report(organization, lease).await {
            Ok(ReportOutcome::Complete) => {}
            Ok(ReportOutcome::Partial) => {
                let message =
                    "usage remains to be reported before the subscription ends; it ends once that is done";
                return Err(Error::unavailable(message));
            }
            Err(error) => {
                tracing::warn!(organization = %organization, error = ?error, "reporting usage failed; the subscription ends without it");
            }
        }
        Ok(())
    }

    async fn execute_order(
        &self,
        input: BillingInput<'_>,
        customer: &CustomerId,
        change: &SubscriptionChange,
        key: &BillingKey,
    ) -> Result<()> {
        match change {
            SubscriptionChange::Subscribe { plan_id, interval, coupon } => {
                let retired = || {
                    let message = format!("plan {plan_id} is no longer sold; choose another plan");
                    Error::conflict(OrderRejectionReason::OrderRejected.as_str(), message)
                };
                let plan = input.plans.find(plan_id).ok_or_else(retired)?;
                let desired = DesiredSubscription {
                    coupon: coupon.clone(),
                    ..DesiredSubscription::of(plan, *interval, Billable::of(input.workspaces))
                };
                self.0.billing.subscribe(customer, &desired, key).await.map(drop)
            }
            SubscriptionChange::Cancel { at_period_end } => {
                self.0.billing.cancel(customer, *at_period_end, key).await
            }
        }
    }

    /// Subscription with corrected quantities, if the current one charges for more or fewer workspaces or nodes than
    /// exist.
    fn corrected_subscription(
        input: BillingInput<'_>,
        subscription: &Subscription,
    ) -> Option<DesiredSubscription> {
        let changeable = !subscription.cancel_at_period_end && !subscription.awaits_confirmation;
        if !subscription.state.grants_plan() || !changeable {
            return None;
        }
        let plan = input.plans.find(&subscription.plan_id)?;
        let mut desired =
            DesiredSubscription::of(plan, subscription.interval, Billable::of(input.workspaces));
        desired.add_ons = desired.add_ons.known_to(subscription.add_ons);
        (desired.add_ons != subscription.add_ons).then_some(desired)
    }

    async fn record(&self, input: BillingInput<'_>, decision: &BillingDecision, lease: &Lease) -> Result<()> {
        let (now, id) = (self.0.now(), input.organization.id);
        let (before, after) = (input.account, &decision.account);
        let mut changeset =
            Changeset::new().precondition(lease.precondition()).billing_account(after.clone(), now);
        let changed = before.standing != after.standing || before.subscription != after.subscription;
        if changed || decision.plan_id != input.organization.plan_id {
            let audit_value = |account: &BillingAccount| serde_json::json!({ "standing": account.standing, "subscription": account.subscription });
            let entry =
                self.0.audit_platform(id, "billing.reconcile", id, audit_value(before), audit_value(after));
            let data = serde_json::json!({ "standing": after.standing, "plan_id": decision.plan_id });
            changeset =
                changeset.audit(entry).insert(self.0.event(id, None, EventKind::BillingStanding, data));
        }
        if decision.plan_id != input.organization.plan_id || !decision.suspensions.is_empty() {
            let organization =
                Organization { plan_id: decision.plan_id.clone(), ..input.organization.clone() };
            changeset = changeset.organization(organization, now);
        }
        let subscribed_plan =
            |account: &BillingAccount| account.live_subscription().map(|live| live.plan_id.clone());
        if decision.plan_id != input.organization.plan_id || subscribed_plan(before) != subscribed_plan(after)
        {
            changeset = changeset.precondition(input.plans.precondition());
        }
        for (workspace, suspension) in &decision.suspensions {
            if let Some(workspace) = input.workspaces.iter().find(|known| known.id == *workspace) {
                changeset = self.set_suspension(workspace.clone(), *suspension, changeset);
            }
        }
        for notice in &decision.notices {
            changeset = self.notify(input.organization, *notice, changeset).await?;
        }
        self.0.commit(changeset).await
    }

    /// Adds to a changeset that billing suspends a workspace for this reason, or no longer does.
    fn set_suspension(
        &self,
        mut workspace: Workspace,
        suspension: Option<BillingSuspension>,
        changeset: Changeset,
    ) -> Changeset {
        let now = self.0.now();
        let (organization, id) = (workspace.organization_id, workspace.id);
        let action = if suspension.is_some() {
            "workspace.suspend_for_billing"
        } else {
            "workspace.resume_after_billing"
        };
        let entry = self.0.audit_platform(organization, action, id, workspace.suspension_reason, suspension);
        workspace.suspension_reason = suspension;
        lifecycle::bump_generation(&mut workspace, now);
        changeset
            .insert(self.0.phase_event(&workspace))
            .workspace(workspace, now)
            .audit(entry)
            .message(self.0.reconcile_message(organization, id))
    }

    /// Adds a notification of each billing recipient to a changeset.
    async fn notify(
        &self,
        organization: &Organization,
        notice: Notice,
        mut changeset: Changeset,
    ) -> Result<Changeset> {
        for to in self.0.billing_recipients(organization.id).await? {
            let notification = notification(notice, organization, self.0.billing_url(organization.id));
            changeset = changeset.message(self.0.notification(organization.id, to, notification)?);
        }
        Ok(changeset)
    }
}

impl PlatformInner {
    /// Customer of an organization at the provider, created if there is none.
    pub(crate) async fn ensure_customer(
        &self,
        organization: &Organization,
        account: &BillingAccount,
        requested_by: Option<UserId>,
    ) -> Result<CustomerId> {
        let user = match requested_by {
            Some(user) => self.store.find_user(user).await?,
            None => None,
        };
        let customer = NewCustomer {
            organization_id: organization.id,
            name: organization.display_name.clone(),
            email: user.and_then(|user| user.email),
        };
        let key = BillingKey(format!("customer/{}/{}", organization.id, account.version));
        self.billing.ensure_customer(&customer, &key).await
    }

    /// URL of the page with payments and usage of an organization.
    pub(super) fn billing_url(&self, organization: OrganizationId) -> String {
        self.config.notifications.billing_url(&self.config.public_url, organization)
    }

    /// Mail addresses of the owners and billing members of an organization.
    pub(super) async fn billing_recipients(&self, organization: OrganizationId) -> Result<Vec<Email>> {
        self.addresses_of(organization, &[OrganizationRole::Owner, OrganizationRole::Billing]).await
    }
}

/// Notification of a notice.
fn notification(notice: Notice, organization: &Organization, billing_url: String) -> Notification {
    let organization = PlainName::of(organization);
    match notice {
        Notice::PaymentFailed { until } => Notification::PaymentFailed { organization, until, billing_url },
        Notice::GraceEnds { until } => Notification::GraceEnds { organization, until, billing_url },
        Notice::Suspended => Notification::Suspended { organization, billing_url },
        Notice::Restored => Notification::Resumed { organization },
        Notice::Ended => Notification::SubscriptionEnded { organization, billing_url },
    }
}
