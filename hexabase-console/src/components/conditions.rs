use hexabase_core::model::{Condition, ConditionStatus};
use maud::{Markup, html};

use super::badge::{Tone, badge};
use super::table::{Column, Table, table};
use crate::language::Texts;
use crate::reasons::status_note;
use crate::time::time;

/// Table of the conditions of a workspace.
#[must_use]
pub fn conditions(texts: &Texts, conditions: &[Condition]) -> Markup {
    let row = |condition: &Condition| {
        let (tone, status) = match condition.status {
            ConditionStatus::True => (Tone::Good, texts.text("condition-true")),
            ConditionStatus::False => (Tone::Warning, texts.text("condition-false")),
            ConditionStatus::Unknown => (Tone::Neutral, texts.text("condition-unknown")),
        };
        let explanation = html! {
            code { (condition.reason) }
            @if !condition.message.is_empty() {
                p class="note" { (status_note(texts, &condition.reason, &condition.message)) }
            }
        };
        let since = time(texts, condition.last_transition_time);
        vec![html! { code { (condition.kind) } }, badge(tone, &status), explanation, since].into()
    };
    table(&Table {
        caption: texts.text("conditions-caption"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("conditions-type")),
            Column::text(texts.text("conditions-status")),
            Column::text(texts.text("conditions-reason")),
            Column::text(texts.text("conditions-since")),
        ],
        rows: conditions.iter().map(row).collect(),
    })
}
