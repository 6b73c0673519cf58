//! Attempts of a tenant's control plane to run pods on its host that are not for tenants.

use hexabase_core::model::{Isolation, Severity};
use hexabase_core::quota::Resource;
use serde_json::{Value, json};

use super::host::{APPLY_HOST_SETUP, HostContext};
use super::{Barrier, Check};

const PODS_POLICY: &[Barrier] = &[Barrier::Policy("hexabase-tenants")];
const CHECK_POD_SECURITY: &str = "restore the label pod-security.kubernetes.io/enforce of the tenant's namespace, and enable \
     Pod Security admission on the host";
const CHECK_QUOTA: &str =
    "reconcile the workspace, so that its ResourceQuota and LimitRange on the host are restored";

/// Returns the checks of pods.
pub(super) fn checks(context: &HostContext<'_>) -> Vec<Check> {
    let mut checks = pod_security_checks(context);
    checks.extend(pod_checks(context));
    checks.extend(amount_checks(context));
    checks
}

fn pod_security_checks(context: &HostContext<'_>) -> Vec<Check> {
    let check = |kind, title, attempts, barriers| Check {
        kind,
        title,
        severity: Severity::Critical,
        attempts,
        barriers,
        remedy: CHECK_POD_SECURITY,
    };
    // A privileged container must not forbid privilege escalation: the API server rejects the combination.
    let privileged = json!({ "securityContext": { "privileged": true, "allowPrivilegeEscalation": true } });
    let mut checks = vec![
        check(
            "PrivilegedPodsRejected",
            "Run a privileged pod",
            vec![context.container_attempt("privileged", &privileged)],
            &[Barrier::PodSecurity("privileged")],
        ),
        check(
            "HostNamespacesRejected",
            "Run a pod in the network, process or IPC namespace of its node",
            ["hostNetwork", "hostPID", "hostIPC"]
                .map(|field| context.pod_attempt(&field.to_lowercase(), &json!({ field: true })))
                .into(),
            &[Barrier::PodSecurity("host namespaces")],
        ),
        check(
            "HostPathsRejected",
            "Mount files of a node",
            vec![context.volume_attempt("host-path", &json!({ "hostPath": { "path": "/etc" } }))],
            &[Barrier::PodSecurity("hostPath")],
        ),
        check(
            "HostPortsRejected",
            "Take a port of a node",
            vec![context.container_attempt(
                "host-port",
                &json!({ "ports": [{ "containerPort": 8080, "hostPort": 10_250 }] }),
            )],
            &[Barrier::PodSecurity("hostPort")],
        ),
        check(
            "CapabilitiesRejected",
            "Add capabilities of the kernel",
            ["NET_ADMIN", "SYS_PTRACE", "SYS_MODULE"]
                .map(|added| {
                    let capabilities = json!({ "securityContext": { "capabilities": { "add": [added] } } });
                    context.container_attempt(&added.to_lowercase().replace('_', "-"), &capabilities)
                })
                .into(),
            &[Barrier::PodSecurity("capabilities")],
        ),
    ];
    if context.cluster.isolation == Isolation::Restricted {
        let root = json!({ "securityContext": { "runAsNonRoot": false, "runAsUser": null } });
        let escalation = json!({ "securityContext": { "allowPrivilegeEscalation": true } });
        checks.push(check(
            "RootRejected",
            "Run as root",
            vec![context.pod_attempt("root", &root)],
            &[Barrier::PodSecurity("runAsNonRoot")],
        ));
        checks.push(check(
            "PrivilegeEscalationRejected",
            "Gain privileges in a container",
            vec![context.container_attempt("escalation", &escalation)],
            &[Barrier::PodSecurity("allowPrivilegeEscalation")],
        ));
    }
    checks
}

