//! The labels and annotations by which Hexabase knows its own objects.

/// The field manager of everything that Hexabase applies.
pub const FIELD_MANAGER: &str = "hexabase";

/// On every object that Hexabase made: `"true"`.
pub const MANAGED: &str = "hexabase.ai/managed";
/// On every object on a host cluster: the organization, as a Kubernetes name.
pub const ORGANIZATION: &str = "hexabase.ai/organization-id";
/// On every object on a host cluster: the workspace, as a Kubernetes name.
pub const WORKSPACE: &str = "hexabase.ai/workspace-id";
/// On a namespace on a host cluster: the plan.
pub const PLAN: &str = "hexabase.ai/plan";
/// On everything that belongs to a project inside a tenant cluster: the project, as a Kubernetes name.
pub const PROJECT: &str = "hexabase.ai/project-id";
/// On a namespace on a host cluster: where the images of pods in it may come from, separated by commas. Without it they may
/// come from anywhere.
pub const IMAGE_SOURCES: &str = "hexabase.ai/image-sources";
/// On a namespace on a host cluster: the class and the domain of Ingresses in it. Without them there may be none.
pub const INGRESS_CLASS: &str = "hexabase.ai/ingress-class";
/// See [`INGRESS_CLASS`].
pub const INGRESS_DOMAIN: &str = "hexabase.ai/ingress-domain";
/// On Hexabase's own namespace on a host cluster: the guards that came with it, separated by commas.
pub const GUARDS: &str = "hexabase.ai/guards";
/// On Hexabase's own namespace on a host cluster: what identifies all that came with it.
pub const SETUP: &str = "hexabase.ai/host-setup";
/// On a node that an operator has set aside for workspaces: what kind of node it is. Only such nodes are ever given to one.
pub const NODE_CLASS: &str = "hexabase.ai/node-class";
/// On a node that a workspace has to itself, beside [`WORKSPACE`]: the pool, as a Kubernetes name.
pub const NODE_POOL: &str = "hexabase.ai/node-pool";
/// On a node that is being emptied, to be given back: `"true"`.
pub const RELEASING: &str = "hexabase.ai/releasing";
/// The ClusterRole of what Hexabase may do in the namespaces of tenants, where it acts as its own ServiceAccount.
pub(crate) const WITH_TENANTS: &str = "hexabase-tenant";
/// What people call the thing, where its name in Kubernetes is an id.
pub const TITLE: &str = "hexabase.ai/title";

/// On every object of the vCluster chart: the name of the virtual cluster.
pub(crate) const RELEASE: &str = "release";
/// On pods and other objects that vCluster syncs to the host: the name of the virtual cluster. The syncer
/// overwrites whatever the tenant wrote there.
pub(crate) const SYNCED_BY: &str = "vcluster.loft.sh/managed-by";
/// On pods and other objects that vCluster syncs to the host: their namespace in the tenant cluster. Written by the
/// syncer, like [`SYNCED_BY`].
pub(crate) const SYNCED_FROM: &str = "vcluster.loft.sh/namespace";
/// On a StatefulSet that the vCluster CLI, or Hexabase, put to sleep.
pub(crate) const PAUSED: &str = "loft.sh/paused";
/// How many replicas a sleeping StatefulSet had.
pub(crate) const PAUSED_REPLICAS: &str = "loft.sh/paused-replicas";
/// When a StatefulSet was put to sleep.
pub(crate) const PAUSED_DATE: &str = "loft.sh/paused-date";

/// What the API server of a sandbox says that it runs on.
pub(crate) const SANDBOX_PLATFORM: &str = "sandbox";
