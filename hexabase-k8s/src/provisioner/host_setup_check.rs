//! Host setup check: compares the setup that the administrator applied to a host with the one that this release needs.
//!
//! Hexabase may not read roles and policies of the host, but namespaces. So the namespace that
//! [`host_setup`](crate::render::host_setup) creates lists the rest of the setup in annotations.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hexabase_core::error::{Error, Result};
use serde_json::Value;
use tokio::time::Instant;

use super::VClusterProvisioner;
use crate::labels;
use crate::object::Kind;
use crate::render::{INGRESS_POLICY, RELEASE, setup_digest};

/// Time for which a successful check of the host setup is trusted.
const CHECK_TTL: Duration = Duration::from_secs(60);
/// Command that applies the host setup.
const APPLY_COMMAND: &str = "hexabase host-setup | kubectl apply --server-side -f -";

/// Time of the last successful check of the host setup.
#[derive(Debug, Default)]
pub(super) struct LastCheck(Mutex<Option<Instant>>);

impl LastCheck {
    fn is_recent(&self) -> bool {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| last.elapsed() < CHECK_TTL)
    }

    fn record(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

/// Host setup that was applied to a host, as its annotations describe it.
#[derive(Debug, Default)]
struct AppliedSetup(Option<Value>);

impl AppliedSetup {
    fn annotation(&self, name: &str) -> Option<&str> {
        self.0.as_ref()?.get(name)?.as_str()
    }

    fn has_policy(&self, name: &str) -> bool {
        let policies = self.annotation(labels::ADMISSION_POLICIES).unwrap_or_default();
        policies.split(',').any(|policy| policy == name)
    }

    /// Returns the reason for which the host must not be used: it has no host setup, or an older one than `release`.
    /// The setup of a newer release is accepted, because hosts are upgraded before the processes of Hexabase. Setups
    /// of one release differ if they were changed by hand, and during development.
    fn problem(&self, release: &str, digest: &str) -> Option<&'static str> {
        let Some(applied) = self.annotation(labels::SETUP) else {
            return Some(
                "no host setup is applied to the host cluster, so no admission policy restricts the control planes of \
                 tenants",
            );
        };
        let is_newer = self
            .annotation(labels::SETUP_RELEASE)
            .and_then(numbers)
            .zip(numbers(release))
            .is_some_and(|(applied, own)| applied > own);
        (applied != digest && !is_newer).then_some(
            "the host setup of the host cluster is older than this release needs, or was changed by hand",
        )
    }
}

/// Parses the numbers of a release, as `1.2.3`.
fn numbers(release: &str) -> Option<[u64; 3]> {
    let core = release.split(['-', '+']).next()?;
    let parts: Vec<u64> = core.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    parts.try_into().ok()
}

impl VClusterProvisioner {
    /// Returns the host setup as the annotations of Hexabase's namespace on the host describe it.
    async fn applied_setup(&self) -> Result<AppliedSetup> {
        let identity = self.config.identity.clone().unwrap_or_default();
        let namespace = self.host.find(Kind::NAMESPACE, "", &identity.namespace).await?;
        Ok(AppliedSetup(namespace.and_then(|body| body.pointer("/metadata/annotations").cloned())))
    }

    /// Requires the admission policy for Ingresses if tenants may publish Ingresses on the host.
    ///
    /// # Errors
    /// `Unsupported` if the host does not have the policy.
    pub(super) async fn require_ingress_policy(&self) -> Result<()> {
        if self.config.ingress.is_none() || self.applied_setup().await?.has_policy(INGRESS_POLICY) {
            return Ok(());
        }
        let message = format!(
            "tenant_ingress requires the admission policy {INGRESS_POLICY} on the host; run `{APPLY_COMMAND}` there, or \
             remove the setting"
        );
        Err(Error::unsupported(message))
    }

    /// Requires the host setup of this release or a newer one, unless the configuration says otherwise.
    ///
    /// # Errors
    /// `Unsupported` if none, an older or a changed one is applied.
    pub(super) async fn require_host_setup(&self) -> Result<()> {
        if !self.config.requires_host_setup || self.last_setup_check.is_recent() {
            return Ok(());
        }
        if let Some(problem) = self.setup_problem().await? {
            let message = format!(
                "{problem}; run `{APPLY_COMMAND}` there, even if Hexabase acts as an administrator; only for a cluster \
                 without untrusted tenants, set host_setup to optional"
            );
            return Err(Error::unsupported(message));
        }
        self.last_setup_check.record();
        Ok(())
    }

    /// Logs a warning if the host setup is missing, older or changed, and for unknown ranges of the host.
    pub(super) async fn warn_about_host(&self) {
        match self.is_sandbox().await {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => tracing::debug!(%error, "reading the version of the host failed"),
        }
        match self.setup_problem().await {
            Ok(None) => {}
            Ok(Some(problem)) => tracing::warn!("{problem}; run `{APPLY_COMMAND}` there"),
            Err(error) => tracing::debug!(%error, "checking the host setup failed"),
        }
        self.warn_about_host_network().await;
    }

    /// Returns the reason for which the host should not be used.
    async fn setup_problem(&self) -> Result<Option<&'static str>> {
        let problem = self.applied_setup_problem().await?;
        Ok(if problem.is_some() && self.is_sandbox().await? { None } else { problem })
    }

    /// Returns the difference of the applied host setup to the one that this release needs, even if the host needs none.
    pub(super) async fn applied_setup_problem(&self) -> Result<Option<&'static str>> {
        let digest = setup_digest(&self.config.identity.clone().unwrap_or_default());
        Ok(self.applied_setup().await?.problem(RELEASE, &digest))
    }

    /// `true` if the host is a sandbox, which runs no workloads and needs no protection.
    async fn is_sandbox(&self) -> Result<bool> {
        let version = self.host.read("/version").await?;
        Ok(version["platform"] == labels::SANDBOX_PLATFORM)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn applied(digest: &str, release: &str) -> AppliedSetup {
        AppliedSetup(Some(json!({ labels::SETUP: digest, labels::SETUP_RELEASE: release })))
    }

    #[test]
    fn a_missing_older_or_changed_host_setup_is_a_problem() {
        let problem = |setup: &AppliedSetup| setup.problem("0.10.2", "this");
        for setup in [applied("this", "0.10.2"), applied("that", "0.10.3"), applied("that", "1.0.0")] {
            assert_eq!(problem(&setup), None, "{setup:?}");
        }
        for release in ["0.10.2", "0.9.7", "0.10.1", "", "next", "1.0"] {
            assert!(problem(&applied("that", release)).unwrap().contains("older"), "{release}");
        }
        let without_release = AppliedSetup(Some(json!({ labels::SETUP: "that" })));
        assert!(problem(&without_release).unwrap().contains("older"));
        for setup in [AppliedSetup(None), AppliedSetup(Some(json!({})))] {
            assert!(problem(&setup).unwrap().contains("no host setup"));
        }
    }
}
