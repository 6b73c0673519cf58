//! Isolation checks of a tenant: attempts that its host and its API server must reject.
//!
//! A [`Check`] is plain data: attempts, and the barriers that may reject them. [`evaluate`] turns the responses into a
//! result; sending the attempts is left to the provisioner. Each attempted object differs from an admitted object, the
//! control, only in what must be rejected. So a rejection by one of the named barriers is proof, and any other
//! rejection is not: a full quota or a missing namespace would reject everything.

mod host;
mod network;
mod pods;
mod presets;

use hexabase_core::model::{ConditionStatus, IsolationResult, Severity};
use serde_json::{Value, json};

pub(crate) use host::{HostContext, checks, controls};
pub(crate) use network::{DEFAULT_DENY, METADATA_ADDRESSES, default_deny, metadata_addresses};
pub(crate) use presets::{
    MANAGED_OBJECTS, admission_policy, identity as preset_identity, preset_role, unassigned_user,
};

use crate::object::Kind;

/// Maximum number of failures that a message lists.
const MAX_LISTED: usize = 5;
/// Maximum length of a server's message in a result, in characters.
const MAX_MESSAGE_CHARS: usize = 300;

/// Part of an API server that rejects an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Barrier {
    /// Admission policy of the host setup with this name.
    Policy(&'static str),
    /// Any admission policy of the host setup.
    AnyPolicy,
    /// Pod Security, with this text in its message.
    PodSecurity(&'static str),
    /// ResourceQuota or LimitRange.
    Quota,
    /// RBAC.
    Permissions,
}

impl Barrier {
    /// `true` if a response with this status code and message is a rejection by the barrier.
    fn rejected(self, user: &str, code: u16, message: &str) -> bool {
        let denied_by = |name: &str| message.contains(&format!("ValidatingAdmissionPolicy '{name}"));
        code == 403
            && match self {
                Self::Policy(name) => denied_by(&format!("{name}'")),
                Self::AnyPolicy => denied_by("hexabase-"),
                Self::PodSecurity(violation) => {
                    message.contains("violates PodSecurity") && message.contains(violation)
                }
                Self::Quota => is_quota_rejection(message),
                Self::Permissions => message.contains(&format!("User \"{user}\" cannot ")),
            }
    }
}

/// `true` for the messages of ResourceQuota and LimitRange. The quota is the last barrier of an API server.
fn is_quota_rejection(message: &str) -> bool {
    message.contains("exceeded quota") || message.contains("maximum ") && message.contains(" usage per ")
}

/// Access to a resource, as in an access review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) verb: &'static str,
    pub(crate) group: &'static str,
    /// Plural of the resource, with its subresource: `pods/log`.
    pub(crate) resource: &'static str,
    /// Namespace; empty for the cluster as a whole.
    pub(crate) namespace: String,
}

impl Access {
    /// Access that administrators have.
    pub(crate) const fn control() -> Self {
        Self { verb: "list", group: "", resource: "pods", namespace: String::new() }
    }

    /// Returns the `resourceAttributes` of an access review.
    pub(crate) fn attributes(&self) -> Value {
        let (resource, subresource) = self.resource.split_once('/').unwrap_or((self.resource, ""));
        json!({
            "verb": self.verb,
            "group": self.group,
            "resource": resource,
            "subresource": subresource,
            "namespace": self.namespace,
        })
    }
}

impl std::fmt::Display for Access {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} {}", self.verb, self.resource)?;
        match self.namespace.as_str() {
            "" => Ok(()),
            namespace => write!(out, " in {namespace}"),
        }
    }
}

/// Request of a check, sent as the tenant's control plane.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Attempt {
    /// Creates an object in the namespace of the tenant, as a dry run.
    Create(Kind, Value),
    /// Changes an object in the namespace of the tenant by a merge patch, as a dry run.
    Patch(Kind, String, Value),
    /// Reviews an access.
    Review(Access),
}

impl std::fmt::Display for Attempt {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Create(kind, object) => {
                write!(out, "creation of {} {}", kind.kind, text(object, "/metadata/generateName"))
            }
            Self::Patch(kind, name, _) => write!(out, "change of {} {name}", kind.kind),
            Self::Review(access) => access.fmt(out),
        }
    }
}

/// Response of an API server to an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Response {
    /// The dry run succeeded, or the reviewed access is allowed.
    Admitted,
    /// The reviewed access is denied.
    Denied,
    /// The attempt was rejected, with this status code and message.
    Rejected(u16, String),
    /// There was no valid response; the message says why.
    None(String),
}

/// Isolation check: all of its attempts must be rejected.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Check {
    /// Type of the condition.
    pub(crate) kind: &'static str,
    /// Attempt, for users.
    pub(crate) title: &'static str,
    pub(crate) severity: Severity,
    pub(crate) attempts: Vec<Attempt>,
    /// Barriers that may reject the attempts.
    pub(crate) barriers: &'static [Barrier],
    /// Next step for the operator if an attempt is admitted.
    pub(crate) remedy: &'static str,
}

