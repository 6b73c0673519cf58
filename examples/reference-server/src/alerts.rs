//! Connection to Alertmanager.

use hexabase_core::error::Check;
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use hexabase_k8s::AlertmanagerConfig;

/// Minimum length of the token of webhooks, in bytes.
const MIN_WEBHOOK_TOKEN_BYTES: usize = 16;

/// Connection to Alertmanager, in both directions.
#[derive(Debug, Clone)]
pub(crate) struct AlertConfig {
    /// Alertmanager from which alerts are read; `None` if no alerts are listed.
    pub(crate) alertmanager: Option<AlertmanagerConfig>,
    /// Bearer token of the webhooks of Alertmanager; `None` if none are accepted.
    pub(crate) webhook_token: Option<SecretString>,
}

impl AlertConfig {
    /// Creates the configuration from the values of the options, of which the tokens are those for Alertmanager and of its
    /// webhooks, and records violations.
    pub(crate) fn of(
        url: Option<SecretString>,
        [token, webhook_token]: [Option<SecretString>; 2],
        check: &mut Check,
    ) -> Self {
        if let Some(token) = &webhook_token {
            let is_long = token.expose_secret().len() >= MIN_WEBHOOK_TOKEN_BYTES;
            let message = format!("must have {MIN_WEBHOOK_TOKEN_BYTES} characters or more");
            check.require(is_long, "alertmanager_webhook_token", message);
        }
        let alertmanager = url.map(|url| AlertmanagerConfig { token, ..AlertmanagerConfig::new(url) });
        Self { alertmanager, webhook_token }
    }
}
