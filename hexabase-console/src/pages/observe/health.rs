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
            p { (condition.message) }
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
    use hexabase_core::metrics::{HealthReadings, conditions};

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
    fn every_condition_has_a_name() {
        let texts = Texts::new(Language::English);
        for condition in conditions(&HealthReadings::default()) {
            assert_ne!(kind_text(&texts, condition.kind), condition.kind);
        }
    }
}
