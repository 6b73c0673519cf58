//! Billing provider: the implementation of [`BillingProvider`] for [`StripeBilling`].

use async_trait::async_trait;
use hexabase_core::billing::{
    BillingKey, BillingProvider, DesiredSubscription, Invoice, NewCustomer, PaymentMethod, SetupIntent,
    UsageEvent, WebhookEndpoint, WebhookHint,
};
use hexabase_core::error::{Error, Result};
use hexabase_core::model::{CustomerId, Hour, Meter, Subscription, SubscriptionState};
use jiff::Timestamp;

use super::StripeBilling;
use super::client::{Form, List, RETRY_KEY_SUFFIX};
use super::error::StripeError;
use super::objects::{
    CreatedObject, LatestInvoice, ORGANIZATION, StripeCustomer, StripeInvoice, StripeMethod,
    StripeSubscription,
};
use super::subscriptions::{ChangeError, discounts};

const INVALID_COUPON: &str = "does not exist, or cannot be redeemed any more";

#[async_trait]
impl BillingProvider for StripeBilling {
    async fn ensure_customer(&self, customer: &NewCustomer, key: &BillingKey) -> Result<CustomerId> {
        let id = customer.organization_id.to_string();
        let mut form = Form::new();
        if let Some(email) = &customer.email {
            form = form.with("email", email);
            // Stripe forgets idempotency keys after a day, but not the metadata of a customer.
            let known: Vec<StripeCustomer> = self.client.list_all("customers", &form).await?;
            let ours = |known: &StripeCustomer| known.metadata.get(ORGANIZATION) == Some(&id);
            if let Some(known) = known.into_iter().find(ours) {
                return Ok(CustomerId(known.id));
            }
        }
        let form = form.with("name", &customer.name).with(format!("metadata[{ORGANIZATION}]"), &id);
        let created: StripeCustomer = self.client.post("customers", &form, &key.0).await?;
        Ok(CustomerId(created.id))
    }

    async fn checkout_url(&self, customer: &CustomerId, return_to: &str, key: &BillingKey) -> Result<String> {
        let form = Form::new()
            .with("mode", "setup")
            .with("payment_method_types[0]", "card")
            .with("customer", &customer.0)
            .with("success_url", return_to)
            .with("cancel_url", return_to);
        let created: CreatedObject = self.client.post("checkout/sessions", &form, &key.0).await?;
        created.url.ok_or_else(|| Error::unexpected("Stripe returned a session without a URL"))
    }

    async fn portal_url(&self, customer: &CustomerId, return_to: &str, key: &BillingKey) -> Result<String> {
        let form = Form::new().with("customer", &customer.0).with("return_url", return_to);
        let created: CreatedObject = self.client.post("billing_portal/sessions", &form, &key.0).await?;
        created.url.ok_or_else(|| Error::unexpected("Stripe returned a session without a URL"))
    }

    async fn setup_intent(&self, customer: &CustomerId, key: &BillingKey) -> Result<SetupIntent> {
        let form = Form::new().with("customer", &customer.0).with("usage", "off_session");
        let created: CreatedObject = self.client.post("setup_intents", &form, &key.0).await?;
        Ok(SetupIntent { id: created.id, client_secret: created.client_secret })
    }

    async fn list_payment_methods(&self, customer: &CustomerId) -> Result<Vec<PaymentMethod>> {
        let known = self.customer(customer).await?;
        let payment_methods = self.payment_methods(customer).await?.into_iter();
        let mut payment_methods: Vec<PaymentMethod> =
            payment_methods.map(|method| method.payment_method(known.default_method())).collect();
        payment_methods.sort_by_key(|method| !method.is_default);
        Ok(payment_methods)
    }

    async fn attach_payment_method(
        &self,
        customer: &CustomerId,
        method: &str,
        key: &BillingKey,
    ) -> Result<PaymentMethod> {
        let refused = |error: StripeError| match error.api_error() {
            Some(api_error) if matches!(api_error.status, 400 | 402 | 404) && !error.misses("customer") => {
                Error::invalid("payment_method", format!("cannot be used: {}", api_error.message))
            }
            _ => error.into(),
        };
        let path = format!("payment_methods/{}/attach", path_segment(method));
        let form = Form::new().with("customer", &customer.0);
        let attached: StripeMethod = self.client.post(&path, &form, &key.0).await.map_err(refused)?;
        let known = self.customer(customer).await?;
        if known.default_method().is_none() {
            self.set_default_payment_method(customer, &attached.id, &key.0).await?;
        }
        let default = known.default_method().unwrap_or(&attached.id).to_owned();
        Ok(attached.payment_method(Some(&default)))
    }

