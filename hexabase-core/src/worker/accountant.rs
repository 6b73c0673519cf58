use std::time::Duration;

use super::usage_teller::{Told, UsageTeller};
use crate::billing::{
    Billable, BillingKey, Books, NewCustomer, Notice, Outcome, Settlement, Sight, Wanted, settle,
};
use crate::changeset::Changeset;
use crate::clock::until;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{OrganizationId, UserId};
use crate::id_source::IdSourceExt as _;
use crate::lifecycle;
use crate::model::{
    BillingAccount, CustomerId, Hold, Organization, OrganizationRole, RefusalReason, Subscription, Wish,
    Workspace,
};
use crate::name::Email;
use crate::notifier::Mail;
use crate::page::PageRequest;
use crate::platform::Parts;
use crate::store::Lease;

/// How often to look anew in one go when the organization changes meanwhile.
const ROUNDS: usize = 5;
/// When to come back to an account that somebody else is looking at.
const BUSY: Duration = Duration::from_millis(250);

/// Carries out what organizations order, and draws the consequences of what they owe: the one way in which a
/// subscription changes.
#[derive(Debug)]
pub struct Accountant<'a>(&'a Parts);

impl<'a> Accountant<'a> {
    /// An accountant of this platform.
    #[must_use]
    pub const fn new(parts: &'a Parts) -> Self {
        Self(parts)
    }

    /// Looks at the account of an organization once: carries out its order, reads its subscription, and notes what
    /// follows. Says after how long to look again; `None` when there is nothing to look at.
    ///
    /// What goes wrong with the provider is tried again later and is not an error here.
    ///
    /// # Errors
    /// Whatever the store fails with; looking again is harmless.
    pub async fn look(&self, organization: OrganizationId) -> Result<Option<Duration>> {
        let name = format!("billing/{organization}");
        let look = async |lease: Lease| {
            let wait = self.settle_leased(organization, &lease).await?;
            self.tell_usage(organization, &lease, wait).await
        };
        let looked = self.0.with_lease(&name, look).await?;
        Ok(looked.unwrap_or(Some(BUSY)))
    }

    /// As [`Self::look`], without a word of usage: for a request, which must not wait until hours of it are told. Whoever
    /// looks next tells it.
    ///
    /// # Errors
    /// As [`Self::look`].
    pub(crate) async fn settle(&self, organization: OrganizationId) -> Result<()> {
        let name = format!("billing/{organization}");
        let settle = async |lease: Lease| self.settle_leased(organization, &lease).await;
        self.0.with_lease(&name, settle).await.map(drop)
    }

    async fn settle_leased(&self, id: OrganizationId, lease: &Lease) -> Result<Option<Duration>> {
        for _ in 0..ROUNDS {
            let Some(organization) = self.0.store.find_organization(id).await? else { return Ok(None) };
            let Some(account) = self.0.store.find_billing_account(id).await? else { return Ok(None) };
            let workspaces = self.0.all_workspaces(id).await?;
            let books = Books {
                account: &account,
                organization: &organization,
                workspaces: &workspaces,
                plans: &self.0.plans,
            };
            let sight = self.act(books).await;
            if let Some(error) = &sight.error {
                tracing::warn!(organization = %id, error = ?error, "the billing provider could not be asked");
            }
            let (settings, random) = (&self.0.settings, u64::from_be_bytes(self.0.ids.bytes()));
            let settlement = settle(books, &sight, &settings.billing, &settings.pace, self.0.now(), random);
            match self.record(books, &settlement, lease).await {
                Ok(()) => return Ok(settlement.account.look_at.map(|at| until(self.0.now(), at))),
                // Something was ordered, or a workspace came or went: look at that at once.
                Err(error) if error.is_version_conflict() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(BUSY))
    }

    /// Tells the provider what was used, and says after how long to look again.
    async fn tell_usage(
        &self,
        organization: OrganizationId,
        lease: &Lease,
        wait: Option<Duration>,
    ) -> Result<Option<Duration>> {
        let error = match UsageTeller::new(self.0).tell(organization, lease).await {
            Ok(Told::Everything) => return Ok(wait),
            Ok(Told::Some) => return Ok(Some(BUSY)),
            Err(error) if error.is_version_conflict() => return Ok(Some(BUSY)),
            Err(error) => error,
        };
        tracing::warn!(organization = %organization, error = ?error, "the billing provider could not be told of usage");
        let again = self.0.settings.pace.longest_poll;
        Ok(Some(wait.map_or(again, |wait| wait.min(again))))
    }

    /// Does with the provider what is to be done, and sees how things stand. Whatever goes wrong is part of what was
    /// seen.
    async fn act(&self, books: Books<'_>) -> Sight {
        let mut sight = Sight { customer_id: books.account.customer_id.clone(), ..Sight::default() };
        match self.try_act(books, &mut sight).await {
            // Somebody removed the customer there: whatever comes next begins anew.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                sight.customer_id = None;
                sight.subscription = Some(None);
                sight.error = books.account.order.is_some().then_some(error);
            }
            Err(error) => sight.error = Some(error),
            Ok(()) => {}
        }
        sight
    }