impl Check {
    /// Returns a result of this check.
    pub(crate) fn result(
        &self,
        status: ConditionStatus,
        reason: &str,
        message: String,
        remedy: &str,
    ) -> IsolationResult {
        result((self.kind, self.title, self.severity), status, reason, message, remedy)
    }
}

/// Type, title and severity of a check.
pub(crate) type Identity = (&'static str, &'static str, Severity);

fn result(
    (kind, title, severity): Identity,
    status: ConditionStatus,
    reason: &str,
    message: String,
    remedy: &str,
) -> IsolationResult {
    IsolationResult {
        kind: kind.to_owned(),
        title: title.to_owned(),
        severity,
        status,
        reason: reason.to_owned(),
        message,
        remedy: remedy.to_owned(),
    }
}

/// Returns the result of a check that requires nothing to be wrong: `True` without findings, `False` with some.
fn result_of(identity: Identity, findings: &[String], proof: &str, remedy: &str) -> IsolationResult {
    match findings {
        [] => result(identity, ConditionStatus::True, "Verified", proof.to_owned(), ""),
        findings => result(identity, ConditionStatus::False, "Violated", listed(findings), remedy),
    }
}

/// Returns the result of a check whose objects could not be read.
pub(crate) fn unread(identity: Identity, cause: &str) -> IsolationResult {
    let remedy = "wait until the API server responds, and check again";
    result(identity, ConditionStatus::Unknown, "NoResponse", shortened(cause), remedy)
}

/// Evaluates the responses to the attempts of a check, in their order, which `user` sent. Without `controlled`, the
/// control failed, so that rejections prove nothing.
pub(crate) fn evaluate(
    check: &Check,
    responses: &[Response],
    user: &str,
    controlled: bool,
) -> IsolationResult {
    let (mut admitted, mut undecided) = (Vec::new(), Vec::new());
    for (attempt, response) in check.attempts.iter().zip(responses) {
        match response {
            Response::Admitted => admitted.push(attempt.to_string()),
            Response::Denied => {}
            Response::Rejected(code, message) => {
                if !check.barriers.iter().any(|barrier| barrier.rejected(user, *code, message)) {
                    undecided.push(format!("{attempt}: {code} {message}"));
                }
            }
            Response::None(message) => undecided.push(format!("{attempt}: {message}")),
        }
    }
    match () {
        () if !admitted.is_empty() => {
            let message = format!("the API server admits: {}", listed(&admitted));
            check.result(ConditionStatus::False, "Admitted", message, check.remedy)
        }
        () if !undecided.is_empty() || responses.len() < check.attempts.len() => {
            let message =
                format!("rejected for another reason, which proves nothing: {}", listed(&undecided));
            let remedy = "remove the cause in the message, and check again";
            check.result(ConditionStatus::Unknown, "RejectedForAnotherReason", message, remedy)
        }
        () if !controlled => {
            let message = "the control failed, so that a rejection proves nothing".to_owned();
            let remedy = "see the conditions ActsAsControlPlane and HarmlessObjectsAdmitted";
            check.result(ConditionStatus::Unknown, "ControlFailed", message, remedy)
        }
        () => {
            let message =
                format!("{} of {} attempts rejected as intended", responses.len(), check.attempts.len());
            check.result(ConditionStatus::True, "Rejected", message, "")
        }
    }
}

/// Evaluates the responses to the control: every attempt must be admitted. A full quota is no failure, since the quota
/// is the last barrier: the others have admitted the object.
pub(crate) fn evaluate_control(check: &Check, responses: &[Response]) -> IsolationResult {
    let mut failures = Vec::new();
    for (attempt, response) in check.attempts.iter().zip(responses) {
        match response {
            Response::Admitted => {}
            Response::Rejected(403, message) if is_quota_rejection(message) => {}
            Response::Rejected(code, message) => failures.push(format!("{attempt}: {code} {message}")),
            Response::Denied => failures.push(format!("{attempt}: denied")),
            Response::None(message) => failures.push(format!("{attempt}: {message}")),
        }
    }
    match failures.is_empty() && responses.len() == check.attempts.len() {
        true => {
            check.result(ConditionStatus::True, "Admitted", "harmless attempts are admitted".to_owned(), "")
        }
        false => check.result(ConditionStatus::False, "ControlFailed", listed(&failures), check.remedy),
    }
}

fn listed(findings: &[String]) -> String {
    let shown: Vec<String> = findings.iter().take(MAX_LISTED).map(|finding| shortened(finding)).collect();
    let rest = findings.len() - shown.len();
    let more = if rest == 0 { String::new() } else { format!("; and {rest} more") };
    format!("{}{more}", shown.join("; "))
}

fn shortened(message: &str) -> String {
    message.chars().take(MAX_MESSAGE_CHARS).collect()
}

