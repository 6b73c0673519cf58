use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::string_enum;

/// Observation about a workspace, shaped like a condition of a Kubernetes object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// Type of the condition, in `CamelCase`: `Ready`, `Synced`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Status of the condition.
    pub status: ConditionStatus,
    /// Machine-readable reason, in `CamelCase`.
    pub reason: String,
    /// Description of the reason for users.
    pub message: String,
    /// Time at which `status` last changed.
    pub last_transition_time: Timestamp,
}

/// Status of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionStatus {
    /// The condition holds.
    True,
    /// The condition does not hold.
    False,
    /// It is not known whether the condition holds.
    Unknown,
}

string_enum!(ConditionStatus { True = "True", False = "False", Unknown = "Unknown" } else UnknownConditionStatus = "must be True, False or Unknown");

impl Condition {
    /// Sets a condition in a list. The transition time changes only if the status changes.
    pub fn set(
        conditions: &mut Vec<Self>,
        kind: &str,
        status: ConditionStatus,
        reason: &str,
        message: &str,
        now: Timestamp,
    ) {
        let known = conditions.iter_mut().find(|condition| condition.kind == kind);
        let (reason, message) = (reason.to_owned(), message.to_owned());
        match known {
            Some(known) => {
                let last_transition_time =
                    if known.status == status { known.last_transition_time } else { now };
                *known = Self { kind: kind.to_owned(), status, reason, message, last_transition_time };
            }
            None => conditions.push(Self {
                kind: kind.to_owned(),
                status,
                reason,
                message,
                last_transition_time: now,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transition_time_changes_only_with_the_status() {
        let (early, late) = (Timestamp::constant(1, 0), Timestamp::constant(2, 0));
        let mut conditions = Vec::new();
        Condition::set(&mut conditions, "Ready", ConditionStatus::False, "Starting", "one", early);
        Condition::set(&mut conditions, "Ready", ConditionStatus::False, "Starting", "two", late);
        assert_eq!((conditions.len(), conditions[0].last_transition_time), (1, early));
        assert_eq!(conditions[0].message, "two");
        Condition::set(&mut conditions, "Ready", ConditionStatus::True, "Ready", "", late);
        assert_eq!(conditions[0].last_transition_time, late);
    }
}
