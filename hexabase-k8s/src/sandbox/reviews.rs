//! Questions about access, which are asked by creating objects that nobody keeps.

use serde_json::{Value, json};

use super::authorization::{Attributes, User};
use super::path::Target;
use super::reply::{Outcome, Refusal};
use super::state::State;

const AUTHORIZATION: &str = "authorization.k8s.io";

/// The questions there are: group, kind, plural, and whether they are asked in a namespace.
pub(super) const REVIEWS: [(&str, &str, &str, bool); 4] = [
    ("authentication.k8s.io", "SelfSubjectReview", "selfsubjectreviews", false),
    (AUTHORIZATION, "LocalSubjectAccessReview", "localsubjectaccessreviews", true),
    (AUTHORIZATION, "SelfSubjectAccessReview", "selfsubjectaccessreviews", false),
    (AUTHORIZATION, "SubjectAccessReview", "subjectaccessreviews", false),
];

impl State {
    /// The answer to a question, if the target is one.
    pub(super) fn review(&self, user: &User, target: &Target, body: &Value) -> Option<Outcome<Value>> {
        let (_, kind, plural, _) = REVIEWS
            .iter()
            .find(|(group, _, plural, _)| *group == target.group && *plural == target.plural)?;
        Some(self.answer(user, target, kind, plural, body))
    }

    fn answer(&self, user: &User, target: &Target, kind: &str, plural: &str, body: &Value) -> Outcome<Value> {
        let mut answer = body.clone();
        answer["kind"] = json!(kind);
        answer["apiVersion"] = json!(format!("{}/v1", target.group));
        if kind == "SelfSubjectReview" {
            answer["status"] = json!({ "userInfo": { "username": user.name, "groups": user.groups } });
            return Ok(answer);
        }
        let about = match kind {
            "SelfSubjectAccessReview" => user.clone(),
            _ => {
                // Asking about others is a right of its own.
                let asking = Attributes {
                    verb: "create".to_owned(),
                    group: AUTHORIZATION.to_owned(),
                    resource: plural.to_owned(),
                    namespace: target.namespace.clone(),
                    ..Attributes::default()
                };
                self.authorize(user, &asking)?;
                subject(&body["spec"])
            }
        };
        let Some(wanted) = attributes(&body["spec"]["resourceAttributes"]) else {
            return Err(Refusal::bad_request("the sandbox answers questions about resources only"));
        };
        answer["status"] = json!({ "allowed": self.allows(&about, &wanted) });
        Ok(answer)
    }
}

fn subject(spec: &Value) -> User {
    let groups = spec["groups"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    User { name: spec["user"].as_str().unwrap_or_default().to_owned(), groups: groups.collect() }
}

fn attributes(given: &Value) -> Option<Attributes> {
    let text = |field: &str| given[field].as_str().unwrap_or_default().to_owned();
    given.is_object().then(|| {
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
