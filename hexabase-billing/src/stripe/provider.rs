use async_trait::async_trait;
use hexabase_core::billing::{
    BillingKey, BillingProvider, Invoice, NewCustomer, PaymentMethod, SetupIntent, UsageEvent, Wanted,
    WebhookHint,
};
use hexabase_core::error::{Error, Result};
use hexabase_core::model::{CustomerId, Hour, Meter, Subscription};
use jiff::Timestamp;

use super::StripeBilling;
use super::client::{AGAIN, Form, List};
use super::objects::{
    LatestInvoice, Made, ORGANIZATION, StripeCustomer, StripeInvoice, StripeMethod, StripeSubscription,
};
use super::problem::Problem;
use super::subscriptions::{Failure, discounts};

#[async_trait]
impl BillingProvider for StripeBilling {
    async fn ensure_customer(&self, customer: &NewCustomer, key: &BillingKey) -> Result<CustomerId> {
        let id = customer.organization_id.to_string();
        let mut form = Form::new();
        if let Some(email) = &customer.email {
            form = form.with("email", email);
            // Keys are forgotten after a day; what has our name on it is not.
            let known: Vec<StripeCustomer> = self.client.all("customers", &form).await?;
            let ours = |known: &StripeCustomer| known.metadata.get(ORGANIZATION) == Some(&id);
            if let Some(known) = known.into_iter().find(ours) {
                return Ok(CustomerId(known.id));
            }
        }
        let form = form.with("name", &customer.name).with(format!("metadata[{ORGANIZATION}]"), &id);
        let made: StripeCustomer = self.client.post("customers", &form, &key.0).await?;
        Ok(CustomerId(made.id))
    }

    async fn checkout_url(&self, customer: &CustomerId, return_to: &str, key: &BillingKey) -> Result<String> {
        let form = Form::new()
            .with("mode", "setup")
            .with("payment_method_types[0]", "card")
            .with("customer", &customer.0)
            .with("success_url", return_to)
            .with("cancel_url", return_to);
        let made: Made = self.client.post("checkout/sessions", &form, &key.0).await?;
        made.url.ok_or_else(|| Error::unexpected("Stripe has made a page that has no address"))
    }

    async fn portal_url(&self, customer: &CustomerId, return_to: &str, key: &BillingKey) -> Result<String> {
        let form = Form::new().with("customer", &customer.0).with("return_url", return_to);
        let made: Made = self.client.post("billing_portal/sessions", &form, &key.0).await?;
        made.url.ok_or_else(|| Error::unexpected("Stripe has made a page that has no address"))
    }

    async fn setup_intent(&self, customer: &CustomerId, key: &BillingKey) -> Result<SetupIntent> {
        let form = Form::new().with("customer", &customer.0).with("usage", "off_session");
        let made: Made = self.client.post("setup_intents", &form, &key.0).await?;
        let client_secret = made.client_secret.unwrap_or_default();
        Ok(SetupIntent { id: made.id, client_secret })
    }

    async fn list_payment_methods(&self, customer: &CustomerId) -> Result<Vec<PaymentMethod>> {
        let known = self.customer(customer).await?;
        let methods = self.methods(customer).await?.into_iter();
        let mut methods: Vec<PaymentMethod> =
            methods.map(|method| method.payment_method(known.default_method())).collect();
        methods.sort_by_key(|method| !method.is_default);
        Ok(methods)
    }