    async fn try_act(&self, books: Books<'_>, sight: &mut Sight) -> Result<()> {
        let Books { account, organization, .. } = books;
        if sight.customer_id.is_none() && account.order.is_some() {
            let asked_by = account.order.as_ref().map(|order| order.asked_by);
            sight.customer_id = Some(self.0.make_customer(organization, account, asked_by).await?);
        }
        let Some(customer) = sight.customer_id.clone() else { return Ok(()) };
        if let Some(order) = &account.order {
            let key = BillingKey(order.id.to_string());
            match self.carry_out(books, &customer, &order.wish, &key).await {
                Ok(()) => sight.order = Outcome::Done,
                Err(error) if error.is_retryable() || error.kind() == ErrorKind::NotFound => {
                    return Err(error);
                }
                Err(error) => sight.order = Outcome::Refused(error),
            }
        }
        let seen = self.0.billing.find_subscription(&customer).await?;
        let other_count = seen.as_ref().and_then(|subscription| self.other_count(books, subscription));
        // What was seen counts, whether or not the numbers can be put right.
        sight.subscription = Some(seen);
        if let Some(wanted) = other_count {
            let key = BillingKey(format!("workspaces/{}/{}", organization.id, account.version));
            sight.subscription = Some(Some(self.0.billing.subscribe(&customer, &wanted, &key).await?));
        }
        Ok(())
    }

    async fn carry_out(
        &self,
        books: Books<'_>,
        customer: &CustomerId,
        wish: &Wish,
        key: &BillingKey,
    ) -> Result<()> {
        match wish {
            Wish::Subscribe { plan_id, interval, coupon } => {
                let gone = || {
                    let message = format!("the plan {plan_id} is not sold any more");
                    Error::conflict(RefusalReason::OrderRefused.as_str(), message)
                };
                let plan = self.0.plans.find(plan_id).ok_or_else(gone)?;
                let wanted = Wanted {
                    coupon: coupon.clone(),
                    ..Wanted::of(plan, *interval, Billable::of(books.workspaces))
                };
                self.0.billing.subscribe(customer, &wanted, key).await.map(drop)
            }
            Wish::Cancel { at_period_end } => self.0.billing.cancel(customer, *at_period_end, key).await,
        }
    }

    /// What a subscription should be that pays for more or less than there is.
    fn other_count(&self, books: Books<'_>, subscription: &Subscription) -> Option<Wanted> {
        let settled = !subscription.cancel_at_period_end && !subscription.awaits_confirmation;
        if !subscription.state.gives_plan() || !settled {
            return None;
        }
        let plan = self.0.plans.find(&subscription.plan_id)?;
        let wanted = Wanted::of(plan, subscription.interval, Billable::of(books.workspaces));
        (wanted.extras != subscription.extras).then_some(wanted)
    }

    async fn record(&self, books: Books<'_>, settlement: &Settlement, lease: &Lease) -> Result<()> {
        let (now, id) = (self.0.now(), books.organization.id);
        let (before, after) = (books.account, &settlement.account);
        let mut changeset = Changeset::new().guard(lease.guard()).billing_account(after.clone(), now);
        let moved = before.standing != after.standing || before.subscription != after.subscription;
        if moved || settlement.plan_id != books.organization.plan_id {
            let shown = |account: &BillingAccount| serde_json::json!({ "standing": account.standing, "subscription": account.subscription });
            let entry = self.0.audit_own(id, "billing.settle", id, shown(before), shown(after));
            let data = serde_json::json!({ "standing": after.standing, "plan_id": settlement.plan_id });
            changeset = changeset.audit(entry).insert(self.0.event(id, None, "billing.standing", data));
        }
        if settlement.plan_id != books.organization.plan_id || !settlement.holds.is_empty() {
            let organization =
                Organization { plan_id: settlement.plan_id.clone(), ..books.organization.clone() };
            changeset = changeset.organization(organization, now);
        }
        for (workspace, hold) in &settlement.holds {
            if let Some(workspace) = books.workspaces.iter().find(|known| known.id == *workspace) {
                changeset = self.hold(workspace.clone(), *hold, changeset);
            }
        }
        for notice in &settlement.notices {
            changeset = self.tell(books.organization, *notice, changeset).await?;
        }
        self.0.commit(changeset).await
    }

