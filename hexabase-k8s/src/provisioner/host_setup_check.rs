//! Host setup check: compares the setup that the administrator applied to a host with the one that this release needs.
//!
//! Hexabase may not read roles and policies of the host, but namespaces. So the namespace that
//! [`host_setup`](crate::render::host_setup) creates lists the rest of the setup in annotations.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hexabase_core::error::{Error, Result};
use serde_json::Value;
use tokio::time::Instant;

use super::VClusterProvisioner;
use crate::config::{HostConfig, HostIdentity};
use crate::labels::{Labels, SANDBOX_PLATFORM};
use crate::object::Kind;
use crate::render::{INGRESS_POLICY, RELEASE, setup_digest};
use crate::scraping::TenantScraping;

/// Time for which a successful check of the host setup is trusted.
const CHECK_TTL: Duration = Duration::from_secs(60);
/// Returns the command that applies the host setup of this configuration.
pub(super) fn apply_command(config: &HostConfig) -> String {
    let mut options = String::new();
    if let Some(identity) = config.identity.as_ref().filter(|identity| **identity != HostIdentity::default())
    {
        options.push_str(&format!(" --host-service-account {identity}"));
    }
    if config.labels.domain() != Labels::DEFAULT_DOMAIN {
        options.push_str(&format!(" --label-domain {}", config.labels.domain()));
    }
    if config.scraping == TenantScraping::ServiceMonitor {
        options.push_str(&format!(" --scrape-tenants {}", config.scraping));
    }
    if !config.gitops_namespaces.is_empty() {
        options.push_str(&format!(" --gitops-namespaces {}", config.gitops_namespaces));
    }
    if config.policy_reports {
        options.push_str(" --policy-reports kyverno");
    }
    format!("hexabase host-setup{options} | kubectl apply --server-side -f -")
}

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

/// Difference of the applied host setup to the one that is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SetupProblem {
    /// No host setup is applied.
    NotApplied,
    /// The applied one is older, was changed by hand, or is that of another configuration.
    Outdated,
    /// The applied one has this label domain, and another one is configured.
    OtherDomain(String),
}

impl fmt::Display for SetupProblem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotApplied => out.write_str(
                "no host setup is applied to the host cluster, so no admission policy restricts the control planes of \
                 tenants",
            ),
            Self::Outdated => out.write_str(
                "the host setup of the host cluster is older than this release needs, is that of other settings, or was \
                 changed by hand",
            ),
            Self::OtherDomain(applied) => write!(
                out,
                "the host setup of the host cluster has the label domain {applied}, which is not the configured one"
            ),
        }
    }
}

impl SetupProblem {
    /// Returns the next step for the operator of a host with this configuration.
    fn remedy(&self, config: &HostConfig) -> String {
        let command = apply_command(config);
        match self {
            Self::NotApplied | Self::Outdated => format!("run `{command}` there"),
            Self::OtherDomain(applied) => format!(
                "set label_domain to {applied}, because the workspaces of the host are found by it; only if the host has \
                 never had a workspace, run `{command}` there"
            ),
        }
    }
}

/// Host setup that was applied to a host, as its annotations describe it.
#[derive(Debug, Default)]
struct AppliedSetup(Option<Value>);

impl AppliedSetup {
    fn annotation(&self, name: &str) -> Option<&str> {
        self.0.as_ref()?.get(name)?.as_str()
    }

    fn has_policy(&self, name: &str, labels: &Labels) -> bool {
        let policies = self.annotation(labels.admission_policies()).unwrap_or_default();
        policies.split(',').any(|policy| policy == name)
    }

    /// Returns the domain of an annotation with the digest of a host setup that is not in the domain of `labels`.
    fn other_domain(&self, labels: &Labels) -> Option<String> {
        let mut keys = self.0.as_ref()?.as_object()?.keys();
        keys.find_map(|key| {
            let other: Labels = key.split_once('/')?.0.parse().ok()?;
            (key == other.setup() && other != *labels).then(|| other.domain().to_owned())
        })
    }

    /// Returns the reason for which the host must not be used: it has no host setup, one of another label domain, or an
    /// older one than `release`. The setup of a newer release is accepted, because hosts are upgraded before the
    /// processes of Hexabase. Setups of one release differ if they were changed by hand or have other settings, and
    /// during development.
    fn problem(&self, labels: &Labels, release: &str, digest: &str) -> Option<SetupProblem> {
        if let Some(domain) = self.other_domain(labels) {
            return Some(SetupProblem::OtherDomain(domain));
        }
        let Some(applied) = self.annotation(labels.setup()) else { return Some(SetupProblem::NotApplied) };
        let is_newer = self
            .annotation(labels.setup_release())
            .and_then(numbers)
            .zip(numbers(release))
            .is_some_and(|(applied, own)| applied > own);
        (applied != digest && !is_newer).then_some(SetupProblem::Outdated)
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
        let labels = &self.config.labels;
        if self.config.ingress.is_none() || self.applied_setup().await?.has_policy(INGRESS_POLICY, labels) {
            return Ok(());
        }
        let message = format!(
            "tenant_ingress requires the admission policy {INGRESS_POLICY} on the host; run `{}` there, or remove the \
             setting",
            apply_command(&self.config)
        );
        Err(Error::unsupported(message))
    }

