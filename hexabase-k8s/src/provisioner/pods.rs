//! State of a control plane that is not ready, from its pods: decides between waits, which can end by themselves, and
//! failures that only a change removes.

use hexabase_core::model::{Wait, WaitReason};
use hexabase_core::provisioner::ControlPlaneState;
use serde_json::Value;

use super::text;

/// `true` if a node has been found for a pod.
pub(super) fn is_scheduled(pod: &Value) -> bool {
    !text(pod, "/spec/nodeName").is_empty() || condition(pod, "PodScheduled", "True").is_some()
}

/// Decides the state of a pod that is not ready. `claim` is the volume claim of a pod without a node; `None` if it has
/// none.
pub(super) fn state_of_pod(pod: &Value, claim: Option<&Value>) -> ControlPlaneState {
    if let Some(claim) = claim.filter(|claim| text(claim, "/status/phase") != "Bound") {
        let class = text(claim, "/spec/storageClassName");
        let detail = if class.is_empty() { String::new() } else { format!("StorageClass {class}") };
        return waiting(WaitReason::VolumePending, detail);
    }
    if let Some(unscheduled) = condition(pod, "PodScheduled", "False") {
        let message = text(unscheduled, "/message");
        let is_volume = message.contains("PersistentVolumeClaim");
        let reason = if is_volume { WaitReason::VolumePending } else { WaitReason::NodePending };
        return waiting(reason, last_chars(message));
    }
    let containers = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let statuses = containers.iter().filter_map(|pointer| pod.pointer(pointer)?.as_array()).flatten();
    cause(statuses.map(state_of_container).collect())
}

fn state_of_container(status: &Value) -> ControlPlaneState {
    let reason = text(status, "/state/waiting/reason");
    let message = last_chars(text(status, "/state/waiting/message"));
    let restarts = status.pointer("/restartCount").and_then(Value::as_u64).unwrap_or(0);
    let is_ready = status.pointer("/ready") == Some(&Value::Bool(true));
    match reason {
        "InvalidImageName" => ControlPlaneState::Broken {
            reason: reason.to_owned(),
            message: format!("the control plane image cannot be pulled: {message}"),
        },
        "ImagePullBackOff" | "ErrImagePull" | "ImageInspectError" | "RegistryUnavailable" => {
            waiting(WaitReason::ImagePending, message)
        }
        "CreateContainerConfigError" => waiting(WaitReason::ObjectPending, message),
        // Between two crashes the container runs. It is also restarted while what it needs is late.
        _ if reason == "CrashLoopBackOff" || (restarts > 0 && !is_ready) => {
            let last = text(status, "/lastState/terminated/message");
            waiting(WaitReason::PodCrashing, if last.is_empty() { message } else { last_chars(last) })
        }
        _ => waiting(WaitReason::PodStarting, String::new()),
    }
}

/// Decides the state of a StatefulSet whose pod the host rejects with a message.
pub(super) fn state_of_rejected_pod(message: &str) -> ControlPlaneState {
    // A new quota counts nothing for a moment, and admission webhooks can be unreachable for a while.
    let temporary = ["status unknown for quota", "failed calling webhook", "timeout", "too many requests"];
    if temporary.iter().any(|text| message.contains(text)) {
        return waiting(WaitReason::PodMissing, last_chars(message));
    }
    ControlPlaneState::Broken {
        reason: "FailedCreate".to_owned(),
        message: format!("the host rejects the control plane pod: {}", last_chars(message)),
    }
}

/// Returns the state that explains the others: a failure, or the first wait by cause and effect.
pub(super) fn cause(states: Vec<ControlPlaneState>) -> ControlPlaneState {
    let rank = |state: &ControlPlaneState| match state {
        ControlPlaneState::Starting(wait) => Some(wait.reason),
        _ => None,
    };
    states.into_iter().min_by_key(rank).unwrap_or_else(|| waiting(WaitReason::PodStarting, String::new()))
}

fn waiting(reason: WaitReason, detail: String) -> ControlPlaneState {
    ControlPlaneState::Starting(Wait { reason, detail })
}

