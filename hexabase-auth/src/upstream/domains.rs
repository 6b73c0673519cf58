//! Letting in only the people of some domains.

use std::sync::Arc;

use async_trait::async_trait;
use hexabase_core::error::{Error, Result};
use hexabase_core::identity::{AuthorizationRequest, CodeExchange, ExternalIdentity, IdentityProvider};
use hexabase_core::name::{Email, ProviderName};

/// A provider of whose people only those are let in whose verified address is in one of some domains.
#[derive(Debug)]
pub struct AllowedDomains {
    provider: Arc<dyn IdentityProvider>,
    domains: Vec<String>,
}

impl AllowedDomains {
    /// Lets in people of these domains, such as `example.com`. What is below a domain is another one.
    #[must_use]
    pub fn new(provider: Arc<dyn IdentityProvider>, domains: &[String]) -> Self {
        let domains = domains.iter().map(|domain| domain.to_ascii_lowercase()).collect();
        Self { provider, domains }
    }

    fn admits(&self, address: &Email) -> bool {
        let domain = address.as_str().rsplit_once('@').map(|(_, domain)| domain.to_ascii_lowercase());
        domain.is_some_and(|domain| self.domains.contains(&domain))
    }
}

#[async_trait]
impl IdentityProvider for AllowedDomains {
    fn name(&self) -> &ProviderName {
        self.provider.name()
    }

    fn title(&self) -> &str {
        self.provider.title()
    }

    async fn authorization_url(&self, request: &AuthorizationRequest) -> Result<String> {
        self.provider.authorization_url(request).await
    }

    async fn exchange(&self, code: &CodeExchange) -> Result<ExternalIdentity> {
        let who = self.provider.exchange(code).await?;
        if who.verified_email.as_ref().is_some_and(|address| self.admits(address)) {
            return Ok(who);
        }
        let message = format!(
            "only people with a verified address in {} can sign in here with {}",
            self.domains.join(", "),
            self.title()
        );
        Err(Error::forbidden(message))
    }
}
