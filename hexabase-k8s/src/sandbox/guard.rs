//! The one admission policy that the sandbox enforces: Hexabase's own guard.
//!
//! No expression is evaluated. The sandbox knows what the guard means, and which kinds it is about it reads from the
//! policy; any other policy is refused rather than kept without effect.

use serde_json::Value;

use super::authorization::User;
use super::kinds::KindInfo;
use super::reply::{Outcome, Refusal};
use super::state::State;
use crate::labels;
use crate::render::tenant::guard::{FREE_GROUPS, FREE_USERS, GUARD, MESSAGE};

const GROUP: &str = "admissionregistration.k8s.io";

impl State {
    /// Refuses a write by which somebody would touch what Hexabase made: `objects` are it as it is and as it would be.
    pub(super) fn admit_past_guard(&self, user: &User, kind: &KindInfo, objects: &[&Value]) -> Outcome<()> {
        let name = objects.iter().find_map(|object| object["metadata"]["name"].as_str()).unwrap_or_default();
        if kind.group == GROUP && name != GUARD {
            let message = "the sandbox evaluates no admission policies but Hexabase's own guard";
            return Err(Refusal::bad_request(message));
        }
        let free = FREE_USERS.contains(&user.name.as_str())
            || user.groups.iter().any(|group| FREE_GROUPS.contains(&group.as_str()));
        if free || !objects.iter().any(|object| is_ours(object)) || !self.guards(kind) {
            return Ok(());
        }
        Err(Refusal::forbidden(format!(
            "{} \"{name}\" is forbidden: ValidatingAdmissionPolicy '{GUARD}' with binding '{GUARD}' denied request: {MESSAGE}",
            kind.qualified()
        )))
    }

    /// Whether the guard is there, bound, and about this kind.
    fn guards(&self, kind: &KindInfo) -> bool {
        let bound = self.get(GROUP, "validatingadmissionpolicybindings", "", GUARD).is_some();
        let policy = self.get(GROUP, "validatingadmissionpolicies", "", GUARD).filter(|_| bound);
        let rules = policy.and_then(|policy| policy["spec"]["matchConstraints"]["resourceRules"].as_array());
        let names = |rule: &Value, field: &str, value: &str| {
            rule[field].as_array().is_some_and(|values| values.iter().any(|named| named == value))
        };
        rules
            .into_iter()
            .flatten()
            .any(|rule| names(rule, "apiGroups", &kind.group) && names(rule, "resources", &kind.plural))
    }
}

fn is_ours(object: &Value) -> bool {
    object["metadata"]["labels"].get(labels::MANAGED).is_some()
}