fn condition<'a>(pod: &'a Value, kind: &str, status: &str) -> Option<&'a Value> {
    let mut conditions = pod.pointer("/status/conditions")?.as_array()?.iter();
    conditions.find(|condition| text(condition, "/type") == kind && text(condition, "/status") == status)
}

/// Returns the end of a message on one line, where programs usually state the error.
fn last_chars(message: &str) -> String {
    const MAX_DETAIL_CHARS: usize = 300;
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let length = line.chars().count();
    line.chars().skip(length.saturating_sub(MAX_DETAIL_CHARS)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wait_of(state: ControlPlaneState) -> Option<WaitReason> {
        match state {
            ControlPlaneState::Starting(wait) => Some(wait.reason),
            _ => None,
        }
    }

    fn unscheduled(message: &str) -> Value {
        let condition = json!({ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message });
        json!({ "status": { "conditions": [condition] } })
    }

    fn container(status: Value) -> Value {
        json!({ "spec": { "nodeName": "n" }, "status": { "containerStatuses": [status] } })
    }

    #[test]
    fn late_volumes_nodes_images_and_objects_are_waits() {
        let waits = |reason: &str| container(json!({ "state": { "waiting": { "reason": reason } } }));
        let late = [
            (
                unscheduled("0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims"),
                WaitReason::VolumePending,
            ),
            (unscheduled("0/3 nodes are available: 3 Insufficient memory"), WaitReason::NodePending),
            (waits("ErrImagePull"), WaitReason::ImagePending),
            (waits("ImagePullBackOff"), WaitReason::ImagePending),
            (waits("CreateContainerConfigError"), WaitReason::ObjectPending),
            (waits("ContainerCreating"), WaitReason::PodStarting),
            (waits("CrashLoopBackOff"), WaitReason::PodCrashing),
            (
                container(json!({ "restartCount": 1, "ready": false, "state": { "running": {} } })),
                WaitReason::PodCrashing,
            ),
            (
                container(json!({ "restartCount": 0, "ready": false, "state": { "running": {} } })),
                WaitReason::PodStarting,
            ),
            (json!({}), WaitReason::PodStarting),
        ];
        for (pod, reason) in late {
            assert_eq!(wait_of(state_of_pod(&pod, None)), Some(reason), "{pod}");
        }
        let claim =
            |phase: &str| json!({ "spec": { "storageClassName": "slow" }, "status": { "phase": phase } });
        assert_eq!(
            wait_of(state_of_pod(&json!({}), Some(&claim("Pending")))),
            Some(WaitReason::VolumePending)
        );
        assert_eq!(wait_of(state_of_pod(&json!({}), Some(&claim("Bound")))), Some(WaitReason::PodStarting));
    }

    #[test]
    fn definite_errors_are_failures() {
        let invalid = container(json!({ "state": { "waiting": { "reason": "InvalidImageName" } } }));
        assert!(matches!(state_of_pod(&invalid, None), ControlPlaneState::Broken { .. }));
        assert!(matches!(state_of_rejected_pod("exceeded quota: vc"), ControlPlaneState::Broken { .. }));
        let late = state_of_rejected_pod("pods \"c-0\" is forbidden: status unknown for quota: vc");
        assert_eq!(wait_of(late), Some(WaitReason::PodMissing));
    }

    #[test]
    fn details_are_the_end_of_a_message_on_one_line() {
        assert_eq!(last_chars("one\n two\n"), "one two");
        assert_eq!(last_chars(&"a ".repeat(400)).len(), 300);
    }

    #[test]
    fn the_cause_of_several_waits_is_reported() {
        let states = [WaitReason::PodCrashing, WaitReason::VolumePending, WaitReason::PodStarting];
        let states = || states.map(|reason| waiting(reason, String::new())).to_vec();
        assert_eq!(wait_of(cause(states())), Some(WaitReason::VolumePending));
        let failure = ControlPlaneState::Broken { reason: "FailedCreate".to_owned(), message: String::new() };
        assert_eq!(cause([states(), vec![failure.clone()]].concat()), failure);
    }
}
