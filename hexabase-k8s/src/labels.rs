//! Labels and annotations of the objects that Hexabase manages.

use serde_json::Value;

use crate::object::Kind;

/// Field manager of all objects that Hexabase applies.
pub const FIELD_MANAGER: &str = "hexabase";

/// Label of every object that Hexabase created: `"true"`.
pub const MANAGED: &str = "hexabase.ai/managed";
/// Label of every object on a host cluster: organization id as a Kubernetes name.
pub const ORGANIZATION: &str = "hexabase.ai/organization-id";
/// Label of every object on a host cluster: workspace id as a Kubernetes name.
pub const WORKSPACE: &str = "hexabase.ai/workspace-id";
/// Label of a namespace on a host cluster: plan id.
pub const PLAN: &str = "hexabase.ai/plan";
/// Label of every object of a project inside a tenant cluster: project id as a Kubernetes name.
pub const PROJECT: &str = "hexabase.ai/project-id";
/// Annotation of a namespace on a host cluster: allowed image sources of its pods, separated by commas. Without it,
/// all sources are allowed.
pub const IMAGE_SOURCES: &str = "hexabase.ai/image-sources";
/// Annotation of a namespace on a host cluster: resources of nodes that its pods may request in addition to CPU, memory
/// and ephemeral storage, separated by commas.
pub const EXTENDED_RESOURCES: &str = "hexabase.ai/extended-resources";
/// Annotation of a namespace on a host cluster: required class of its Ingresses. Without it, no Ingress is allowed.
pub const INGRESS_CLASS: &str = "hexabase.ai/ingress-class";
/// Annotation of a namespace on a host cluster: domain of the hosts of its Ingresses. Without it, no Ingress is
/// allowed.
pub const INGRESS_DOMAIN: &str = "hexabase.ai/ingress-domain";
/// Annotation of a namespace on a host cluster: domains and keys of labels and annotations that its workloads may have
/// in addition to the default ones, separated by commas.
pub const TENANT_METADATA: &str = "hexabase.ai/tenant-metadata";
/// Annotation of Hexabase's namespace on a host cluster: names of the admission policies of the applied host setup,
/// separated by commas.
pub const ADMISSION_POLICIES: &str = "hexabase.ai/admission-policies";
/// Annotation of Hexabase's namespace on a host cluster: digest of the applied host setup.
pub const SETUP: &str = "hexabase.ai/host-setup";
/// Annotation of Hexabase's namespace on a host cluster: release of Hexabase whose host setup was applied.
pub const SETUP_RELEASE: &str = "hexabase.ai/host-setup-release";
/// Label of a node that an operator dedicates to workspaces: node class. Only nodes with this label are assigned.
pub const NODE_CLASS: &str = "hexabase.ai/node-class";
/// Label of a node that is assigned to a workspace, in addition to [`WORKSPACE`]: node pool id as a Kubernetes name.
pub const NODE_POOL: &str = "hexabase.ai/node-pool";
/// Taint of a node that is assigned to a workspace. It has no value: the scheduler shows taints to everyone whose pods do
/// not fit, and so does not name the workspace.
pub const DEDICATED: &str = "hexabase.ai/dedicated";
/// Annotation of a node that is drained before its release: `"true"`.
pub const RELEASING: &str = "hexabase.ai/releasing";
/// ClusterRole of Hexabase's permissions in the namespaces of tenants, if it acts as its own ServiceAccount.
pub(crate) const TENANT_ROLE: &str = "hexabase-tenant";
/// Annotation with the display name of an object whose Kubernetes name is an id.
pub const TITLE: &str = "hexabase.ai/title";

/// Label of every object of the vCluster chart: name of the virtual cluster.
pub(crate) const RELEASE: &str = "release";
/// Label of pods and other objects that vCluster syncs to the host: name of the virtual cluster. The syncer overwrites
/// a value that the tenant wrote.
pub(crate) const SYNCED_BY: &str = "vcluster.loft.sh/managed-by";
/// Label of pods and other objects that vCluster syncs to the host: their namespace in the tenant cluster. Written by
/// the syncer, like [`SYNCED_BY`].
pub(crate) const SYNCED_FROM: &str = "vcluster.loft.sh/namespace";
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
            let selector = own_objects(kind, WORKSPACE);
            assert_eq!(selector.ends_with(",!vcluster.loft.sh/managed-by"), is_created_by_syncer, "{kind:?}");
        }
    }

    #[test]
    fn only_objects_with_the_label_of_the_syncer_are_synced() {
        let synced = json!({ "metadata": { "labels": { WORKSPACE: "ws-1", SYNCED_BY: "" } } });
        assert!(is_synced(Kind::CONFIG_MAP, &synced) && !is_synced(Kind::STATEFUL_SET, &synced));
        assert!(!is_synced(Kind::CONFIG_MAP, &json!({ "metadata": { "labels": { WORKSPACE: "ws-1" } } })));
        assert!(!is_synced(Kind::CONFIG_MAP, &json!({})));
    }
}
