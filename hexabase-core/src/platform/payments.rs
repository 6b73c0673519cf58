use serde::Serialize;
use serde::de::DeserializeOwned;

use super::billing::Billing;
use super::{Caller, Done};
use crate::access::Action;
use crate::billing::{BillingKey, Invoice, PaymentMethod, SetupIntent};
use crate::changeset::Changeset;
use crate::error::{Error, Result};
use crate::id::OrganizationId;
use crate::model::{BillingAccount, CustomerId};
use crate::page::{Page, PageRequest};

/// How an organization pays, and what it was charged for.
impl Billing<'_> {
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
        self.ask(caller, id, "billing.checkout", &id.to_string(), |customer, key| async move {
            self.0.billing.checkout_url(&customer, return_to, &key).await
        })
        .await
    }

    /// A page hosted by the provider where ways to pay and invoices are managed; answers its URL.
    ///
    /// # Errors
    /// As [`Self::checkout`].
    pub async fn portal(&self, caller: &Caller, id: OrganizationId, return_to: &str) -> Result<Done<String>> {
        self.ask(caller, id, "billing.portal", &id.to_string(), |customer, key| async move {
            self.0.billing.portal_url(&customer, return_to, &key).await
        })
        .await
    }

    /// What a browser needs to hand a way to pay to the provider without it passing through here.
    ///
    /// # Errors
    /// As [`Self::checkout`].
    pub async fn setup_intent(&self, caller: &Caller, id: OrganizationId) -> Result<Done<SetupIntent>> {
        self.ask(caller, id, "billing.setup_intent", &id.to_string(), |customer, key| async move {
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
                Ok((changeset.message(self.0.look_at_account(id)), value))
            })
            .await
    }

    /// The account and customer of an organization, both made if there is none.
    pub(super) async fn customer(
        &self,
        caller: &Caller,
        id: OrganizationId,
    ) -> Result<(BillingAccount, CustomerId)> {
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
