//! Words of billing in the language of the page.

use hexabase_core::billing::InvoiceStatus;
use hexabase_core::model::{Interval, Meter, Money, SubscriptionState};
use maud::Markup;

use crate::components::{Tone, badge};
use crate::language::Texts;
use crate::money::money;
use crate::numbers::decimal;

/// Returns a price with its interval: "$49.00 per month".
pub(crate) fn interval_price(texts: &Texts, price: Money, interval: Interval) -> String {
    let price = money(texts.language(), price);
    match interval {
        Interval::Month => texts.text_with("plan-monthly", &[("price", (&price).into())]),
        Interval::Year => texts.text_with("plan-yearly", &[("price", (&price).into())]),
    }
}

pub(crate) fn subscription_badge(texts: &Texts, state: SubscriptionState) -> Markup {
    match state {
        SubscriptionState::Active => badge(Tone::Good, &texts.text("subscription-active")),
        SubscriptionState::Trialing => badge(Tone::Good, &texts.text("subscription-trialing")),
        SubscriptionState::Incomplete => badge(Tone::Busy, &texts.text("subscription-incomplete")),
        SubscriptionState::PastDue => badge(Tone::Warning, &texts.text("subscription-past-due")),
        SubscriptionState::Unpaid => badge(Tone::Bad, &texts.text("subscription-unpaid")),
        SubscriptionState::Paused => badge(Tone::Warning, &texts.text("subscription-paused")),
        SubscriptionState::Canceled | SubscriptionState::IncompleteExpired => {
            badge(Tone::Neutral, &texts.text("subscription-canceled"))
        }
    }
}

pub(super) fn invoice_badge(texts: &Texts, status: InvoiceStatus) -> Markup {
    match status {
        InvoiceStatus::Draft => badge(Tone::Neutral, &texts.text("invoice-draft")),
        InvoiceStatus::Open => badge(Tone::Warning, &texts.text("invoice-open")),
        InvoiceStatus::Paid => badge(Tone::Good, &texts.text("invoice-paid")),
        InvoiceStatus::Uncollectible => badge(Tone::Bad, &texts.text("invoice-uncollectible")),
        InvoiceStatus::Void => badge(Tone::Neutral, &texts.text("invoice-void")),
    }
}

pub(super) fn meter_text(texts: &Texts, meter: Meter) -> String {
    match meter {
        Meter::Cpu => texts.text("metered-cpu"),
        Meter::Memory => texts.text("metered-memory"),
        Meter::Storage => texts.text("metered-storage"),
        Meter::NetworkReceive => texts.text("metered-network-receive"),
        Meter::NetworkTransmit => texts.text("metered-network-transmit"),
        Meter::ApiRequests => texts.text("metered-api-requests"),
    }
}

/// Returns an amount in thousandths of the unit of a meter with the unit: "12.5 GiB".
pub(super) fn usage_text(texts: &Texts, meter: Meter, thousandths: u64) -> String {
    let amount = decimal(thousandths);
    match meter {
        Meter::Cpu => texts.text_with("metered-unit-core-hours", &[("amount", (&amount).into())]),
        Meter::Memory | Meter::Storage => {
            texts.text_with("metered-unit-gib-hours", &[("amount", (&amount).into())])
        }
        Meter::NetworkReceive | Meter::NetworkTransmit => {
            texts.text_with("metered-unit-gib", &[("amount", (&amount).into())])
        }
        Meter::ApiRequests => {
            texts.text_with("metered-unit-thousand-requests", &[("amount", (&amount).into())])
        }
    }
}
