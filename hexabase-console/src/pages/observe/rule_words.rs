//! Alert rules in words.

use hexabase_core::id::ProjectId;
use hexabase_core::model::{
    AlertCondition, AlertDuration, AlertLimit, AlertRule, AlertSeverity, Comparison, Project,
};
use maud::{Markup, html};

use super::words::{format_of, metric_text};
use crate::components::{Tone, badge, name};
use crate::language::Texts;

/// Returns a condition as a sentence: "CPU above 80% of the quota for 5 min".
pub(super) fn condition_text(texts: &Texts, condition: AlertCondition) -> String {
    let AlertCondition { metric, comparison, limit, duration } = condition;
    let limit = match limit {
        AlertLimit::Threshold(threshold) => format_of(metric.unit())(threshold.as_f64()),
        AlertLimit::PercentOfQuota(percent) => {
            texts.text_with("alert-of-quota", &[("percent", u64::from(percent).into())])
        }
    };
    let (metric, duration) = (metric_text(texts, metric), duration_text(texts, duration));
    match comparison {
        Comparison::Above => texts.text_with(
            "alert-above",
            &[("metric", (&metric).into()), ("limit", (&limit).into()), ("duration", (&duration).into())],
        ),
        Comparison::Below => texts.text_with(
            "alert-below",
            &[("metric", (&metric).into()), ("limit", (&limit).into()), ("duration", (&duration).into())],
        ),
    }
}

/// Returns the time for which a condition must hold.
pub(super) fn duration_text(texts: &Texts, duration: AlertDuration) -> String {
    match duration {
        AlertDuration::Immediate => texts.text("alert-at-once"),
        AlertDuration::Minute => texts.text("alert-for-minute"),
        AlertDuration::FiveMinutes => texts.text("alert-for-five-minutes"),
        AlertDuration::FifteenMinutes => texts.text("alert-for-fifteen-minutes"),
        AlertDuration::Hour => texts.text("alert-for-hour"),
    }
}

/// Returns a severity in words.
pub(super) fn severity_text(texts: &Texts, severity: AlertSeverity) -> String {
    match severity {
        AlertSeverity::Info => texts.text("severity-info"),
        AlertSeverity::Warning => texts.text("severity-warning"),
        AlertSeverity::Critical => texts.text("severity-critical"),
    }
}

/// Badge with a severity.
pub(super) fn severity_badge(texts: &Texts, severity: AlertSeverity) -> Markup {
    let tone = match severity {
        AlertSeverity::Info => Tone::Neutral,
        AlertSeverity::Warning => Tone::Warning,
        AlertSeverity::Critical => Tone::Bad,
    };
    badge(tone, &severity_text(texts, severity))
}

/// Name of the project of a rule, or the workspace as a whole.
pub(super) fn scope_markup(texts: &Texts, projects: &[Project], project: Option<ProjectId>) -> Markup {
    let found = project.and_then(|id| projects.iter().find(|project| project.id == id));
    html! {
        @match (found, project) {
            (Some(project), _) => (name(project.name.as_str())),
            (None, Some(id)) => { code { (id) } },
            (None, None) => span class="note" { (texts.text("alert-workspace")) },
        }
    }
}

/// Returns the addresses of a rule as a text.
pub(super) fn addresses(rule: &AlertRule) -> String {
    rule.notify.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use hexabase_core::metrics::Metric;
    use hexabase_core::quantity::Quantity;

    use super::*;
    use crate::language::Language;

    #[test]
    fn conditions_are_sentences_in_both_languages() {
        let condition =
            |metric, comparison, limit, duration| AlertCondition { metric, comparison, limit, duration };
        let quota = condition(
            Metric::Cpu,
            Comparison::Above,
            AlertLimit::PercentOfQuota(80),
            AlertDuration::FiveMinutes,
        );
        let amount = condition(
            Metric::Memory,
            Comparison::Below,
            AlertLimit::Threshold(Quantity::mebibytes(512)),
            AlertDuration::Immediate,
        );
        let english = Texts::new(Language::English);
        assert_eq!(condition_text(&english, quota), "CPU above 80% of the quota for 5 min");
        assert_eq!(condition_text(&english, amount), "Memory below 512Mi at once");
        let japanese = Texts::new(Language::Japanese);
        assert_eq!(condition_text(&japanese, quota), "CPU が クォータの 80% を超える(5 分間)");
    }
}
