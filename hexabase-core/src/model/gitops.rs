use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::{after, truncate_to_microseconds};
use crate::model::{PresetRole, string_enum};
use crate::name::HostNamespace;

/// Lifetime of the token of a GitOps tool.
pub const GITOPS_TOKEN_LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);
/// Time after which the token of a GitOps tool is replaced, at the latest. Four hours are left for a tenant API server that
/// does not respond.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(8 * 60 * 60);
/// Minimum time between two renewals: a tenant API server may issue tokens with a short lifetime.
const MIN_RENEWAL_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// Maximum number of namespaces that an operator allows for GitOps tools.
const MAX_GITOPS_NAMESPACES: usize = 16;

/// GitOps tool of the operator that deploys into tenant clusters from the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GitOpsTool {
    /// Argo CD, to which a cluster Secret registers a tenant cluster.
    ArgoCd,
    /// Flux, which reads a kubeconfig from a Secret.
    Flux,
}

string_enum!(GitOpsTool { ArgoCd = "argocd", Flux = "flux" } else UnknownGitOpsTool = "must be argocd or flux");

/// Access of a GitOps tool to a tenant cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitOpsAccess {
    /// Namespace on the host in which the tool finds its credential.
    pub namespace: HostNamespace,
    /// Role of the tool: a workspace role in the whole cluster, or a project role in every project.
    pub role: PresetRole,
}

/// Tools with access to a tenant cluster.
pub type GitOps = BTreeMap<GitOpsTool, GitOpsAccess>;

/// Credential of a GitOps tool on the host. The token itself is only there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitOpsCredential {
    /// Namespace of the credential on the host.
    pub namespace: HostNamespace,
    /// Time at which the token expires.
    pub expires_at: Timestamp,
    /// Time at which the token is replaced.
    pub renew_at: Timestamp,
}

/// Credentials on the host, by their tools.
pub type GitOpsCredentials = BTreeMap<GitOpsTool, GitOpsCredential>;

impl GitOpsCredential {
    /// Describes a credential whose token was issued just now. `expires_at` is the time that the tenant API server
    /// reported, which is not trusted; `None` if it reported none.
    #[must_use]
    pub fn issued(namespace: HostNamespace, expires_at: Option<Timestamp>, now: Timestamp) -> Self {
        let latest = after(now, GITOPS_TOKEN_LIFETIME);
        let expires_at = expires_at.map_or(latest, |reported| reported.clamp(now, latest));
        let two_thirds = crate::clock::until(now, expires_at) / 3 * 2;
        let renewal = two_thirds.clamp(MIN_RENEWAL_INTERVAL, RENEWAL_INTERVAL);
        Self {
            namespace,
            expires_at: truncate_to_microseconds(expires_at),
            renew_at: truncate_to_microseconds(after(now, renewal)),
        }
    }

    /// Describes a credential that may exist, because access was requested earlier.
    #[must_use]
    pub const fn unknown(namespace: HostNamespace, now: Timestamp) -> Self {
        Self { namespace, expires_at: now, renew_at: now }
    }
}

/// Returns the tools that have no credential in the namespace of their access, or one that is due for renewal.
pub fn due_gitops_tools<'a>(
    desired: &'a GitOps,
    issued: &'a GitOpsCredentials,
    now: Timestamp,
) -> impl Iterator<Item = GitOpsTool> + 'a {
    let is_valid = move |tool: &GitOpsTool, access: &GitOpsAccess| {
        issued.get(tool).is_some_and(|issued| issued.namespace == access.namespace && now < issued.renew_at)
    };
    desired.iter().filter(move |(tool, access)| !is_valid(tool, access)).map(|(tool, _)| *tool)
}

/// Namespaces on host clusters in which the operator allows credentials of GitOps tools. The text form lists them as
/// `TOOL/NAMESPACE`, separated by commas, as in `argocd/argocd,flux/flux-system`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GitOpsNamespaces(BTreeMap<GitOpsTool, BTreeSet<HostNamespace>>);

impl GitOpsNamespaces {
    /// `true` if no namespace is allowed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the allowed namespaces with their tools, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (GitOpsTool, &HostNamespace)> {
        self.0.iter().flat_map(|(tool, namespaces)| namespaces.iter().map(|namespace| (*tool, namespace)))
    }

    /// Returns the allowed namespaces of a tool.
    pub fn of(&self, tool: GitOpsTool) -> impl Iterator<Item = &HostNamespace> {
        self.0.get(&tool).into_iter().flatten()
    }

    /// Checks that a credential of a tool may be in a namespace.
    ///
    /// # Errors
    /// The rule that the namespace violates.
    pub fn check(&self, tool: GitOpsTool, namespace: &HostNamespace) -> Result<(), String> {
        match self.0.get(&tool) {
            None => Err(format!(
                "is not available: the operator allows no namespace for {tool} (gitops_namespaces)"
            )),
            Some(allowed) if allowed.contains(namespace) => Ok(()),
            // Tenants read it: it does not name the namespaces of others.
            Some(_) => Err("must be a namespace that the operator allows".to_owned()),
        }
    }
}

impl fmt::Display for GitOpsNamespaces {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (tool, namespace)) in self.iter().enumerate() {
            let separator = if position == 0 { "" } else { "," };
            write!(out, "{separator}{tool}/{namespace}")?;
        }
        Ok(())
    }
}

