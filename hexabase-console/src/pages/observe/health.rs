//! Health of a workspace.

use hexabase_core::metrics::HealthCondition;
use hexabase_core::model::ConditionStatus;
use maud::{Markup, html};

use crate::components::{Column, Table, Tone, badge, table};
use crate::language::Texts;
use crate::time::time;

/// Table of the conditions, those that do not hold first.
pub(super) fn health(texts: &Texts, conditions: &[HealthCondition]) -> Markup {
    let mut shown: Vec<&HealthCondition> = conditions.iter().collect();
    shown.sort_by_key(|condition| match condition.status {
        ConditionStatus::False => 0,
        ConditionStatus::Unknown => 1,
        ConditionStatus::True => 2,
    });
    let row = |condition: &&HealthCondition| {
        let (tone, status) = match condition.status {
            ConditionStatus::True => (Tone::Good, texts.text("health-good")),
            ConditionStatus::False => (Tone::Bad, texts.text("health-bad")),
            ConditionStatus::Unknown => (Tone::Neutral, texts.text("health-unknown")),
        };
        let explanation = html! {
            p { (explanation_text(texts, condition)) }
            @if !condition.remedy.is_empty() {
                p { strong { (texts.text("health-remedy")) } " " (remedy_text(texts, condition)) }
            }
            @if let Some(since) = condition.since {
                p class="note" { (texts.text("health-since")) " " (time(texts, since)) }
            }
        };
        vec![html! { (kind_text(texts, condition.kind)) }, badge(tone, &status), explanation].into()
    };
    table(&Table {
        caption: texts.text("health-title"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("health-condition")),
            Column::text(texts.text("health-status")),
            Column::text(texts.text("health-explanation")),
        ],
        rows: shown.iter().map(row).collect(),
    })
}

fn kind_text(texts: &Texts, kind: &str) -> String {
    match kind {
        "ControlPlaneReady" => texts.text("health-control-plane-ready"),
        "ControlPlaneStable" => texts.text("health-control-plane-stable"),
        "ApiServerSucceeds" => texts.text("health-api-server-succeeds"),
        "ApiServerResponsive" => texts.text("health-api-server-responsive"),
        "ControlPlaneVolumeHasSpace" => texts.text("health-control-plane-volume"),
        "DnsReady" => texts.text("health-dns-ready"),
        "PodsScheduled" => texts.text("health-pods-scheduled"),
        "ContainersRunning" => texts.text("health-containers-running"),
        "QuotaAvailable" => texts.text("health-quota-available"),
        other => other.to_owned(),
    }
}

/// Returns the reason of a status with the measured values.
fn explanation_text(texts: &Texts, condition: &HealthCondition) -> String {
    let values = &condition.values;
    let value =
        |name| values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value.as_str());
    match (condition.kind, condition.reason) {
        ("ControlPlaneReady", "NoReplicaReady") => texts.text("health-no-replica"),
        ("ControlPlaneReady", "ReplicasMissing") => texts.text_with(
            "health-replicas-missing",
            &[("ready", value("ready").into()), ("desired", value("desired").into())],
        ),
        ("ControlPlaneReady", "Ready") => {
            texts.text_with("health-replicas-ready", &[("ready", value("ready").into())])
        }
        (_, "Restarted") => texts.text_with("health-restarted", &[("count", value("count").into())]),
        (_, "NoRestarts") => texts.text("health-no-restarts"),
        (_, "RequestsFail") => {
            texts.text_with("health-requests-fail", &[("percent", value("percent").into())])
        }
        (_, "RequestsSucceed") => texts.text("health-requests-succeed"),
        (_, "Slow") => texts.text_with("health-slow", &[("seconds", value("seconds").into())]),
        (_, "Fast") => texts.text_with("health-fast", &[("seconds", value("seconds").into())]),
        (_, "Filling" | "HasSpace") => {
            texts.text_with("health-volume-used", &[("percent", value("percent").into())])
        }
        ("DnsReady", "NoPods") => texts.text("health-no-dns"),
        ("DnsReady", "NotReady") => texts.text("health-dns-not-ready"),
        ("DnsReady", "Ready") => {
            texts.text_with("health-dns-pods-ready", &[("ready", value("ready").into())])
        }
        (_, "Unschedulable") => texts.text_with("health-unschedulable", &[("count", value("count").into())]),
        (_, "Pending") => texts.text_with("health-pending", &[("count", value("count").into())]),
        (_, "Scheduled") => texts.text("health-scheduled"),
        (_, "CrashLoop") => texts.text_with("health-crash-loop", &[("count", value("count").into())]),
        (_, "OomKilled") => texts.text_with("health-out-of-memory", &[("count", value("count").into())]),
        (_, "Running") => texts.text("health-running"),
        (_, "NearlyExhausted" | "Available") => texts.text_with(
            "health-quota-used",
            &[("percent", value("percent").into()), ("resource", value("resource").into())],
        ),
        (_, "NotMeasured") => texts.text("health-not-measured"),
        (_, "Suspended") => texts.text("health-suspended"),
        _ => condition.message.clone(),
    }
}

