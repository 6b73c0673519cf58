//! Stripe billing provider, with a thin client for the required calls in one version of the API.

mod catalog;
mod client;
mod components;
mod error;
mod objects;
mod provider;
mod subscriptions;
mod usage;
mod webhook;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hexabase_core::billing::{BillingKey, WebhookEndpoint, no_payment_method};
use hexabase_core::clock::Clock;
use hexabase_core::error::{Error, Result};
use hexabase_core::model::CustomerId;
use hexabase_core::secret::SecretString;

pub use catalog::CatalogStep;
pub use client::METRIC_SERIES;
use client::{Client, Form};
pub use components::Cost;
use objects::{StripeCustomer, StripeMethod};
use webhook::WebhookSecrets;

/// Configuration of a [`StripeBilling`].
#[derive(Debug, Clone)]
pub struct StripeConfig {
    /// Secret API key, `sk_…`, or a restricted one.
    pub secret_key: SecretString,
    /// Signing secrets of webhooks, `whsec_…`; several during a rotation.
    pub webhook_secrets: Vec<SecretString>,
    /// Base URL of the API.
    pub api_base: String,
    /// Maximum wait for a response.
    pub timeout: Duration,
    /// `true` if Stripe calculates taxes (<https://docs.stripe.com/tax>).
    pub automatic_tax: bool,
}

impl StripeConfig {
    /// Base URL of Stripe's API.
    pub const API_BASE: &str = "https://api.stripe.com";

    /// Returns the default configuration with an API key: no webhook secrets, timeout 20 seconds, no tax calculation.
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

/// [`BillingProvider`](hexabase_core::billing::BillingProvider) that charges through Stripe. It finds the prices of a
/// plan by their lookup keys; [`Self::plan_catalog`] returns the steps that create them.
pub struct StripeBilling {
    client: Client,
    webhook_secrets: WebhookSecrets,
    automatic_tax: bool,
}

impl fmt::Debug for StripeBilling {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("StripeBilling").field("client", &self.client).finish_non_exhaustive()
    }
}

impl StripeBilling {
    /// Location of Stripe's webhooks, and the header with their signature
    /// (<https://docs.stripe.com/webhooks/signature>).
    pub const WEBHOOKS: WebhookEndpoint =
        WebhookEndpoint::from_static("/webhooks/stripe", "stripe-signature");

    /// Creates a provider.
    ///
    /// # Errors
    /// `Invalid` for an API key that no HTTP header can contain.
    pub fn new(config: &StripeConfig, clock: Arc<dyn Clock>) -> Result<Self> {
        Ok(Self {
            client: Client::new(&config.secret_key, &config.api_base, config.timeout, clock)?,
            webhook_secrets: WebhookSecrets::new(&config.webhook_secrets),
            automatic_tax: config.automatic_tax,
        })
    }

    async fn customer(&self, id: &CustomerId) -> Result<StripeCustomer> {
        let customer: StripeCustomer = self.client.get(&format!("customers/{}", id.0), &Form::new()).await?;
        if customer.deleted { Err(Error::not_found("customer")) } else { Ok(customer) }
    }

    async fn payment_methods(&self, customer: &CustomerId) -> Result<Vec<StripeMethod>> {
        let path = format!("customers/{}/payment_methods", customer.0);
        Ok(self.client.list_all(&path, &Form::new()).await?)
    }

    async fn set_default_payment_method(&self, customer: &CustomerId, method: &str, key: &str) -> Result<()> {
        let form = Form::new().with("invoice_settings[default_payment_method]", method);
        let path = format!("customers/{}", customer.0);
        self.client.post::<StripeCustomer>(&path, &form, &format!("{key}/default")).await?;
        Ok(())
    }

    /// Fails with `no_payment_method` if the customer has no payment method. A method entered on a hosted page is
    /// attached without being the default; the newest one becomes the default.
    async fn require_payment_method(&self, customer: &CustomerId, key: &BillingKey) -> Result<()> {
        if self.customer(customer).await?.default_method().is_some() {
            return Ok(());
        }
        let newest =
            self.payment_methods(customer).await?.into_iter().next().ok_or_else(no_payment_method)?;
        self.set_default_payment_method(customer, &newest.id, &format!("{}/{}", key.0, newest.id)).await
    }
}
