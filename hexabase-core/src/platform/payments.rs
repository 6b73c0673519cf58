use serde::Serialize;
use serde::de::DeserializeOwned;

use super::billing::Billing;
use super::{Authorization, Caller, Idempotent};
use crate::access::Action;
use crate::billing::{BillingKey, Invoice, PaymentMethod, SetupIntent, check_payment_method_removal};
use crate::changeset::Changeset;
use crate::error::{Error, Result};
use crate::id::OrganizationId;
use crate::model::{BillingAccount, CustomerId};
use crate::page::{Page, PageRequest};

/// Payment methods and invoices of an organization.
impl Billing<'_> {
    /// Creates a page, hosted by the provider, to enter a payment method, and returns its URL.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role, or `Unavailable`.
    pub async fn checkout(
        &self,
        caller: &Caller,
        id: OrganizationId,
        return_to: &str,
    ) -> Result<Idempotent<String>> {
        self.call_provider(caller, id, "billing.checkout", &id.to_string(), |customer, key| async move {
            self.0.billing.checkout_url(&customer, return_to, &key).await
        })
        .await
    }

    /// Creates a page, hosted by the provider, to manage payment methods and invoices, and returns its URL.
    ///
    /// # Errors
    /// As [`Self::checkout`].
    pub async fn portal(
        &self,
        caller: &Caller,
        id: OrganizationId,
        return_to: &str,
    ) -> Result<Idempotent<String>> {
        self.call_provider(caller, id, "billing.portal", &id.to_string(), |customer, key| async move {
            self.0.billing.portal_url(&customer, return_to, &key).await
        })
        .await
    }

    /// Creates a setup intent, with which a browser passes a payment method directly to the provider.
    ///
    /// # Errors
    /// As [`Self::checkout`].
    pub async fn setup_intent(&self, caller: &Caller, id: OrganizationId) -> Result<Idempotent<SetupIntent>> {
        self.call_provider(caller, id, "billing.setup_intent", &id.to_string(), |customer, key| async move {
            self.0.billing.setup_intent(&customer, &key).await
        })
        .await
    }

    /// Lists the payment methods, the default one first.
    ///
    /// # Errors
    /// As [`Self::checkout`].
    pub async fn payment_methods(&self, caller: &Caller, id: OrganizationId) -> Result<Vec<PaymentMethod>> {
        self.0.permit(caller, id, Action::BillingRead).await?;
        match self.known_customer(caller, id).await? {
            Some(customer) => self.0.billing.list_payment_methods(&customer).await,
            None => Ok(Vec::new()),
        }
    }

    /// Attaches a payment method that was entered at the provider. The first one becomes the default.
    ///
    /// # Errors
    /// As [`Self::checkout`], and `Invalid` if the provider does not accept the payment method.
    pub async fn add_payment_method(
        &self,
        caller: &Caller,
        id: OrganizationId,
        method: &str,
    ) -> Result<Idempotent<PaymentMethod>> {
        self.call_provider(caller, id, "billing.payment_method.add", method, |customer, key| async move {
            self.0.billing.attach_payment_method(&customer, method, &key).await
        })
        .await
    }

    /// Sets the default payment method, and pays open invoices with it.
    ///
    /// # Errors
    /// As [`Self::checkout`], and `NotFound` if the organization does not have the payment method.
    pub async fn choose_payment_method(
        &self,
        caller: &Caller,
        id: OrganizationId,
        method: &str,
    ) -> Result<()> {
        self.require_method(caller, id, method).await?;
        self.call_provider(caller, id, "billing.payment_method.choose", method, |customer, key| async move {
            self.0.billing.choose_payment_method(&customer, method, &key).await
        })
        .await
        .map(drop)
    }

    /// Detaches a payment method.
    ///
    /// # Errors
    /// - As [`Self::choose_payment_method`].
    /// - `Conflict` with code `last_payment_method` while there is a subscription to pay, or `default_payment_method`
    ///   while another payment method can become the default.
    pub async fn remove_payment_method(
        &self,
        caller: &Caller,
        id: OrganizationId,
        method: &str,
    ) -> Result<()> {
        let methods = self.require_method(caller, id, method).await?;
        let account = self.0.store.find_billing_account(id).await?;
        let has_subscription = account.is_some_and(|account| account.needs_payment_method());
        check_payment_method_removal(&methods, method, has_subscription)?;
        self.call_provider(caller, id, "billing.payment_method.remove", method, |customer, key| async move {
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

    /// Lists the invoices, newest first.
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
        let found = match self.known_customer(caller, id).await? {
            // One more than the page holds, to detect a next page.
            Some(customer) => {
                let after = page.after().map(str::to_owned);
                self.0.billing.list_invoices(&customer, page.limit() + 1, after).await?
            }
            None => Vec::new(),
        };
        Ok(page.page(found, |invoice| invoice.id.clone()))
    }

    /// Returns an invoice.
    ///
    /// # Errors
    /// As [`Self::checkout`], and `NotFound` if the organization does not have the invoice.
    pub async fn invoice(&self, caller: &Caller, id: OrganizationId, invoice: &str) -> Result<Invoice> {
        self.0.permit(caller, id, Action::BillingRead).await?;
        let found = match self.known_customer(caller, id).await? {
            Some(customer) => self.0.billing.find_invoice(&customer, invoice).await?,
            None => None,
        };
        found.ok_or_else(|| Error::not_found("invoice"))
    }

    /// Returns the next invoice.
    ///
    /// # Errors
    /// As [`Self::checkout`], and `NotFound` if there is none.
    pub async fn upcoming_invoice(&self, caller: &Caller, id: OrganizationId) -> Result<Invoice> {
        self.0.permit(caller, id, Action::BillingRead).await?;
        let found = match self.known_customer(caller, id).await? {
            Some(customer) => self.0.billing.upcoming_invoice(&customer).await?,
            None => None,
        };
        found.ok_or_else(|| Error::not_found("upcoming invoice"))
    }

    /// Calls the provider on behalf of a caller, records the call in the audit log, and requests a reconcile.
    async fn call_provider<T, F>(
        &self,
        caller: &Caller,
        id: OrganizationId,
        action: &str,
        resource: &str,
        call: impl Fn(CustomerId, BillingKey) -> F + Send + Sync,
    ) -> Result<Idempotent<T>>
    where
        T: Serialize + DeserializeOwned + Send,
        F: Future<Output = Result<T>> + Send,
    {
        let call = &call;
        let authorization = Authorization::Organization(id, Action::BillingManage);
        self.0
            .run_idempotent(caller, authorization, || async move {
                self.0.permit(caller, id, Action::BillingManage).await?;
                let (mut account, customer) = self.customer(caller, id).await?;
                let key = BillingKey(format!("{action}/{id}/{resource}/{}", account.version));
                let value = call(customer, key).await?;
                let now = self.0.now();
                // The call may have paid open invoices.
                account.reconcile_at = Some(now);
                let entry = self.0.audit(caller, id, action, resource, (), ());
                let changeset = Changeset::new().billing_account(account, now).audit(entry);
                Ok((changeset.message(self.0.account_reconcile_message(id)), value))
            })
            .await
    }

    /// Returns the billing account and the customer of an organization; creates both if there are none.
    pub(super) async fn customer(
        &self,
        caller: &Caller,
        id: OrganizationId,
    ) -> Result<(BillingAccount, CustomerId)> {
        let known = self.0.reads(caller).billing_account(id).await?;
        if let Some((account, customer)) = known.and_then(|it| Some((it.clone(), it.customer_id?))) {
            return Ok((account, customer));
        }
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
                    self.0.ensure_customer(&organization, &account, Some(caller.principal.user_id)).await?;
                account.customer_id = Some(customer.clone());
                let changeset = match known {
                    true => Changeset::new().billing_account(account, now),
                    false => Changeset::new().organization(organization, now).insert(account),
                };
                Ok((changeset, customer))
            })
            .await?;
        self.0.reads(caller).forget_billing_account(id);
        let account = self.0.store.find_billing_account(id).await?;
        Ok((account.ok_or_else(|| Error::not_found("organization"))?, customer))
    }

    async fn known_customer(&self, caller: &Caller, id: OrganizationId) -> Result<Option<CustomerId>> {
        let account = self.0.reads(caller).billing_account(id).await?;
        Ok(account.and_then(|account| account.customer_id))
    }
}