    async fn choose_payment_method(
        &self,
        customer: &CustomerId,
        method: &str,
        key: &BillingKey,
    ) -> Result<()> {
        self.require_own_payment_method(customer, method).await?;
        self.set_default_payment_method(customer, method, &key.0).await?;
        let query = Form::new().with("customer", &customer.0).with("status", "open");
        let open: Vec<StripeInvoice> = self.client.list_all("invoices", &query).await?;
        for invoice in open {
            let id = invoice.invoice()?.id;
            let (path, key) = (format!("invoices/{id}/pay"), format!("{}/pay/{id}", key.0));
            // The payment method stays the default even if the bank declines this payment.
            match self.client.post::<StripeInvoice>(&path, &Form::new(), &key).await {
                Err(error)
                    if error.api_error().is_some_and(|api_error| matches!(api_error.status, 400 | 402)) =>
                {
                    tracing::info!(invoice = id, %error, "paying an open invoice failed; invoice stays open");
                }
                outcome => drop(outcome?),
            }
        }
        Ok(())
    }

    async fn detach_payment_method(
        &self,
        customer: &CustomerId,
        method: &str,
        key: &BillingKey,
    ) -> Result<()> {
        self.require_own_payment_method(customer, method).await?;
        let path = format!("payment_methods/{}/detach", path_segment(method));
        self.client.post::<StripeMethod>(&path, &Form::new(), &key.0).await?;
        Ok(())
    }

    async fn subscribe(
        &self,
        customer: &CustomerId,
        desired: &DesiredSubscription,
        key: &BillingKey,
    ) -> Result<Subscription> {
        let mut outcome = Err(ChangeError::Other(Error::unexpected("no idempotency key was tried")));
        for suffix in ["", RETRY_KEY_SUFFIX] {
            let key = BillingKey(format!("{}{suffix}", key.0));
            outcome = self.create_or_update(customer, desired, &key).await;
            if !matches!(&outcome, Err(ChangeError::Stripe(error)) if error.is_replayed_failure()) {
                break;
            }
        }
        let created = match outcome {
            Ok(created) => created,
            Err(ChangeError::Stripe(error)) if error.misses("coupon") => {
                return Err(Error::invalid("coupon", INVALID_COUPON));
            }
            Err(ChangeError::Stripe(error)) => return Err(error.into()),
            Err(ChangeError::Other(error)) => return Err(error),
        };
        created
            .subscription()?
            .ok_or_else(|| Error::unexpected("Stripe returned a subscription without a plan"))
    }

    async fn preview(&self, customer: &CustomerId, desired: &DesiredSubscription) -> Result<Invoice> {
        self.customer(customer).await?;
        let current = self.current_subscription(customer).await?;
        let live = match current {
            Some(current) if current.state()?.is_live() => Some(current),
            _ => None,
        };
        let items = self.desired_items(live.as_ref(), desired).await?;
        let charges_now = !items.keeps_plan
            && live.as_ref().is_some_and(|live: &StripeSubscription| {
                items.amount_per_period() > live.amount_per_period()
            });
        let mut form = Form::new()
            .with("customer", &customer.0)
            .and(items.form("subscription_details[items]"))
            .and(discounts(desired));
        if let Some(live) = &live {
            let behavior = if charges_now { "always_invoice" } else { "create_prorations" };
            form = form
                .with("subscription", &live.id)
                .with("subscription_details[proration_behavior]", behavior);
        }
        self.preview_invoice(&form)
            .await?
            .ok_or_else(|| Error::unexpected("Stripe returned no invoice preview"))
    }

    async fn find_subscription(&self, customer: &CustomerId) -> Result<Option<Subscription>> {
        // A deleted customer still has subscriptions, which are canceled.
        self.customer(customer).await?;
        self.current_subscription(customer).await?.map_or(Ok(None), |found| found.subscription())
    }

    async fn pending_payment(&self, customer: &CustomerId) -> Result<Option<String>> {
        let found = self.current_subscription(customer).await?;
        Ok(match found.and_then(|found| found.latest_invoice) {
            Some(LatestInvoice::Expanded { confirmation_secret }) => {
                confirmation_secret.map(|secret| secret.client_secret)
            }
            _ => None,
        })
    }