    async fn attach_payment_method(
        &self,
        customer: &CustomerId,
        method: &str,
        key: &BillingKey,
    ) -> Result<PaymentMethod> {
        let refused = |problem: Problem| match problem.refusal() {
            Some(refusal) if matches!(refusal.status, 400 | 402 | 404) && !problem.misses("customer") => {
                Error::invalid("payment_method", format!("cannot be used: {}", refusal.message))
            }
            _ => problem.into(),
        };
        let path = format!("payment_methods/{}/attach", segment(method));
        let form = Form::new().with("customer", &customer.0);
        let attached: StripeMethod = self.client.post(&path, &form, &key.0).await.map_err(refused)?;
        let known = self.customer(customer).await?;
        if known.default_method().is_none() {
            self.make_default(customer, &attached.id, &key.0).await?;
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
        self.own_method(customer, method).await?;
        self.make_default(customer, method, &key.0).await?;
        let query = Form::new().with("customer", &customer.0).with("status", "open");
        let open: Vec<StripeInvoice> = self.client.all("invoices", &query).await?;
        for invoice in open {
            let id = invoice.invoice()?.id;
            let (path, key) = (format!("invoices/{id}/pay"), format!("{}/pay/{id}", key.0));
            // A bank that refuses does not keep it from being the default.
            match self.client.post::<StripeInvoice>(&path, &Form::new(), &key).await {
                Err(problem)
                    if problem.refusal().is_some_and(|refusal| matches!(refusal.status, 400 | 402)) =>
                {
                    tracing::info!(invoice = id, error = %problem, "an open invoice could not be paid");
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
        self.own_method(customer, method).await?;
        let path = format!("payment_methods/{}/detach", segment(method));
        self.client.post::<StripeMethod>(&path, &Form::new(), &key.0).await?;
        Ok(())
    }

    async fn subscribe(
        &self,
        customer: &CustomerId,
        wanted: &Wanted,
        key: &BillingKey,
    ) -> Result<Subscription> {
        let mut outcome = Err(Failure::Other(Error::unexpected("no key was tried")));
        for suffix in ["", AGAIN] {
            let key = BillingKey(format!("{}{suffix}", key.0));
            outcome = self.settle(customer, wanted, &key).await;
            if !matches!(&outcome, Err(Failure::Stripe(problem)) if problem.is_stuck()) {
                break;
            }
        }
        let made = match outcome {
            Ok(made) => made,
            Err(Failure::Stripe(problem)) if problem.misses("coupon") => {
                return Err(Error::invalid(
                    "coupon",
                    "there is no such coupon, or it cannot be redeemed any more",
                ));
            }
            Err(Failure::Stripe(problem)) => return Err(problem.into()),
            Err(Failure::Other(error)) => return Err(error),
        };
        made.subscription()?.ok_or_else(|| Error::unexpected("Stripe has made a subscription for no plan"))
    }

    async fn preview(&self, customer: &CustomerId, wanted: &Wanted) -> Result<Invoice> {
        self.customer(customer).await?;
        let current = self.newest(customer).await?;
        let live = match current {
            Some(current) if current.state()?.is_live() => Some(current),
            _ => None,
        };
        let parts = self.prices_of(live.as_ref(), wanted).await?;
        let at_once = !parts.stays
            && live.as_ref().is_some_and(|live: &StripeSubscription| parts.per_period() > live.per_period());
        let mut form = Form::new()
            .with("customer", &customer.0)
            .and(parts.form("subscription_details[items]"))
            .and(discounts(wanted));
        if let Some(live) = &live {
            let behavior = if at_once { "always_invoice" } else { "create_prorations" };
            form = form
                .with("subscription", &live.id)
                .with("subscription_details[proration_behavior]", behavior);
        }
        self.foresee(&form).await?.ok_or_else(|| Error::unexpected("Stripe foresees no invoice"))
    }

    async fn find_subscription(&self, customer: &CustomerId) -> Result<Option<Subscription>> {
        // Whoever was removed still has subscriptions, which are over.
        self.customer(customer).await?;
        self.newest(customer).await?.map_or(Ok(None), |found| found.subscription())
    }

    async fn pending_payment(&self, customer: &CustomerId) -> Result<Option<String>> {
        let found = self.newest(customer).await?;
        Ok(match found.and_then(|found| found.latest_invoice) {
            Some(LatestInvoice::Whole { confirmation_secret }) => {
                confirmation_secret.map(|secret| secret.client_secret)
            }
            _ => None,
        })
    }

    async fn cancel(&self, customer: &CustomerId, at_period_end: bool, key: &BillingKey) -> Result<()> {
        let Some(current) = self.newest(customer).await? else { return Ok(()) };
        let path = format!("subscriptions/{}", current.id);
        if !current.state()?.is_live() || (at_period_end && current.cancel_at_period_end) {
            return Ok(());
        }
        if at_period_end {
            let form = Form::new().with("cancel_at_period_end", true);
            self.client.post::<StripeSubscription>(&path, &form, &format!("{}/end", key.0)).await?;
            return Ok(());
        }
        match self.client.delete(&path).await {
            // It has ended meanwhile.
            Err(problem) if problem.is_missing() => Ok(()),
            outcome => Ok(outcome?),
        }
    }

    async fn list_invoices(
        &self,
        customer: &CustomerId,
        limit: usize,
        after: Option<&str>,
    ) -> Result<Vec<Invoice>> {
        let mut found = Vec::new();
        let mut after = after.map(str::to_owned);
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
        match self.client.get::<StripeInvoice>(&format!("invoices/{}", segment(id)), &Form::new()).await {
            Ok(invoice) if invoice.customer == customer.0 => invoice.invoice().map(Some),
            Ok(_) => Ok(None),
            Err(problem) if problem.is_missing() => Ok(None),
            Err(problem) => Err(problem.into()),
        }
    }

    async fn upcoming_invoice(&self, customer: &CustomerId) -> Result<Option<Invoice>> {
        let Some(current) = self.newest(customer).await? else { return Ok(None) };
        if !current.state()?.is_live() || current.cancel_at_period_end {
            return Ok(None);
        }
        let form = Form::new().with("customer", &customer.0).with("subscription", &current.id);
        self.foresee(&form).await
    }

    async fn report_usage(&self, customer: &CustomerId, event: &UsageEvent) -> Result<()> {
        self.tell(customer, event).await
    }

    async fn reported_usage(
        &self,
        customer: &CustomerId,
        meter: Meter,
        from: Hour,
        until: Hour,
    ) -> Result<u64> {
        self.told(customer, meter, from, until).await
    }

    fn verify_webhook(&self, body: &[u8], signature: &str, now: Timestamp) -> Result<WebhookHint> {
        self.secrets.verify(body, signature, now)
    }

    fn name(&self) -> &'static str {
        "stripe"
    }
}

impl StripeBilling {
    async fn own_method(&self, customer: &CustomerId, method: &str) -> Result<()> {
        let path = format!("customers/{}/payment_methods/{}", customer.0, segment(method));
        match self.client.get::<StripeMethod>(&path, &Form::new()).await {
            Err(problem) if problem.is_missing() => Err(Error::not_found("payment method")),
            outcome => Ok(outcome.map(drop)?),
        }
    }

    /// The invoice that would be made. Nothing comes of it, so that it needs no key.
    async fn foresee(&self, form: &Form) -> Result<Option<Invoice>> {
        match self.client.ask::<StripeInvoice>("invoices/create_preview", form).await {
            Ok(invoice) => {
                let invoice = invoice.invoice()?;
                Ok(Some(Invoice { id: String::new(), number: None, pdf_url: None, ..invoice }))
            }
            Err(problem)
                if problem.refusal().is_some_and(|refusal| refusal.code == "invoice_upcoming_none") =>
            {
                Ok(None)
            }
            Err(problem) if problem.misses("coupon") => {
                Err(Error::invalid("coupon", "there is no such coupon, or it cannot be redeemed any more"))
            }
            Err(problem) => Err(problem.into()),
        }
    }
}

/// A name from outside as one segment of a path: whatever could lead elsewhere is taken out.
fn segment(name: &str) -> String {
    let kept: String =
        name.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect();
    if kept.is_empty() { "none".to_owned() } else { kept }
}
