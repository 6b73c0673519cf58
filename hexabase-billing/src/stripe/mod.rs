//! Stripe, spoken to by a thin client of our own: the calls that are needed, in one version of the API.

mod catalog;
mod client;
mod objects;
mod parts;
mod problem;
mod provider;
mod subscriptions;
mod usage;
mod webhook;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hexabase_core::billing::{BillingKey, no_payment_method};
use hexabase_core::clock::Clock;
use hexabase_core::error::{Error, Result};
use hexabase_core::model::CustomerId;
use hexabase_core::secret::SecretString;

pub use catalog::CatalogStep;
use client::{Client, Form};
use objects::{StripeCustomer, StripeMethod};
pub use parts::Cost;
use webhook::Secrets;

/// How to speak with Stripe.
#[derive(Debug, Clone)]
pub struct StripeSettings {
    /// The secret key, `sk_…`, or a restricted one.
    pub secret_key: SecretString,
    /// The secrets that webhooks are signed with, `whsec_…`: several while one is replaced.
    pub webhook_secrets: Vec<SecretString>,
    /// Where the API is.
    pub api_base: String,
    /// How long to wait for an answer.
    pub timeout: Duration,
    /// Whether Stripe works out taxes (<https://docs.stripe.com/tax>).
    pub automatic_tax: bool,
}

impl StripeSettings {
    /// Where Stripe's API is.
    pub const API_BASE: &str = "https://api.stripe.com";

    /// With this key, and whatever is usual.
    #[must_use]
    pub fn new(secret_key: SecretString) -> Self {
        Self {
            secret_key,
            webhook_secrets: Vec::new(),
            api_base: Self::API_BASE.to_owned(),
            timeout: Duration::from_secs(20),
            automatic_tax: false,
        }
    }
}

/// Takes money through Stripe. Plans are found among Stripe's prices by their lookup keys; [`Self::plan_catalog`] says
/// what Stripe has to be told for that.
pub struct StripeBilling {
    client: Client,
    secrets: Secrets,
    automatic_tax: bool,
}

impl fmt::Debug for StripeBilling {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("StripeBilling").field("client", &self.client).finish_non_exhaustive()
    }
}

impl StripeBilling {
    /// Speaks with Stripe like this.
    ///
    /// # Errors
    /// `Invalid` for a key that is none.
    pub fn new(settings: &StripeSettings, clock: Arc<dyn Clock>) -> Result<Self> {
        Ok(Self {
            client: Client::new(&settings.secret_key, &settings.api_base, settings.timeout, clock)?,
            secrets: Secrets::new(&settings.webhook_secrets),
            automatic_tax: settings.automatic_tax,
        })
    }

    async fn customer(&self, id: &CustomerId) -> Result<StripeCustomer> {
        let customer: StripeCustomer = self.client.get(&format!("customers/{}", id.0), &Form::new()).await?;
        if customer.deleted { Err(Error::not_found("customer")) } else { Ok(customer) }
    }

    async fn methods(&self, customer: &CustomerId) -> Result<Vec<StripeMethod>> {
        let path = format!("customers/{}/payment_methods", customer.0);
        Ok(self.client.all(&path, &Form::new()).await?)
    }

    async fn make_default(&self, customer: &CustomerId, method: &str, key: &str) -> Result<()> {
        let form = Form::new().with("invoice_settings[default_payment_method]", method);
        let path = format!("customers/{}", customer.0);
        self.client.post::<StripeCustomer>(&path, &form, &format!("{key}/default")).await?;
        Ok(())
    }

    /// Refuses to go on when there is nothing to pay with. What was entered at a hosted page is there without being
    /// the default.
    async fn require_method(&self, customer: &CustomerId, key: &BillingKey) -> Result<()> {
        if self.customer(customer).await?.default_method().is_some() {
            return Ok(());
        }
        let newest = self.methods(customer).await?.into_iter().next().ok_or_else(no_payment_method)?;
        self.make_default(customer, &newest.id, &format!("{}/{}", key.0, newest.id)).await
    }
}