fn pod_checks(context: &HostContext<'_>) -> Vec<Check> {
    let check = |kind, title, severity, attempts, barriers, remedy| Check {
        kind,
        title,
        severity,
        attempts,
        barriers,
        remedy,
    };
    let policy = |kind, title, severity, attempts| {
        check(kind, title, severity, attempts, PODS_POLICY, APPLY_HOST_SETUP)
    };
    let iscsi = json!({ "targetPortal": "192.0.2.1:3260", "iqn": "iqn.2001-04.com.example:check", "lun": 0 });
    let server_volumes = vec![
        context.volume_attempt("nfs", &json!({ "nfs": { "server": "192.0.2.1", "path": "/" } })),
        context.volume_attempt("iscsi", &json!({ "iscsi": iscsi })),
        context.volume_attempt("csi", &json!({ "csi": { "driver": "check.example.com" } })),
    ];
    let own_volume = json!({ "persistentVolumeClaim": { "claimName": context.own_claim() } });
    let tolerating = |attempt: &str, toleration: Value| {
        context.pod_attempt(attempt, &json!({ "tolerations": [toleration] }))
    };
    let other_workspace = json!({
        "tolerations": [{ "key": context.config.labels.workspace(), "operator": "Exists" }],
        "nodeSelector": { context.config.labels.workspace(): "ws-of-another-tenant" },
    });
    vec![
        check(
            "ServerVolumesRejected",
            "Let a node mount a volume of a server",
            Severity::High,
            server_volumes,
            &[Barrier::Policy("hexabase-tenants"), Barrier::PodSecurity("restricted volume types")],
            APPLY_HOST_SETUP,
        ),
        policy(
            "ControlPlaneVolumeRejected",
            "Mount the volume of the control plane",
            Severity::High,
            vec![context.volume_attempt("own-volume", &own_volume)],
        ),
        policy(
            "SchedulerBypassRejected",
            "Run a pod on a chosen node, past the scheduler",
            Severity::High,
            vec![context.pod_attempt("node-name", &json!({ "nodeName": "isolation-check" }))],
        ),
        policy(
            "SystemPriorityRejected",
            "Take the priority of system components",
            Severity::Medium,
            ["system-node-critical", "system-cluster-critical"]
                .map(|class| context.pod_attempt(class, &json!({ "priorityClassName": class })))
                .into(),
        ),
        policy(
            "ForeignNodesRejected",
            "Run on nodes of the host's control plane or of other tenants",
            Severity::High,
            vec![
                tolerating("all-taints", json!({ "operator": "Exists" })),
                tolerating(
                    "control-plane",
                    json!({ "key": "node-role.kubernetes.io/control-plane", "operator": "Exists" }),
                ),
                tolerating(
                    "reserved",
                    json!({ "key": context.config.labels.node_class(), "operator": "Exists" }),
                ),
                context.pod_attempt("other-nodes", &other_workspace),
            ],
        ),
    ]
}

fn amount_checks(context: &HostContext<'_>) -> Vec<Check> {
    let check = |kind, title, attempts, barriers, remedy| Check {
        kind,
        title,
        severity: Severity::Medium,
        attempts,
        barriers,
        remedy,
    };
    // No plan has this device.
    let device = json!({ "isolation-check.example.com/device": "1" });
    let mut checks =
        vec![check(
            "ExtendedResourcesRejected",
            "Take devices that are not part of the plan",
            vec![context.container_attempt(
                "device",
                &json!({ "resources": { "requests": device, "limits": device } }),
            )],
            &[Barrier::Quota, Barrier::AnyPolicy],
            CHECK_QUOTA,
        )];
    let limited = [(Resource::Cpu, "cpu", "1000k"), (Resource::Memory, "memory", "1Pi")];
    let limited = limited.into_iter().filter(|(resource, ..)| context.cluster.quota.get(*resource).is_some());
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    for (_, name, amount) in limited {
        let amounts = json!({ name: amount });
        let both = json!({ "resources": { "requests": amounts, "limits": amounts } });
        requests.push(context.container_attempt(&format!("{name}-requests"), &both));
        limits.push(
            context
                .container_attempt(&format!("{name}-limits"), &json!({ "resources": { "limits": amounts } })),
        );
    }
    if !requests.is_empty() {
        let barriers: &[Barrier] = &[Barrier::Quota];
        let title = "Request more than the plan allows";
        checks.push(check("RequestsBeyondPlanRejected", title, requests, barriers, CHECK_QUOTA));
        let title = "Use more than the plan allows, by limits beyond the requests";
        checks.push(check("LimitsBeyondPlanRejected", title, limits, barriers, CHECK_QUOTA));
    }
    checks
}