    /// Adds to a changeset that a workspace is to sleep for this reason, or not any more.
    fn hold(&self, mut workspace: Workspace, hold: Option<Hold>, changeset: Changeset) -> Changeset {
        let now = self.0.now();
        let (organization, id) = (workspace.organization_id, workspace.id);
        let action = if hold.is_some() { "workspace.hold" } else { "workspace.release" };
        let entry = self.0.audit_own(organization, action, id, workspace.held, hold);
        workspace.held = hold;
        lifecycle::ask(&mut workspace, now);
        changeset
            .insert(self.0.phase_event(&workspace))
            .workspace(workspace, now)
            .audit(entry)
            .message(self.0.look(organization, id))
    }

    /// Adds to a changeset a mail to everybody who pays.
    async fn tell(
        &self,
        organization: &Organization,
        notice: Notice,
        mut changeset: Changeset,
    ) -> Result<Changeset> {
        for to in self.0.who_pays(organization.id).await? {
            let (subject, text) = words(notice, organization, &self.0.settings.public_url);
            changeset = changeset.message(self.0.mail(organization.id, &Mail { to, subject, text })?);
        }
        Ok(changeset)
    }
}

impl Parts {
    /// The provider's name for an organization, made if there is none.
    pub(crate) async fn make_customer(
        &self,
        organization: &Organization,
        account: &BillingAccount,
        asked_by: Option<UserId>,
    ) -> Result<CustomerId> {
        let user = match asked_by {
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

    /// The addresses of those who pay for an organization.
    pub(super) async fn who_pays(&self, organization: OrganizationId) -> Result<Vec<Email>> {
        let mut found = Vec::new();
        let mut page = PageRequest::largest();
        loop {
            let members = self.store.list_members(organization, &page).await?;
            let pays = |role| matches!(role, OrganizationRole::Owner | OrganizationRole::Billing);
            let paying = members.items.into_iter().filter(|(member, _)| pays(member.role));
            found.extend(paying.filter_map(|(_, user)| user.email));
            match members.next {
                Some(next) => page = PageRequest::new(PageRequest::MAX_LIMIT, Some(next)),
                None => return Ok(found),
            }
        }
    }
}

/// What a notice says: its subject and its text.
fn words(notice: Notice, organization: &Organization, url: &str) -> (String, String) {
    let name = &organization.display_name;
    let pay = format!("See what is open, and choose another way to pay, at {url}.");
    let day = |at: jiff::Timestamp| at.strftime("%-d %B %Y, %H:%M UTC").to_string();
    match notice {
        Notice::PaymentFailed { until } => (
            format!("A payment of {name} failed"),
            format!(
                "A payment of {name} for Hexabase failed. Everything goes on as before until {}; if it is not paid by \
                 then, the workspaces are put to sleep. Nothing is deleted.\n\n{pay}\n",
                day(until)
            ),
        ),
        Notice::GraceEnds { until } => (
            format!("A payment of {name} is still missing"),
            format!(
                "A payment of {name} for Hexabase is still missing. On {} the workspaces are put to sleep. Nothing is \
                 deleted, and they wake once it is paid.\n\n{pay}\n",
                day(until)
            ),
        ),
        Notice::Suspended => (
            format!("The workspaces of {name} sleep"),
            format!(
                "A payment of {name} for Hexabase has been missing for too long, and the workspaces were put to sleep. \
                 Nothing is deleted, and they wake once it is paid.\n\n{pay}\n"
            ),
        ),
        Notice::Restored => (
            format!("The workspaces of {name} wake"),
            format!("{name} has paid, thank you. The workspaces wake now.\n"),
        ),
        Notice::Ended => (
            format!("The subscription of {name} is over"),
            format!(
                "The subscription of {name} for Hexabase is over. Workspaces that the free plan does not cover sleep; \
                 nothing is deleted. Subscribe again at {url}, and they wake.\n"
            ),
        ),
    }
}
