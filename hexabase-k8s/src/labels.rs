//! Labels and annotations of the objects that Hexabase manages.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde_json::Value;

use crate::config::is_name;
use crate::object::Kind;

/// Field manager of all objects that Hexabase applies.
pub const FIELD_MANAGER: &str = "hexabase";

/// Keys of Hexabase's labels, annotations and taints on host clusters and in tenant clusters, all in one domain. The
/// text form is the domain, as in `hexabase.ai`. Clones share the keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Labels(Arc<Keys>);

impl Labels {
    /// Default domain.
    pub const DEFAULT_DOMAIN: &str = "hexabase.ai";

    /// Domain of the keys.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.0.domain
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self(Arc::new(Keys::in_domain(Self::DEFAULT_DOMAIN)))
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.domain())
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Labels").field(&self.domain()).finish()
    }
}

/// Domains, with their subdomains, of keys that Kubernetes or vCluster writes or interprets.
const FOREIGN_DOMAINS: [&str; 3] = ["k8s.io", "kubernetes.io", "loft.sh"];
/// Maximum length of the domain of a key, in bytes.
const MAX_DOMAIN_LENGTH: usize = 253;

impl FromStr for Labels {
    type Err = &'static str;

    /// # Errors
    /// The required format, if the text is not a DNS subdomain (RFC 1123), or if it belongs to Kubernetes or vCluster.
    fn from_str(text: &str) -> Result<Self, &'static str> {
        let is_subdomain = text.len() <= MAX_DOMAIN_LENGTH && text.split('.').all(is_name);
        let is_within = |domain: &&str| {
            text.strip_suffix(*domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        if !is_subdomain || FOREIGN_DOMAINS.iter().any(is_within) {
            return Err(
                "must be a DNS subdomain of at most 253 characters, as in hexabase.ai, and not one of kubernetes.io, \
                        k8s.io or loft.sh",
            );
        }
        Ok(Self(Arc::new(Keys::in_domain(text))))
    }
}

/// Defines the keys of [`Labels`], by the names of their methods.
macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident = $key:literal;)*) => {
        #[derive(PartialEq, Eq)]
        struct Keys {
            domain: String,
            $($name: String,)*
        }

        impl Keys {
            fn in_domain(domain: &str) -> Self {
                Self { domain: domain.to_owned(), $($name: format!("{domain}/{}", $key),)* }
            }
        }

        impl Labels {
            $($(#[$doc])*
            #[must_use]
            pub fn $name(&self) -> &str {
                &self.0.$name
            })*
        }
    };
}

keys! {
    /// Label of every object that Hexabase created: `"true"`.
    managed = "managed";
    /// Label of every object on a host cluster: organization id as a Kubernetes name.
    organization = "organization-id";
    /// Label of every object on a host cluster: workspace id as a Kubernetes name.
    workspace = "workspace-id";
    /// Label of a namespace on a host cluster: plan id.
    plan = "plan";
    /// Label of every object of a project inside a tenant cluster: project id as a Kubernetes name.
    project = "project-id";
    /// Annotation of a namespace on a host cluster: allowed image sources of its pods, separated by commas. Without it,
    /// all sources are allowed.
    image_sources = "image-sources";
    /// Annotation of a namespace on a host cluster: resources of nodes that its pods may request in addition to CPU, memory
    /// and ephemeral storage, separated by commas.
    extended_resources = "extended-resources";
    /// Annotation of a namespace on a host cluster: required class of its Ingresses. Without it, no Ingress is allowed.
    ingress_class = "ingress-class";
    /// Annotation of a namespace on a host cluster: domain of the hosts of its Ingresses. Without it, no Ingress is
    /// allowed.
    ingress_domain = "ingress-domain";
    /// Annotation of a namespace on a host cluster: domains and keys of labels and annotations that its workloads may have
    /// in addition to the default ones, separated by commas.
    tenant_metadata = "tenant-metadata";
    /// Annotation of Hexabase's namespace on a host cluster: names of the admission policies of the applied host setup,
    /// separated by commas.
    admission_policies = "admission-policies";
    /// Annotation of Hexabase's namespace on a host cluster: digest of the applied host setup.
    setup = "host-setup";
    /// Annotation of Hexabase's namespace on a host cluster: release of Hexabase whose host setup was applied.
    setup_release = "host-setup-release";
    /// Label of a node that an operator dedicates to workspaces: node class. Only nodes with this label are assigned.
    node_class = "node-class";
    /// Label of a node that is assigned to a workspace, in addition to [`workspace`](Self::workspace): node pool id as a Kubernetes name.
    node_pool = "node-pool";
    /// Taint of a node that is assigned to a workspace. It has no value: the scheduler shows taints to everyone whose pods do
    /// not fit, and so does not name the workspace.
    dedicated = "dedicated";
    /// Annotation of a node that is drained before its release: `"true"`.
    releasing = "releasing";
    /// Annotation of the credential of a GitOps tool: digests of what it is for, and of its content.
    credential_state = "credential-state";
    /// Annotation of the credential of a GitOps tool: time at which its token expires (RFC 3339).
    token_expires_at = "token-expires-at";
    /// Annotation of the credential of a GitOps tool: time at which its token is replaced (RFC 3339).
    token_renew_at = "token-renew-at";
    /// Annotation with the display name of an object whose Kubernetes name is an id.
    title = "title";
}