/// Returns the next step in the language of the page, or else that of the API.
fn remedy_text(texts: &Texts, condition: &HealthCondition) -> String {
    match condition.reason {
        "NoReplicaReady" => texts.text("remedy-no-replica"),
        "ReplicasMissing" => texts.text("remedy-replicas-missing"),
        "Restarted" => texts.text("remedy-restarted"),
        "RequestsFail" => texts.text("remedy-requests-fail"),
        "Slow" => texts.text("remedy-slow"),
        "Filling" => texts.text("remedy-filling"),
        "NoPods" => texts.text("remedy-no-dns"),
        "NotReady" => texts.text("remedy-dns-not-ready"),
        "Unschedulable" => texts.text("remedy-unschedulable"),
        "Pending" => texts.text("remedy-pending"),
        "CrashLoop" => texts.text("remedy-crash-loop"),
        "OomKilled" => texts.text("remedy-out-of-memory"),
        "Suspended" => texts.text("remedy-suspended"),
        "NearlyExhausted" => texts.text("remedy-quota"),
        "NotMeasured" => texts.text("remedy-not-measured"),
        _ => condition.remedy.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use hexabase_core::metrics::{
        ApiServerReading, HealthReadings, PodReading, QuotaReading, Replicas, conditions,
    };

    use super::*;
    use crate::language::Language;

    #[test]
    fn conditions_that_do_not_hold_come_first_with_their_remedy_in_both_languages() {
        let readings = HealthReadings { control_plane_restarts: Some(3.0), ..HealthReadings::default() };
        let shown = |language| health(&Texts::new(language), &conditions(&readings)).into_string();
        let english = shown(Language::English);
        let position = |text: &str| english.find(text).unwrap();
        assert!(position("Control plane stable") < position("Control plane ready"), "{english}");
        assert!(english.contains("choose a plan with a larger control plane"));
        let japanese = shown(Language::Japanese);
        assert!(japanese.contains("コントロールプレーン") && japanese.contains("対処"), "{japanese}");
        assert!(!japanese.contains("choose a plan"), "{japanese}");
    }

    #[test]
    fn every_condition_has_a_name_and_the_explanation_of_the_api_in_english() {
        let texts = Texts::new(Language::English);
        for condition in conditions(&HealthReadings::default()) {
            assert_ne!(kind_text(&texts, condition.kind), condition.kind);
            assert_eq!(explanation_text(&texts, &condition), condition.message);
        }
    }

    #[test]
    fn every_reason_has_an_explanation_with_its_values_in_japanese() {
        let healthy = HealthReadings {
            control_plane: Some(Replicas { ready: 1, desired: 1 }),
            control_plane_restarts: Some(0.0),
            api_server: ApiServerReading { error_ratio: Some(0.0), p99_seconds: Some(0.05) },
            volume_ratio: Some(0.3),
            dns: Some(Replicas { ready: 1, desired: 1 }),
            pods: Some(PodReading::default()),
            quotas: [("requests.cpu".to_owned(), QuotaReading { used: 1.0, hard: 4.0 })].into(),
        };
        let failing = |ready, pods| HealthReadings {
            control_plane: Some(Replicas { ready, desired: 3 }),
            control_plane_restarts: Some(2.0),
            api_server: ApiServerReading { error_ratio: Some(0.2), p99_seconds: Some(2.5) },
            volume_ratio: Some(0.9),
            dns: Some(Replicas { ready: 0, desired: ready }),
            pods: Some(pods),
            quotas: [("count/pods".to_owned(), QuotaReading { used: 4.0, hard: 4.0 })].into(),
        };
        let none = PodReading::default();
        let suspended = HealthReadings {
            control_plane: Some(Replicas { ready: 0, desired: 0 }),
            ..HealthReadings::default()
        };
        for readings in [
            HealthReadings::default(),
            healthy,
            suspended,
            failing(0, PodReading { pending: 1, crash_looping: 1, ..none }),
            failing(2, PodReading { unschedulable: 1, oom_killed: 1, ..none }),
        ] {
            for condition in conditions(&readings) {
                let text = explanation_text(&Texts::new(Language::Japanese), &condition);
                assert_ne!(text, condition.message);
                for (name, value) in &condition.values {
                    assert!(text.contains(value), "{name} in {text}");
                }
            }
        }
    }
}