    async fn cancel(&self, customer: &CustomerId, at_period_end: bool, key: &BillingKey) -> Result<()> {
        let Some(current) = self.current_subscription(customer).await? else { return Ok(()) };
        let path = format!("subscriptions/{}", current.id);
        if !current.state()?.is_live() || (at_period_end && current.cancel_at_period_end) {
            return Ok(());
        }
        if at_period_end {
            let form = Form::new().with("cancel_at_period_end", true);
            self.client.post::<StripeSubscription>(&path, &form, &format!("{}/end", key.0)).await?;
            return Ok(());
        }
        // The last invoice charges the usage since the previous one, unless the subscription never began; the rest of
        // the paid period is not refunded.
        let has_begun = current.state()? != SubscriptionState::Incomplete;
        let form = Form::new().with("invoice_now", has_begun).with("prorate", false);
        match self.client.delete(&path, &form).await {
            // The subscription has ended meanwhile.
            Err(error) if error.is_missing() => Ok(()),
            outcome => Ok(outcome?),
        }
    }

    async fn list_invoices(
        &self,
        customer: &CustomerId,
        limit: usize,
        mut after: Option<String>,
    ) -> Result<Vec<Invoice>> {
        let mut found = Vec::new();
        while found.len() < limit {
            let page = (limit - found.len()).min(100);
            let mut query = Form::new().with("customer", &customer.0).with("limit", page);
            if let Some(after) = &after {
                query = query.with("starting_after", after);
            }
            let list: List<StripeInvoice> = self.client.get("invoices", &query).await?;
            for invoice in list.data {
                found.push(invoice.invoice()?);
            }
            after = found.last().map(|invoice: &Invoice| invoice.id.clone());
            if !list.has_more {
                break;
            }
        }
        Ok(found)
    }

    async fn find_invoice(&self, customer: &CustomerId, id: &str) -> Result<Option<Invoice>> {
        match self.client.get::<StripeInvoice>(&format!("invoices/{}", path_segment(id)), &Form::new()).await
        {
            Ok(invoice) if invoice.customer == customer.0 => invoice.invoice().map(Some),
            Ok(_) => Ok(None),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn upcoming_invoice(&self, customer: &CustomerId) -> Result<Option<Invoice>> {
        let Some(current) = self.current_subscription(customer).await? else { return Ok(None) };
        if !current.state()?.is_live() || current.cancel_at_period_end {
            return Ok(None);
        }
        let form = Form::new().with("customer", &customer.0).with("subscription", &current.id);
        self.preview_invoice(&form).await
    }

    async fn report_usage(&self, customer: &CustomerId, event: &UsageEvent) -> Result<()> {
        self.report(customer, event).await
    }

    async fn reported_usage(
        &self,
        customer: &CustomerId,
        meter: Meter,
        from: Hour,
        until: Hour,
    ) -> Result<u64> {
        self.reported(customer, meter, from, until).await
    }

    fn webhook_endpoint(&self) -> Option<WebhookEndpoint> {
        Some(Self::WEBHOOKS)
    }

    fn verify_webhook(&self, body: &[u8], signature: &str, now: Timestamp) -> Result<WebhookHint> {
        self.webhook_secrets.verify(body, signature, now)
    }

    fn name(&self) -> &'static str {
        "stripe"
    }
}

impl StripeBilling {
    async fn require_own_payment_method(&self, customer: &CustomerId, method: &str) -> Result<()> {
        let path = format!("customers/{}/payment_methods/{}", customer.0, path_segment(method));
        match self.client.get::<StripeMethod>(&path, &Form::new()).await {
            Err(error) if error.is_missing() => Err(Error::not_found("payment method")),
            outcome => Ok(outcome.map(drop)?),
        }
    }

    /// Returns the invoice that Stripe would create. Changes nothing, so it needs no idempotency key.
    async fn preview_invoice(&self, form: &Form) -> Result<Option<Invoice>> {
        match self.client.post_query::<StripeInvoice>("invoices/create_preview", form).await {
            Ok(invoice) => {
                let invoice = invoice.invoice()?;
                Ok(Some(Invoice { id: String::new(), number: None, pdf_url: None, ..invoice }))
            }
            Err(error)
                if error.api_error().is_some_and(|api_error| api_error.code == "invoice_upcoming_none") =>
            {
                Ok(None)
            }
            Err(error) if error.misses("coupon") => Err(Error::invalid("coupon", INVALID_COUPON)),
            Err(error) => Err(error.into()),
        }
    }
}

/// Returns an id from a caller as one segment of a path, without the characters that could lead to another path.
fn path_segment(name: &str) -> String {
    let safe: String =
        name.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect();
    if safe.is_empty() { "none".to_owned() } else { safe }
}