fn text<'a>(body: &'a Value, pointer: &str) -> &'a str {
    body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str = "system:serviceaccount:ws-1:vc-ws-1";

    fn check(barriers: &'static [Barrier]) -> Check {
        let access = Access { verb: "list", group: "", resource: "nodes", namespace: String::new() };
        Check {
            kind: "Example",
            title: "Example",
            severity: Severity::High,
            attempts: vec![Attempt::Review(access.clone()), Attempt::Review(access)],
            barriers,
            remedy: "repair it",
        }
    }

    fn rejected(message: &str) -> Response {
        Response::Rejected(403, message.to_owned())
    }

    fn outcome(
        barriers: &'static [Barrier],
        responses: &[Response],
        controlled: bool,
    ) -> (ConditionStatus, String) {
        let result = evaluate(&check(barriers), responses, USER, controlled);
        (result.status, result.reason)
    }

    #[test]
    fn only_a_rejection_by_the_named_barrier_is_proof() {
        use ConditionStatus::{True, Unknown};
        let policy = "pods \"a\" is forbidden: ValidatingAdmissionPolicy 'hexabase-tenants' with binding \
                      'hexabase-tenants' denied request: no";
        let other_policy = policy.replace("hexabase-tenants", "company");
        let security =
            "pods \"a\" is forbidden: violates PodSecurity \"baseline:latest\": privileged (container)";
        let quota = "pods \"a\" is forbidden: exceeded quota: vc-ws-1, requested: count/pods=1";
        let range = "pods \"a\" is forbidden: maximum cpu usage per Container is 1, but limit is 2";
        let missing =
            format!("pods is forbidden: User \"{USER}\" cannot create resource \"pods\" in API group \"\"");
        let impersonation = "serviceaccounts \"vc-ws-1\" is forbidden: User \"system:serviceaccount:hexabase:hexabase\" \
                             cannot impersonate resource \"serviceaccounts\"";
        const POLICY: &[Barrier] = &[Barrier::Policy("hexabase-tenants")];
        for (barriers, message, expected) in [
            (POLICY, policy, True),
            (&[Barrier::Policy("hexabase")], policy, Unknown),
            (&[Barrier::AnyPolicy], policy, True),
            (&[Barrier::AnyPolicy], &other_policy, Unknown),
            (POLICY, quota, Unknown),
            (POLICY, missing.as_str(), Unknown),
            (&[Barrier::PodSecurity("privileged")], security, True),
            (&[Barrier::PodSecurity("hostPort")], security, Unknown),
            (&[Barrier::Quota], quota, True),
            (&[Barrier::Quota], range, True),
            (&[Barrier::Permissions], missing.as_str(), True),
            (&[Barrier::Permissions], impersonation, Unknown),
        ] {
            let (status, _) = outcome(barriers, &[rejected(message), Response::Denied], true);
            assert_eq!(status, expected, "{barriers:?}: {message}");
        }
        let not_found = Response::Rejected(404, policy.to_owned());
        assert_eq!(outcome(POLICY, &[not_found, Response::Denied], true).0, Unknown);
    }

    #[test]
    fn an_admitted_attempt_fails_the_check_with_a_remedy() {
        for controlled in [true, false] {
            let responses = [Response::None("timeout".to_owned()), Response::Admitted];
            let result = evaluate(&check(&[]), &responses, USER, controlled);
            assert_eq!((result.status, result.reason.as_str()), (ConditionStatus::False, "Admitted"));
            assert_eq!(result.remedy, "repair it");
        }
    }

    #[test]
    fn missing_responses_and_a_failed_control_prove_nothing() {
        let denied = [Response::Denied, Response::Denied];
        assert_eq!(outcome(&[], &denied, true), (ConditionStatus::True, "Rejected".to_owned()));
        assert_eq!(outcome(&[], &denied, false), (ConditionStatus::Unknown, "ControlFailed".to_owned()));
        assert_eq!(outcome(&[], &denied[..1], true).0, ConditionStatus::Unknown);
        let none = [Response::Denied, Response::None("timeout".to_owned())];
        assert_eq!(outcome(&[], &none, true).0, ConditionStatus::Unknown);
    }

    #[test]
    fn a_control_is_admitted_up_to_the_quota() {
        let status = |responses: &[Response]| evaluate_control(&check(&[]), responses).status;
        let quota = rejected("pods \"a\" is forbidden: exceeded quota: vc-ws-1");
        assert_eq!(status(&[Response::Admitted, quota]), ConditionStatus::True);
        for failure in [rejected("no"), Response::Denied, Response::None("timeout".to_owned())] {
            assert_eq!(status(&[Response::Admitted, failure]), ConditionStatus::False);
        }
        assert_eq!(status(&[Response::Admitted]), ConditionStatus::False);
    }

    #[test]
    fn messages_are_bounded() {
        let result = evaluate(&check(&[]), &[rejected(&"x".repeat(9_999)), rejected("y")], USER, true);
        assert!(result.message.len() < 1_000, "{}", result.message.len());
    }
}