/// ClusterRole of Hexabase's permissions in the namespaces of tenants, if it acts as its own ServiceAccount.
pub(crate) const TENANT_ROLE: &str = "hexabase-tenant";

/// Label of every object of the vCluster chart: name of the virtual cluster.
pub(crate) const RELEASE: &str = "release";
/// Label of pods and other objects that vCluster syncs to the host: name of the virtual cluster. The syncer overwrites
/// a value that the tenant wrote.
pub(crate) const SYNCED_BY: &str = "vcluster.loft.sh/managed-by";
/// Label of pods and other objects that vCluster syncs to the host: their namespace in the tenant cluster. Written by
/// the syncer, like [`SYNCED_BY`].
pub(crate) const SYNCED_FROM: &str = "vcluster.loft.sh/namespace";
/// Annotation of objects that vCluster syncs to the host: their name in the tenant cluster. Unlike [`SYNCED_FROM`], a tenant can
/// choose it for its own pods.
pub(crate) const SYNCED_NAME: &str = "vcluster.loft.sh/object-name";
/// Annotation of a StatefulSet that the vCluster CLI or Hexabase suspended.
pub(crate) const PAUSED: &str = "loft.sh/paused";
/// Annotation of a suspended StatefulSet: its previous number of replicas.
pub(crate) const PAUSED_REPLICAS: &str = "loft.sh/paused-replicas";
/// Annotation of a suspended StatefulSet: time of the suspension.
pub(crate) const PAUSED_DATE: &str = "loft.sh/paused-date";

/// Platform that the API server of a sandbox reports in its version.
pub(crate) const SANDBOX_PLATFORM: &str = "sandbox";

/// Kinds of objects on a host that both Hexabase and a tenant's syncer create.
const SYNCED_KINDS: [Kind; 4] = [Kind::CONFIG_MAP, Kind::SECRET, Kind::SERVICE, Kind::INGRESS];

/// Restricts a selector by Hexabase's labels to the objects that Hexabase created: the syncer copies the labels of a
/// tenant's objects to the host, and then adds [`SYNCED_BY`].
///
/// Kinds that the syncer cannot create are not restricted. It may patch StatefulSets, and would hide its own control
/// plane from Hexabase by the label.
pub(crate) fn own_objects(kind: Kind, selector: &str) -> String {
    match SYNCED_KINDS.contains(&kind) {
        true => format!("{selector},!{SYNCED_BY}"),
        false => selector.to_owned(),
    }
}

/// `true` for an object that a tenant's syncer created on the host.
pub(crate) fn is_synced(kind: Kind, body: &Value) -> bool {
    let labels = body.pointer("/metadata/labels");
    SYNCED_KINDS.contains(&kind) && labels.is_some_and(|labels| labels.get(SYNCED_BY).is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::render::host::{possible_kinds, possible_syncer_rules};

    #[test]
    fn every_kind_that_the_syncer_creates_is_restricted() {
        for kind in possible_kinds() {
            let is_created_by_syncer = possible_syncer_rules().any(|(group, resource, verbs)| {
                group == kind.group && resource == kind.plural && verbs.contains(&"create")
            });
            let selector = own_objects(kind, Labels::default().workspace());
            assert_eq!(selector.ends_with(",!vcluster.loft.sh/managed-by"), is_created_by_syncer, "{kind:?}");
        }
    }

    #[test]
    fn only_objects_with_the_label_of_the_syncer_are_synced() {
        let synced = json!({ "metadata": { "labels": { SYNCED_BY: "" } } });
        assert!(is_synced(Kind::CONFIG_MAP, &synced) && !is_synced(Kind::STATEFUL_SET, &synced));
        assert!(!is_synced(Kind::CONFIG_MAP, &json!({ "metadata": { "labels": { "app": "web" } } })));
        assert!(!is_synced(Kind::CONFIG_MAP, &json!({})));
    }
}