    /// Requires the host setup of this release or a newer one, unless the configuration says otherwise. A host setup of
    /// another label domain is never accepted: workspaces of the host would not be found.
    ///
    /// # Errors
    /// `Unsupported` if none, an older or a changed one is applied, or one of another label domain.
    pub(super) async fn require_host_setup(&self) -> Result<()> {
        if self.cache.setup_check.is_recent() {
            return Ok(());
        }
        if let Some(problem) = self.setup_problem().await? {
            let remedy = problem.remedy(&self.config);
            match problem {
                SetupProblem::OtherDomain(_) => {
                    return Err(Error::unsupported(format!("{problem}; {remedy}")));
                }
                SetupProblem::NotApplied | SetupProblem::Outdated if self.config.requires_host_setup => {
                    let message = format!(
                        "{problem}; {remedy}, even if Hexabase acts as an administrator; only for a cluster without \
                         untrusted tenants, set host_setup to optional"
                    );
                    return Err(Error::unsupported(message));
                }
                SetupProblem::NotApplied | SetupProblem::Outdated => {}
            }
        }
        self.cache.setup_check.record();
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
            Ok(Some(problem)) => tracing::warn!("{problem}; {}", problem.remedy(&self.config)),
            Err(error) => tracing::debug!(%error, "checking the host setup failed"),
        }
        self.warn_about_host_network().await;
    }

    /// Returns the reason for which the host should not be used. A sandbox needs no host setup, but no other label domain
    /// either.
    async fn setup_problem(&self) -> Result<Option<SetupProblem>> {
        Ok(match self.applied_setup_problem().await? {
            Some(SetupProblem::NotApplied | SetupProblem::Outdated) if self.is_sandbox().await? => None,
            problem => problem,
        })
    }

    /// Returns the difference of the applied host setup to the one that this release needs, even if the host needs none.
    pub(super) async fn applied_setup_problem(&self) -> Result<Option<SetupProblem>> {
        let digest = setup_digest(&self.config);
        Ok(self.applied_setup().await?.problem(&self.config.labels, RELEASE, &digest))
    }

    /// `true` if the host is a sandbox, which runs no workloads and needs no protection.
    async fn is_sandbox(&self) -> Result<bool> {
        let version = self.host.read("/version").await?;
        Ok(version["platform"] == SANDBOX_PLATFORM)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn applied(digest: &str, release: &str) -> AppliedSetup {
        let labels = Labels::default();
        AppliedSetup(Some(json!({ labels.setup(): digest, labels.setup_release(): release })))
    }

    #[test]
    fn a_missing_older_or_changed_host_setup_is_a_problem() {
        let problem = |setup: &AppliedSetup| setup.problem(&Labels::default(), "0.10.2", "this");
        for setup in [applied("this", "0.10.2"), applied("that", "0.10.3"), applied("that", "1.0.0")] {
            assert_eq!(problem(&setup), None, "{setup:?}");
        }
        for release in ["0.10.2", "0.9.7", "0.10.1", "", "next", "1.0"] {
            assert_eq!(problem(&applied("that", release)), Some(SetupProblem::Outdated), "{release}");
        }
        let without_release = AppliedSetup(Some(json!({ Labels::default().setup(): "that" })));
        assert_eq!(problem(&without_release), Some(SetupProblem::Outdated));
        let foreign = json!({ "a.example/host-setup-release": "1.0.0", "NOT A DOMAIN/host-setup": "this" });
        for setup in [AppliedSetup(None), AppliedSetup(Some(json!({}))), AppliedSetup(Some(foreign))] {
            assert_eq!(problem(&setup), Some(SetupProblem::NotApplied), "{setup:?}");
        }
    }

    #[test]
    fn a_host_setup_of_another_label_domain_is_a_problem_even_next_to_the_own_one() {
        let own: Labels = "k8s.acme.example".parse().unwrap();
        let mut setup = applied("this", "999.0.0");
        let problem = setup.problem(&own, "0.10.2", "this").unwrap();
        assert_eq!(problem, SetupProblem::OtherDomain("hexabase.ai".to_owned()));
        let config = HostConfig { labels: own.clone(), ..HostConfig::default() };
        let remedy = problem.remedy(&config);
        assert!(remedy.contains("set label_domain to hexabase.ai"), "{remedy}");
        assert!(
            remedy.contains("`hexabase host-setup --label-domain k8s.acme.example | kubectl"),
            "{remedy}"
        );
        setup.0.as_mut().unwrap()[own.setup()] = json!("this");
        assert_eq!(setup.problem(&own, "0.10.2", "this"), Some(problem));
    }

    #[test]
    fn the_command_has_the_options_that_change_the_host_setup() {
        let mut config = HostConfig::default();
        let plain = "hexabase host-setup | kubectl apply --server-side -f -";
        assert_eq!(apply_command(&config), plain);
        config.identity = Some(HostIdentity::default());
        assert_eq!(apply_command(&config), plain);
        config.set("host_service_account", "platform/tenants").unwrap();
        config.set("label_domain", "acme.example").unwrap();
        config.set("scrape_tenants", "service-monitor").unwrap();
        let options = "--host-service-account platform/tenants --label-domain acme.example --scrape-tenants service-monitor";
        assert_eq!(apply_command(&config), plain.replace("host-setup", &format!("host-setup {options}")));
    }
}
