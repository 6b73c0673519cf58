use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::string_enum;

/// What a reconcile waits for. There is no other reason for a reconcile to end before the desired state is reached,
/// except failures. The order is that of cause and effect: a pod whose volume is missing makes other pods crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WaitReason {
    /// The deletion of the workspace's namespace on the host.
    NamespaceTerminating,
    /// The permissions of Hexabase in the namespace of the workspace.
    PermissionsPending,
    /// The creation of the control plane.
    ControlPlaneMissing,
    /// The creation of a pod by the host.
    PodMissing,
    /// The volume of a pod.
    VolumePending,
    /// A node that accepts a pod.
    NodePending,
    /// The image of a pod.
    ImagePending,
    /// An object that a pod refers to.
    ObjectPending,
    /// The end of repeated crashes of a pod.
    PodCrashing,
    /// The start of a pod.
    PodStarting,
    /// The replacement of the control plane's pods.
    RollingOut,
    /// The kubeconfig that the control plane writes.
    KubeconfigPending,
    /// The controllers of the tenant cluster.
    ControllersStarting,
    /// The API server of the tenant cluster.
    ApiServerStarting,
    /// The address of the load balancer.
    LoadBalancerPending,
    /// The objects inside the tenant cluster.
    TenantNotApplied,
    /// The deletion of an earlier namespace with the name of a project.
    ProjectNamespaceTerminating,
    /// Free nodes for a node pool.
    NoFreeNodes,
    /// The release of nodes.
    ReleasingNodes,
    /// Changes of nodes that conflicted with others.
    ChangingNodes,
    /// The end of the control plane and of the workloads.
    Stopping,
    /// The deletion of the cluster.
    Deleting,
}

string_enum!(WaitReason {
    NamespaceTerminating = "NamespaceTerminating",
    PermissionsPending = "PermissionsPending",
    ControlPlaneMissing = "ControlPlaneMissing",
    PodMissing = "PodMissing",
    VolumePending = "VolumePending",
    NodePending = "NodePending",
    ImagePending = "ImagePending",
    ObjectPending = "ObjectPending",
    PodCrashing = "PodCrashing",
    PodStarting = "PodStarting",
    RollingOut = "RollingOut",
    KubeconfigPending = "KubeconfigPending",
    ControllersStarting = "ControllersStarting",
    ApiServerStarting = "ApiServerStarting",
    LoadBalancerPending = "LoadBalancerPending",
    TenantNotApplied = "TenantNotApplied",
    ProjectNamespaceTerminating = "ProjectNamespaceTerminating",
    NoFreeNodes = "NoFreeNodes",
    ReleasingNodes = "ReleasingNodes",
    ChangingNodes = "ChangingNodes",
    Stopping = "Stopping",
    Deleting = "Deleting",
} else UnknownWaitReason = "must be a reason to wait such as VolumePending");

