//! Proof of metering: measured, reported and received usage side by side.

use hexabase_core::platform::UsageVerification;
use maud::{Markup, html};

use super::words::{meter_text, usage_text};
use crate::components::{Column, Row, Table, Tone, badge, table, unavailable};
use crate::language::Texts;

/// Comparison for each charged meter. `None` if the payment provider does not respond.
pub(super) fn proof(texts: &Texts, verified: Option<&[UsageVerification]>) -> Markup {
    let row = |it: &UsageVerification| -> Row {
        let verdict = match it.is_consistent() {
            true => badge(Tone::Good, &texts.text("metered-consistent")),
            false => badge(Tone::Warning, &texts.text("metered-inconsistent")),
        };
        let amount = |thousandths| html! { (usage_text(texts, it.meter, thousandths)) };
        vec![
            html! { (meter_text(texts, it.meter)) },
            amount(it.used),
            amount(it.reported),
            amount(it.provider),
            amount(it.uncharged),
            verdict,
        ]
        .into()
    };
    html! {
        p class="note" { (texts.text("metered-proof-about")) }
        @match verified {
            None => (unavailable(texts, &texts.text("billing-provider"))),
            Some([]) => p { (texts.text("metered-proof-none")) },
            Some(verified) => (table(&Table {
                caption: texts.text("metered-proof"),
                is_caption_hidden: true,
                columns: vec![
                    Column::text(texts.text("billing-meter")),
                    Column::number(texts.text("metered-measured")),
                    Column::number(texts.text("metered-sent")),
                    Column::number(texts.text("metered-received")),
                    Column::number(texts.text("metered-uncharged")),
                    Column::text(texts.text("billing-status")),
                ],
                rows: verified.iter().map(row).collect(),
            })),
        }
    }
}
