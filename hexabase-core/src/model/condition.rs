use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::words;

/// One observation about a workspace, as Kubernetes objects carry them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// What it is about, in `CamelCase`: `Ready`, `Synced`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, in one `CamelCase` word that programs can match.
    pub reason: String,
    /// Why, for people.
    pub message: String,
    /// When `status` last changed.
    pub last_transition_time: Timestamp,
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nobody knows.
    Unknown,
}

words!(ConditionStatus { True = "True", False = "False", Unknown = "Unknown" } else UnknownConditionStatus = "must be True, False or Unknown");

impl Condition {
    /// Sets a condition in a list: the transition time moves only when the status changes.
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
    fn the_transition_time_moves_with_the_status_only() {
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
