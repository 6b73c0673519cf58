//! Access of GitOps tools to a tenant cluster: a ServiceAccount per tool, bound to the role that the tenant chose.
//!
//! The ServiceAccounts are in a namespace of their own: the admission policy exempts those of `kube-system`, and users of
//! projects must not create pods with them.

use hexabase_core::desired::TenantCluster;
use hexabase_core::model::{GitOpsAccess, GitOpsTool};
use serde_json::{Value, json};

use super::{RBAC, metadata};
use crate::config::HostConfig;
use crate::object::{Kind, Object, ObjectKey};

/// Namespace of the ServiceAccounts. No project can have its name.
pub(crate) const GITOPS_NAMESPACE: &str = "hexabase-gitops";

/// Name of the ServiceAccount of a tool.
pub(crate) const fn account_of(tool: GitOpsTool) -> &'static str {
    tool.as_str()
}

/// Key of the ServiceAccount of a tool.
pub(crate) fn account_key(tool: GitOpsTool) -> ObjectKey {
    let (kind, namespace) = (Kind::SERVICE_ACCOUNT, GITOPS_NAMESPACE.to_owned());
    ObjectKey { kind, namespace, name: account_of(tool).to_owned() }
}

/// Returns the namespace, and the ServiceAccounts with their bindings, of the tools that the host allows.
pub(super) fn objects(cluster: &TenantCluster, config: &HostConfig) -> Vec<Object> {
    let allowed: Vec<(GitOpsTool, &GitOpsAccess)> = allowed_tools(cluster, config).collect();
    if allowed.is_empty() {
        return Vec::new();
    }
    let keys = &config.labels;
    let labels = json!({
        keys.managed(): "true",
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/warn": "restricted",
    });
    let namespace = json!({ "metadata": { "name": GITOPS_NAMESPACE, "labels": labels } });
    let mut objects = vec![Object::new(Kind::NAMESPACE, namespace)];
    for (tool, access) in allowed {
        let mut of_account = metadata(keys, account_of(tool), None, None);
        of_account["namespace"] = json!(GITOPS_NAMESPACE);
        let unmounted = ("automountServiceAccountToken", json!(false));
        objects.push(Object::of(Kind::SERVICE_ACCOUNT, of_account, [unmounted]));
        objects.extend(bindings(cluster, config, tool, access));
    }
    objects
}

/// Returns the tools with access whose namespace the host allows.
pub(crate) fn allowed_tools<'a>(
    cluster: &'a TenantCluster,
    config: &'a HostConfig,
) -> impl Iterator<Item = (GitOpsTool, &'a GitOpsAccess)> {
    let is_allowed = |(tool, access): &(&GitOpsTool, &GitOpsAccess)| {
        config.gitops_namespaces.check(**tool, &access.namespace).is_ok()
    };
    cluster.gitops.iter().filter(is_allowed).map(|(tool, access)| (*tool, access))
}

/// Returns the binding of a workspace role, or one per project of a project role. Its name contains the role: that of an
/// existing binding cannot be changed.
fn bindings(
    cluster: &TenantCluster,
    config: &HostConfig,
    tool: GitOpsTool,
    access: &GitOpsAccess,
) -> Vec<Object> {
    let role = access.role.as_str().trim_start_matches("hexabase:");
    let (keys, name) = (&config.labels, format!("hexabase-gitops-{tool}-{role}"));
    let content = || -> [(&'static str, Value); 2] {
        let subject =
            json!({ "kind": "ServiceAccount", "name": account_of(tool), "namespace": GITOPS_NAMESPACE });
        [
            ("roleRef", json!({ "apiGroup": RBAC, "kind": "ClusterRole", "name": access.role.as_str() })),
            ("subjects", json!([subject])),
        ]
    };
    if access.role.is_for_workspace() {
        return vec![Object::of(Kind::CLUSTER_ROLE_BINDING, metadata(keys, &name, None, None), content())];
    }
    let in_project =
        |project| Object::of(Kind::ROLE_BINDING, metadata(keys, &name, Some(project), None), content());
    cluster.projects.iter().map(in_project).collect()
}
