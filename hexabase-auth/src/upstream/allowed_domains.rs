//! Allowed domains: restricts an identity provider to users with addresses in some domains.

use std::sync::Arc;

use async_trait::async_trait;
use hexabase_core::error::{Error, Result};
use hexabase_core::identity::{AuthorizationRequest, CodeExchange, ExternalIdentity, IdentityProvider};
use hexabase_core::name::{Email, ProviderName};

/// Identity provider that admits only users with a verified address in one of the allowed domains.
#[derive(Debug)]
pub struct AllowedDomains {
    provider: Arc<dyn IdentityProvider>,
    domains: Vec<String>,
}

impl AllowedDomains {
    /// Restricts a provider to these domains, such as `example.com`. Subdomains are not included.
    #[must_use]
    pub fn new(provider: Arc<dyn IdentityProvider>, domains: &[String]) -> Self {
        let domains = domains.iter().map(|domain| domain.to_ascii_lowercase()).collect();
        Self { provider, domains }
    }

    fn allows(&self, address: &Email) -> bool {
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
        let identity = self.provider.exchange(code).await?;
        if identity.verified_email.as_ref().is_some_and(|address| self.allows(address)) {
            return Ok(identity);
        }
        let message = format!(
            "only users with a verified address in {} can sign in with {}",
            self.domains.join(", "),
            self.title()
        );
        Err(Error::forbidden(message))
    }
}
