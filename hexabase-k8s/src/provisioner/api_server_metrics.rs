//! Metrics of a tenant API server, read with the token that may read metrics and nothing else.

use hexabase_core::desired::TenantTarget;
use hexabase_core::error::{Error, Result};
use hexabase_core::secret::SecretString;
use serde_json::{Value, json};

use super::{Namespace, VClusterProvisioner, decoded};
use crate::api_server::{ApiServer, RequestLimits};
use crate::object::Kind;
use crate::render::host::{TOKEN_KEY, metrics_token_name};
use crate::scraped_series::ScrapedSeries;
use crate::scraping::TenantScraping;

/// Key of the certificate authority in the Secret with the operator's kubeconfig.
const AUTHORITY_KEY: &str = "certificate-authority";

/// Kubeconfig with a token only. The connector chooses the address.
fn kubeconfig(token: &str, authority: Option<&Value>) -> SecretString {
    let mut cluster = json!({ "server": "https://kubernetes.default.svc" });
    if let Some(authority) = authority {
        cluster["certificate-authority-data"] = authority.clone();
    }
    let name = "metrics";
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": name, "cluster": cluster }],
        "users": [{ "name": name, "user": { "token": token } }],
        "contexts": [{ "name": name, "context": { "cluster": name, "user": name } }],
        "current-context": name,
    })
    .to_string()
    .into()
}

impl VClusterProvisioner {
    /// Reads the series that are kept. A client whose read failed is created again for the next one: the token or the
    /// certificate authority may have changed.
    pub(super) async fn read_api_server_metrics(&self, target: &TenantTarget) -> Result<String> {
        // With a ServiceMonitor, each request would be counted by two scrapers.
        if self.config.scraping != TenantScraping::Token {
            let message =
                "metrics of tenant API servers are not read on this host; set scrape_tenants to token";
            return Err(Error::unsupported(message));
        }
        let client = match self.cache.metrics_client(&target.name) {
            Some(client) => client,
            None => {
                let client = self.connect_for_metrics(target).await?;
                self.cache.insert_metrics_client(&target.name, &client);
                client
            }
        };
        let mut series = ScrapedSeries::default();
        match client.read_in_chunks("/metrics", |chunk| series.add(chunk)).await {
            Ok(()) => Ok(series.finish()),
            Err(error) => {
                self.cache.remove_metrics_client(&target.name);
                Err(error)
            }
        }
    }

    /// Creates a client with the token, without the administrator's certificate.
    async fn connect_for_metrics(&self, target: &TenantTarget) -> Result<ApiServer> {
        let name = &target.name;
        if self.namespace(target).await? != Namespace::Owned {
            return Err(Error::not_found("cluster"));
        }
        let secret = self.host.find(Kind::SECRET, name, &metrics_token_name(name)).await?;
        let token = secret.as_ref().and_then(|secret| decoded(secret, TOKEN_KEY));
        let token = token.ok_or_else(|| Error::not_found("token for metrics"))?;
        let secret = self.host.find(Kind::SECRET, name, &format!("vc-{name}")).await?;
        let authority = secret.as_ref().and_then(|secret| secret.pointer("/data")?.get(AUTHORITY_KEY));
        let client = self.connector.connect(target, &kubeconfig(&token, authority)).await?;
        Ok(ApiServer::new(client, RequestLimits::METRICS, 1))
    }
}
