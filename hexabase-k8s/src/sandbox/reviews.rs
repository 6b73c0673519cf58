//! Access reviews: requests that are created like objects, evaluated and not stored.

use serde_json::{Value, json};

use super::authorization::{Attributes, User};
use super::path::Target;
use super::response::{StatusError, StatusResult};
use super::schema;
use super::state::State;

const AUTHORIZATION: &str = "authorization.k8s.io";

/// Supported reviews: group, kind, plural, and `true` if namespaced.
pub(super) const REVIEWS: [(&str, &str, &str, bool); 5] = [
    ("authentication.k8s.io", "SelfSubjectReview", "selfsubjectreviews", false),
    (AUTHORIZATION, "LocalSubjectAccessReview", "localsubjectaccessreviews", true),
    (AUTHORIZATION, "SelfSubjectAccessReview", "selfsubjectaccessreviews", false),
    (AUTHORIZATION, "SelfSubjectRulesReview", "selfsubjectrulesreviews", false),
    (AUTHORIZATION, "SubjectAccessReview", "subjectaccessreviews", false),
];

impl State {
    /// Evaluates a review. Returns `None` if the target is not one.
    pub(super) fn review(&self, user: &User, target: &Target, body: &Value) -> Option<StatusResult<Value>> {
        let (_, kind, plural, _) = REVIEWS
            .iter()
            .find(|(group, _, plural, _)| *group == target.group && *plural == target.plural)?;
        Some(self.evaluate(user, target, kind, plural, body))
    }

    fn evaluate(
        &self,
        user: &User,
        target: &Target,
        kind: &str,
        plural: &str,
        body: &Value,
    ) -> StatusResult<Value> {
        schema::check_envelope(body)?;
        let mut review = body.clone();
        review["kind"] = json!(kind);
        review["apiVersion"] = json!(format!("{}/v1", target.group));
        if kind == "SelfSubjectReview" {
            review["status"] = json!({ "userInfo": { "username": user.name, "groups": user.groups } });
            return Ok(review);
        }
        if kind == "SelfSubjectRulesReview" {
            review["status"] =
                self.rules_status(user, body["spec"]["namespace"].as_str().unwrap_or_default());
            return Ok(review);
        }
        let subject_user = match kind {
            "SelfSubjectAccessReview" => user.clone(),
            _ => {
                // A review of another user's access requires a permission of its own.
                let required = Attributes {
                    verb: "create".to_owned(),
                    group: AUTHORIZATION.to_owned(),
                    resource: plural.to_owned(),
                    namespace: target.namespace.clone(),
                    ..Attributes::default()
                };
                self.authorize(user, &required)?;
                subject(&body["spec"])
            }
        };
        let (resource, path) = (&body["spec"]["resourceAttributes"], &body["spec"]["nonResourceAttributes"]);
        let allowed = match (attributes(resource), path.is_object()) {
            (Some(attributes), false) => self.allows(&subject_user, &attributes),
            (None, true) => {
                let text = |field: &str| path[field].as_str().unwrap_or_default();
                self.allows_path(&subject_user, text("verb"), text("path"))
            }
            _ => {
                let message = "spec: Invalid value: exactly one of nonResourceAttributes or resourceAttributes must be specified";
                return Err(StatusError::invalid(kind, "", message));
            }
        };
        review["status"] = json!({ "allowed": allowed });
        Ok(review)
    }

    /// Status of a review of all rules of a user in a namespace.
    fn rules_status(&self, user: &User, namespace: &str) -> Value {
        let rules = self.rules_of(user, namespace).into_iter();
        let (paths, resources): (Vec<Value>, Vec<Value>) =
            rules.partition(|rule| rule["nonResourceURLs"].is_array());
        json!({ "resourceRules": resources, "nonResourceRules": paths, "incomplete": false })
    }
}

fn subject(spec: &Value) -> User {
    let groups = spec["groups"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    User { name: spec["user"].as_str().unwrap_or_default().to_owned(), groups: groups.collect() }
}

fn attributes(value: &Value) -> Option<Attributes> {
    let text = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
    value.is_object().then(|| {
        let (resource, subresource) = (text("resource"), text("subresource"));
        Attributes {
            verb: text("verb"),
            group: text("group"),
            resource: if subresource.is_empty() { resource } else { format!("{resource}/{subresource}") },
            name: text("name"),
            namespace: text("namespace"),
        }
    })
}
