//! Proof of the metering of an organization: stored usage against the reports and the usage of the payment provider.

use hexabase_core::error::Result;
use hexabase_core::id::OrganizationId;
use hexabase_core::model::Month;
use hexabase_core::platform::{Platform, UsageVerification};
use maud::{Markup, html};

use crate::components::{Column, Field, Table, Tone, badge, field, get_form, table, unavailable};
use crate::language::Texts;
use crate::numbers::count;
use crate::pages::unless_unavailable;
use crate::urls;

/// Comparison of the usage of a month.
pub(super) struct Metering {
    month: String,
    proof: Proof,
}

/// Result of a comparison.
enum Proof {
    /// The text is no month.
    InvalidMonth,
    /// The payment provider does not respond.
    Unavailable,
    /// Usage of each meter.
    Available(Vec<UsageVerification>),
}

impl Metering {
    /// Compares the usage of a month (`2026-11`); `None` for an empty text.
    pub(super) async fn read(platform: &Platform, org: OrganizationId, month: &str) -> Result<Option<Self>> {
        if month.is_empty() {
            return Ok(None);
        }
        let proof = match month.parse::<Month>() {
            Ok(month) => match unless_unavailable(platform.billing().verify_usage(org, month).await)? {
                Some(verifications) => Proof::Available(verifications),
                None => Proof::Unavailable,
            },
            Err(_) => Proof::InvalidMonth,
        };
        Ok(Some(Self { month: month.to_owned(), proof }))
    }
}

/// Form that chooses a month, and the comparison of its usage.
pub(super) fn metering(texts: &Texts, org: OrganizationId, proof: Option<&Metering>) -> Markup {
    let is_invalid = matches!(proof, Some(Metering { proof: Proof::InvalidMonth, .. }));
    let month = Field::line("month", texts.text("metering-month"))
        .value(proof.map(|proof| proof.month.clone()).unwrap_or_default())
        .error(is_invalid.then(|| texts.text("metering-month-invalid")))
        .hint(texts.text("metering-month-hint"))
        .required();
    html! {
        p { (texts.text("metering-about")) }
        (get_form(&urls::tenant(org), &html! {
            (field(texts, &month))
            button class="button" type="submit" { (texts.text("metering-verify")) }
        }))
        @match proof.map(|metering| &metering.proof) {
            None | Some(Proof::InvalidMonth) => {},
            Some(Proof::Unavailable) => (unavailable(texts, &texts.text("metering-provider"))),
            Some(Proof::Available(verifications)) if verifications.is_empty() => p { (texts.text("metering-none")) },
            Some(Proof::Available(verifications)) => (comparison(texts, verifications)),
        }
    }
}

fn comparison(texts: &Texts, verifications: &[UsageVerification]) -> Markup {
    let row = |verification: &UsageVerification| {
        let result = match verification.is_consistent() {
            true => badge(Tone::Good, &texts.text("metering-consistent")),
            false => badge(Tone::Bad, &texts.text("metering-inconsistent")),
        };
        // Thousandths of the meter's unit, so that differences are exact.
        let number = |thousandths: u64| html! { (count(thousandths)) };
        vec![
            html! { code { (verification.meter.as_str()) } },
            number(verification.used),
            number(verification.reported),
            number(verification.provider),
            number(verification.uncharged),
            result,
        ]
        .into()
    };
    table(&Table {
        caption: texts.text("metering-caption"),
        is_caption_hidden: false,
        columns: vec![
            Column::text(texts.text("metering-meter")),
            Column::number(texts.text("metering-used")),
            Column::number(texts.text("metering-reported")),
            Column::number(texts.text("metering-received")),
            Column::number(texts.text("metering-uncharged")),
            Column::text(texts.text("metering-result")),
        ],
        rows: verifications.iter().map(row).collect(),
    })
}