impl FromStr for GitOpsNamespaces {
    type Err = &'static str;

    /// # Errors
    /// The required format, if an entry is not a known tool and the name of a namespace for it.
    fn from_str(text: &str) -> Result<Self, &'static str> {
        const RULE: &str = "must be at most 16 entries TOOL/NAMESPACE separated by commas, as in \
             argocd/argocd,flux/flux-system; namespaces of Kubernetes and of workspaces are reserved";
        let mut namespaces: BTreeMap<GitOpsTool, BTreeSet<HostNamespace>> = BTreeMap::new();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let (tool, namespace) = entry.split_once('/').ok_or(RULE)?;
            let tool = tool.parse().map_err(|_| RULE)?;
            let namespace = HostNamespace::parse(namespace).map_err(|_| RULE)?;
            namespaces.entry(tool).or_default().insert(namespace);
        }
        let count: usize = namespaces.values().map(BTreeSet::len).sum();
        if count > MAX_GITOPS_NAMESPACES { Err(RULE) } else { Ok(Self(namespaces)) }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::fixture::FIXTURE_TIME;

    fn namespace(name: &str) -> HostNamespace {
        HostNamespace::parse(name).unwrap()
    }

    fn hours(count: i64) -> Timestamp {
        FIXTURE_TIME + SignedDuration::from_hours(count)
    }

    #[test]
    fn a_token_is_replaced_well_before_it_expires_whatever_the_tenant_reports() {
        let issued = |expires_at| GitOpsCredential::issued(namespace("argocd"), expires_at, FIXTURE_TIME);
        for reported in [None, Some(hours(12)), Some(hours(9_000)), Some(Timestamp::MAX)] {
            let issued = issued(reported);
            assert_eq!((issued.expires_at, issued.renew_at), (hours(12), hours(8)), "{reported:?}");
        }
        assert_eq!(issued(Some(hours(3))).renew_at, hours(2));
        // A tenant API server that issues expired tokens is not asked all the time.
        for reported in [hours(0), hours(-1), Timestamp::MIN] {
            let issued = issued(Some(reported));
            assert_eq!(issued.renew_at, FIXTURE_TIME + SignedDuration::from_mins(5), "{reported}");
        }
    }

    #[test]
    fn a_tool_is_due_without_a_valid_credential_in_its_namespace() {
        let access = GitOpsAccess { namespace: namespace("argocd"), role: PresetRole::ProjectAdmin };
        let desired: GitOps = [(GitOpsTool::ArgoCd, access)].into_iter().collect();
        let due = |issued: &GitOpsCredentials, now| due_gitops_tools(&desired, issued, now).count();
        assert_eq!(due(&GitOpsCredentials::new(), hours(0)), 1);
        let issued = |name, tool| {
            let credential = GitOpsCredential::issued(namespace(name), None, hours(0));
            [(tool, credential)].into_iter().collect::<GitOpsCredentials>()
        };
        let own = issued("argocd", GitOpsTool::ArgoCd);
        assert_eq!((due(&own, hours(7)), due(&own, hours(8))), (0, 1));
        assert_eq!(due(&issued("other", GitOpsTool::ArgoCd), hours(1)), 1);
        assert_eq!(due(&issued("argocd", GitOpsTool::Flux), hours(1)), 1);
        let unknown = GitOpsCredential::unknown(namespace("argocd"), hours(0));
        assert_eq!(due(&[(GitOpsTool::ArgoCd, unknown)].into_iter().collect(), hours(0)), 1);
    }

    #[test]
    fn only_named_namespaces_of_a_tool_are_allowed() {
        let text = "argocd/argo-b,argocd/argocd,flux/flux-system";
        let allowed: GitOpsNamespaces = format!(" {text}, ").parse().unwrap();
        assert_eq!(allowed.to_string(), text);
        let check = |tool, name: &str| allowed.check(tool, &namespace(name));
        assert_eq!(check(GitOpsTool::ArgoCd, "argocd"), Ok(()));
        for (tool, name) in [(GitOpsTool::ArgoCd, "flux-system"), (GitOpsTool::Flux, "argocd")] {
            assert_eq!(check(tool, name), Err("must be a namespace that the operator allows".to_owned()));
        }
        let none = GitOpsNamespaces::default();
        assert!(none.is_empty() && none.check(GitOpsTool::Flux, &namespace("flux-system")).is_err());
        assert_eq!("".parse(), Ok(none));
    }

    #[test]
    fn namespaces_of_kubernetes_and_of_workspaces_are_never_allowed() {
        for hostile in [
            "argocd",
            "argocd/",
            "/argocd",
            "helm/argocd",
            "argocd/kube-system",
            "flux/default",
            "flux/ws-01h455vb4pex5vsknk084sn02q",
            "argocd/argocd/x",
            "argocd/ArgoCD",
            "argocd/a b",
        ] {
            assert!(hostile.parse::<GitOpsNamespaces>().is_err(), "{hostile}");
        }
        let many: Vec<String> = (0..17).map(|number| format!("flux/n{number}")).collect();
        assert!(many.join(",").parse::<GitOpsNamespaces>().is_err());
        assert!(many[..16].join(",").parse::<GitOpsNamespaces>().is_ok());
    }
}
