//! Preview of an alert rule: the periods of the last day in which its alert would have been firing.

use hexabase_core::alerts::FiringPeriod;
use hexabase_core::error::Result;
use hexabase_core::id::{OrganizationId, WorkspaceId};
use hexabase_core::metrics::Metric;
use hexabase_core::platform::{AlertBackTest, CreateAlertRule};
use maud::{Markup, html};

use super::source::simulated;
use super::words::format_of;
use crate::components::{Column, Table, Tone, notice, table};
use crate::context::Context;
use crate::language::Texts;
use crate::time::exact_time;

/// Value of the button that asks for a preview.
pub(super) const PREVIEW: &str = "preview";

/// Result of a preview.
pub(super) struct Preview {
    metric: Metric,
    test: AlertBackTest,
}

impl Preview {
    /// Evaluates a rule over the last day; nothing is saved.
    pub(super) async fn of(
        context: &Context,
        (org, ws): (OrganizationId, WorkspaceId),
        command: &CreateAlertRule,
    ) -> Result<Self> {
        let test = context.platform().alert_rules().back_test(&context.caller, org, ws, command).await?;
        Ok(Self { metric: command.condition.metric, test })
    }

    /// Returns the place of the result on the page.
    pub(super) fn markup(&self, texts: &Texts) -> Markup {
        let Self { metric, test } = self;
        let format = format_of(metric.unit());
        let (tone, title) = match (test.range, test.count) {
            (None, _) => (Tone::Neutral, texts.text("preview-unmeasured")),
            (_, 0) => (Tone::Good, texts.text("preview-never")),
            (_, count) => (Tone::Warning, texts.text_with("preview-count", &[("count", count.into())])),
        };
        let limit = format(test.threshold);
        let content = html! {
            p {
                (texts.text_with("preview-limit", &[("limit", (&limit).into())]))
                @if let Some(range) = test.range {
                    " " (texts.text_with("preview-range", &[
                        ("lowest", (&format(range.lowest)).into()), ("highest", (&format(range.highest)).into()),
                    ]))
                }
            }
            @if test.periods.len() < test.count {
                p { (texts.text_with("preview-last", &[("count", test.periods.len().into())])) }
            }
            @if test.is_simulated { (simulated(texts)) }
        };
        html! {
            div id="preview" data-focus tabindex="-1" { (notice(tone, &title, &content)) }
            @if !test.periods.is_empty() { (periods(texts, &test.periods, format)) }
        }
    }
}

fn periods(texts: &Texts, periods: &[FiringPeriod], format: fn(f64) -> String) -> Markup {
    let row = |period: &FiringPeriod| {
        let end = html! {
            @match period.ends_at {
                Some(end) => (exact_time(texts, end)),
                None => (texts.text("preview-still")),
            }
        };
        let range = format!("{} – {}", format(period.range.lowest), format(period.range.highest));
        vec![exact_time(texts, period.starts_at), end, html! { (range) }].into()
    };
    table(&Table {
        caption: texts.text("preview-periods"),
        is_caption_hidden: false,
        columns: vec![
            Column::text(texts.text("preview-from")),
            Column::text(texts.text("preview-to")),
            Column::number(texts.text("preview-values")),
        ],
        // The latest ones come first.
        rows: periods.iter().rev().map(row).collect(),
    })
}

#[cfg(test)]
mod tests {
    use hexabase_core::alerts::ValueRange;
    use jiff::Timestamp;

    use super::*;
    use crate::language::Language;

    const START: Timestamp = Timestamp::constant(1_767_225_600, 0);

    fn preview(count: usize, range: Option<ValueRange>) -> Preview {
        let period = FiringPeriod {
            starts_at: START,
            ends_at: None,
            range: ValueRange { lowest: 0.5, highest: 0.75 },
        };
        let test = AlertBackTest {
            start: START,
            end: START,
            threshold: 0.5,
            measured: Vec::new(),
            range,
            count,
            periods: vec![period; count.min(2)],
            is_simulated: true,
        };
        Preview { metric: Metric::Cpu, test }
    }

    #[test]
    fn a_preview_counts_and_lists_the_times() {
        let range = Some(ValueRange { lowest: 0.25, highest: 0.75 });
        for (language, count, expected) in [
            (Language::English, 3, "The alert would have fired 3 times."),
            (Language::English, 1, "The alert would have fired once."),
            (Language::English, 0, "The alert would not have fired."),
            (Language::Japanese, 3, "3 回"),
        ] {
            let shown = preview(count, range).markup(&Texts::new(language)).into_string();
            assert!(shown.contains(expected), "{shown}");
            assert_eq!(shown.contains("<table"), count > 0, "{shown}");
        }
        let many = preview(3, range).markup(&Texts::new(Language::English)).into_string();
        assert!(
            many.contains("still firing") && many.contains("0.5 – 0.75") && many.contains("sandbox"),
            "{many}"
        );
        let nothing = preview(0, None).markup(&Texts::new(Language::English)).into_string();
        assert!(nothing.contains("Nothing was measured"), "{nothing}");
    }
}