impl WaitReason {
    /// Description of the wait, for users.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::NamespaceTerminating => "the previous namespace on the host is being deleted",
            Self::PermissionsPending => "the permissions in the namespace are not effective yet",
            Self::ControlPlaneMissing => "the control plane has not been created yet",
            Self::PodMissing => "the control plane pod has not been created yet",
            Self::VolumePending => "the volume of the control plane is not bound yet",
            Self::NodePending => "no node of the host cluster accepts the control plane pod yet",
            Self::ImagePending => "the control plane image has not been pulled yet",
            Self::ObjectPending => "the control plane pod refers to a missing object",
            Self::PodCrashing => "the control plane crashed and is restarted",
            Self::PodStarting => "the control plane pod is starting",
            Self::RollingOut => "the control plane is being replaced",
            Self::KubeconfigPending => "the control plane has not written its kubeconfig yet",
            Self::ControllersStarting => "the controllers are starting",
            Self::ApiServerStarting => "the API server does not respond yet",
            Self::LoadBalancerPending => "the load balancer has no address yet",
            Self::TenantNotApplied => "the objects inside the tenant cluster are being applied",
            Self::ProjectNamespaceTerminating => "an earlier namespace of this name is being deleted",
            Self::NoFreeNodes => "the host has no free nodes for the node pools",
            Self::ReleasingNodes => "nodes are being drained",
            Self::ChangingNodes => "nodes are being changed",
            Self::Stopping => "the control plane and the workloads are being stopped",
            Self::Deleting => "the cluster is being deleted",
        }
    }

    /// What an administrator can do if the wait does not end.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::NamespaceTerminating | Self::Deleting => {
                "an operator can look for finalizers and remaining objects in the namespace on the host"
            }
            Self::PermissionsPending => {
                "an operator can apply the output of hexabase host-setup to the host again"
            }
            Self::ControlPlaneMissing => "an operator can look for errors of the worker in its log",
            Self::PodMissing => "an operator can look at the events of the StatefulSet on the host",
            Self::VolumePending => "an operator can check the StorageClass and the claim on the host",
            Self::NodePending => "an operator can add nodes to the host, or check taints and requests",
            Self::ImagePending => {
                "an operator can check the image and the access of the nodes to its registry"
            }
            Self::ObjectPending => "an operator can restore the object that the events of the pod name",
            Self::PodCrashing | Self::PodStarting | Self::RollingOut => {
                "an operator can look at the events and the log of the pod on the host"
            }
            Self::KubeconfigPending | Self::ControllersStarting | Self::ApiServerStarting => {
                "an operator can look at the log of the control plane on the host"
            }
            Self::LoadBalancerPending => "an operator can check the load balancer controller of the host",
            Self::TenantNotApplied => {
                "an administrator of the workspace can check webhooks and quotas inside the cluster"
            }
            Self::ProjectNamespaceTerminating => {
                "an administrator of the workspace can look for finalizers in the namespace, or choose another name"
            }
            Self::NoFreeNodes => "an operator can label more nodes for the class, or shrink other pools",
            Self::ReleasingNodes => {
                "an administrator of the workspace can check disruption budgets of pods on the nodes"
            }
            Self::ChangingNodes => "it is repeated at the next reconcile",
            Self::Stopping => "an operator can look for pods with finalizers in the namespace on the host",
        }
    }

    /// `true` if something inside the tenant blocks the reconcile, which users of the workspace can change and operators
    /// cannot.
    #[must_use]
    pub const fn depends_on_tenant(self) -> bool {
        matches!(self, Self::TenantNotApplied | Self::ProjectNamespaceTerminating | Self::ReleasingNodes)
    }

    /// Time after which the wait counts as a failure of the control plane. `None` if it may last for any time.
    #[must_use]
    pub const fn timeout(self) -> Option<Duration> {
        const MINUTE: u64 = 60;
        match self {
            // API servers know new RBAC objects within seconds.
            Self::PermissionsPending => Some(Duration::from_secs(MINUTE)),
            Self::PodMissing | Self::ObjectPending | Self::PodCrashing => {
                Some(Duration::from_secs(5 * MINUTE))
            }
            Self::VolumePending | Self::NodePending | Self::ImagePending | Self::PodStarting => {
                Some(Duration::from_secs(15 * MINUTE))
            }
            _ => None,
        }
    }
}

/// Wait of a reconcile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// What the reconcile waits for.
    pub reason: WaitReason,
    /// Details such as a message of the host; empty if there are none.
    pub detail: String,
}

impl Wait {
    /// Wait without details.
    #[must_use]
    pub const fn new(reason: WaitReason) -> Self {
        Self { reason, detail: String::new() }
    }

    /// Wait with details.
    #[must_use]
    pub fn with_detail(reason: WaitReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    /// Message for users: the subject of the wait, its start, and the remedy.
    #[must_use]
    pub fn message(&self, since: Timestamp) -> String {
        let detail = if self.detail.is_empty() { String::new() } else { format!(" ({})", self.detail) };
        let since = since.strftime("%Y-%m-%dT%H:%M:%SZ");
        format!("{}{detail}; waiting since {since}; {}", self.reason.description(), self.reason.remedy())
    }
}

/// Wait as recorded in a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OngoingWait {
    /// What is waited for.
    pub reason: WaitReason,
    /// Start of the wait.
    pub since: Timestamp,
}

impl OngoingWait {
    /// Continues a wait for the same reason, or starts a new one.
    #[must_use]
    pub fn next(previous: Option<Self>, reason: WaitReason, now: Timestamp) -> Self {
        previous.filter(|previous| previous.reason == reason).unwrap_or(Self { reason, since: now })
    }
}
