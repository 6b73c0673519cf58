//! Banner of a missing payment.

use hexabase_core::id::OrganizationId;
use hexabase_core::model::BillingStanding;
use maud::{Markup, html};

use crate::components::{ButtonKind, Tone, link_button, notice};
use crate::language::Texts;
use crate::time::exact_time;
use crate::urls;

/// Banner of a missing payment with the date of its consequence; nothing if no payment is missing.
pub(crate) fn dunning(texts: &Texts, org: OrganizationId, standing: BillingStanding) -> Markup {
    let actions = html! {
        div class="actions" {
            (link_button(ButtonKind::Secondary, &texts.text("dunning-methods"), &urls::payment_methods(org)))
            (link_button(ButtonKind::Secondary, &texts.text("dunning-invoices"), &urls::invoices(org)))
        }
    };
    match standing {
        BillingStanding::Good => html! {},
        BillingStanding::Grace { since, until, .. } => notice(
            Tone::Warning,
            &texts.text("dunning-grace"),
            &html! {
                p { (texts.text("dunning-grace-until")) " " strong { (exact_time(texts, until)) } }
                p { (texts.text("dunning-grace-about")) }
                p class="note" { (texts.text("dunning-since")) " " (exact_time(texts, since)) }
                (actions)
            },
        ),
        BillingStanding::Suspended { since } => notice(
            Tone::Bad,
            &texts.text("dunning-suspended"),
            &html! {
                p { (texts.text("dunning-suspended-since")) " " strong { (exact_time(texts, since)) } }
                p { (texts.text("dunning-suspended-about")) }
                (actions)
            },
        ),
    }
}

#[cfg(test)]
mod tests {
    use hexabase_core::fixture::{FIXTURE_TIME, id};

    use super::*;
    use crate::language::Language;

    #[test]
    fn the_banner_names_the_date_of_the_consequence() {
        let org = id("acme");
        let rendered = |language, standing| dunning(&Texts::new(language), org, standing).into_string();
        let grace = BillingStanding::Grace { since: FIXTURE_TIME, until: FIXTURE_TIME, reminded: false };
        for (language, date) in [
            (Language::English, "1 Jan 2026, 00:00:00 UTC"),
            (Language::Japanese, "2026年1月1日 00:00:00 UTC"),
        ] {
            assert_eq!(rendered(language, BillingStanding::Good), "");
            let banner = rendered(language, grace);
            assert!(banner.contains("notice warning") && banner.contains(date), "{banner}");
            let banner = rendered(language, BillingStanding::Suspended { since: FIXTURE_TIME });
            assert!(banner.contains("notice bad") && banner.contains(date), "{banner}");
        }
    }
}
