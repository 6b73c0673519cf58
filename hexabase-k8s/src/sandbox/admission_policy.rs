//! The one admission policy that the sandbox enforces: the tenant admission policy of Hexabase.
//!
//! The sandbox evaluates no CEL expressions. It implements the meaning of this policy itself, and reads the kinds that
//! it covers from the stored object. It rejects every other policy instead of storing it without effect.

use serde_json::Value;

use super::kinds::KindInfo;
use super::response::{StatusError, StatusResult};
use super::state::State;
use super::write::WriteRequest;
use crate::labels;
use crate::render::tenant::admission_policy::{
    ADMISSION_POLICY_NAME, DENIAL_MESSAGE, EXEMPT_GROUPS, EXEMPT_USERS,
};

const GROUP: &str = "admissionregistration.k8s.io";

impl State {
    /// Rejects a write to an object that Hexabase manages, or to a subresource of it. `objects` are its state before
    /// and after the write.
    pub(super) fn check_admission_policy(
        &self,
        request: &WriteRequest<'_>,
        objects: &[&Value],
    ) -> StatusResult<()> {
        let WriteRequest { kind, user, .. } = request;
        let name = objects.iter().find_map(|object| object["metadata"]["name"].as_str()).unwrap_or_default();
        if kind.group == GROUP && name != ADMISSION_POLICY_NAME {
            let message = "the sandbox supports no admission policy except Hexabase's own";
            return Err(StatusError::bad_request(message));
        }
        let exempt = EXEMPT_USERS.contains(&user.name.as_str())
            || user.groups.iter().any(|group| EXEMPT_GROUPS.contains(&group.as_str()));
        if exempt || !objects.iter().any(|object| is_managed(object)) || !self.policy_matches(request) {
            return Ok(());
        }
        Err(StatusError::forbidden(format!(
            "{} \"{name}\" is forbidden: ValidatingAdmissionPolicy '{ADMISSION_POLICY_NAME}' with binding '{ADMISSION_POLICY_NAME}' denied request: {DENIAL_MESSAGE}",
            kind.qualified()
        )))
    }

    /// `true` if the policy exists, is bound, and covers this kind or subresource.
    fn policy_matches(&self, request: &WriteRequest<'_>) -> bool {
        let KindInfo { group, plural, .. } = &request.kind;
        let resources = match request.subresource() {
            "" => vec![plural.clone()],
            subresource => vec![format!("{plural}/{subresource}"), format!("{plural}/*")],
        };
        let bound = self.get(GROUP, "validatingadmissionpolicybindings", "", ADMISSION_POLICY_NAME).is_some();
        let policy =
            self.get(GROUP, "validatingadmissionpolicies", "", ADMISSION_POLICY_NAME).filter(|_| bound);
        let rules = policy.and_then(|policy| policy["spec"]["matchConstraints"]["resourceRules"].as_array());
        let names = |rule: &Value, field: &str, value: &str| {
            rule[field].as_array().is_some_and(|values| values.iter().any(|named| named == value))
        };
        rules.into_iter().flatten().any(|rule| {
            names(rule, "apiGroups", group)
                && resources.iter().any(|resource| names(rule, "resources", resource))
        })
    }
}

fn is_managed(object: &Value) -> bool {
    object["metadata"]["labels"].get(labels::MANAGED).is_some()
}
