//! Objects of Stripe's API, with the fields that are read.

use std::collections::BTreeMap;

use hexabase_core::billing::{Invoice, InvoiceLine, InvoiceStatus, PaymentMethod};
use hexabase_core::error::{Error, Result};
use hexabase_core::model::{AddOns, Currency, Interval, Money, Subscription, SubscriptionState, UsagePrice};
use hexabase_core::name::PlanId;
use jiff::Timestamp;
use serde::Deserialize;

use super::client::{Identified, List};
use super::components::{BASE, Cost, NODE, WORKSPACE, metered_by};

/// Metadata of prices: id of the plan, and component of the plan.
pub(super) const PLAN: &str = "hexabase_plan";
pub(super) const COMPONENT: &str = "hexabase_component";
/// Metadata of metered prices: included amount per month, and price of a thousand units.
pub(super) const INCLUDED: &str = "hexabase_included";
pub(super) const PER_THOUSAND: &str = "hexabase_per_thousand";
/// Metadata of customers: id of the organization.
pub(super) const ORGANIZATION: &str = "hexabase_organization";

pub(super) type Metadata = BTreeMap<String, String>;

macro_rules! identified {
    ($($type:ident),+) => {$(
        impl Identified for $type {
            fn id(&self) -> &str {
                &self.id
            }
        }
    )+};
}

identified!(StripeCustomer, StripePrice, StripeSubscription, StripeInvoice, StripeMethod);

#[derive(Debug, Deserialize)]
pub(super) struct StripeCustomer {
    pub(super) id: String,
    #[serde(default)]
    pub(super) deleted: bool,
    #[serde(default)]
    pub(super) metadata: Metadata,
    pub(super) invoice_settings: Option<InvoiceSettings>,
}

#[derive(Debug, Deserialize)]
pub(super) struct InvoiceSettings {
    pub(super) default_payment_method: Option<String>,
}

impl StripeCustomer {
    pub(super) fn default_method(&self) -> Option<&str> {
        self.invoice_settings.as_ref()?.default_payment_method.as_deref()
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct StripeMethod {
    pub(super) id: String,
    #[serde(rename = "type")]
    kind: String,
    card: Option<Card>,
}

#[derive(Debug, Deserialize)]
struct Card {
    brand: String,
    last4: String,
}

impl StripeMethod {
    pub(super) fn payment_method(self, default: Option<&str>) -> PaymentMethod {
        let title = match self.card {
            Some(card) => format!("{} •••• {}", card.brand, card.last4),
            None => self.kind.replace('_', " "),
        };
        PaymentMethod { is_default: default == Some(self.id.as_str()), id: self.id, title }
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct StripePrice {
    pub(super) id: String,
    pub(super) unit_amount: Option<i64>,
    pub(super) currency: Currency,
    pub(super) lookup_key: Option<String>,
    #[serde(default)]
    pub(super) metadata: Metadata,
    pub(super) recurring: Option<Recurring>,
}

impl StripePrice {
    pub(super) fn cost(&self) -> Cost {
        let money = |amount| Money { amount, currency: self.currency };
        let number = |name| self.metadata.get(name).and_then(|text| text.parse::<i64>().ok());
        let included = number(INCLUDED).and_then(|included| u32::try_from(included).ok());
        match (included, number(PER_THOUSAND)) {
            (Some(included), Some(amount)) => {
                Cost::Metered(UsagePrice { included, per_thousand: money(amount) })
            }
            _ => Cost::PerUnit(money(self.unit_amount.unwrap_or_default())),
        }
    }

    /// Returns the cost of a quantity for one period; 0 for a metered price, whose cost depends on usage.
    pub(super) fn amount_for(&self, quantity: u32) -> i64 {
        let metered = self.recurring.as_ref().is_some_and(|it| it.usage_type.as_deref() == Some("metered"));
        if metered { 0 } else { self.unit_amount.unwrap_or(0).saturating_mul(i64::from(quantity)) }
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Recurring {
    pub(super) interval: String,
    usage_type: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct StripeProduct {
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct StripeSubscription {
    pub(super) id: String,
    status: String,
    pub(super) cancel_at_period_end: bool,
    trial_end: Option<i64>,
    items: List<StripeItem>,
    pending_update: Option<serde::de::IgnoredAny>,
    pub(super) latest_invoice: Option<LatestInvoice>,
}

#[derive(Debug, Deserialize)]
pub(super) struct StripeItem {
    pub(super) id: String,
    pub(super) price: StripePrice,
    pub(super) quantity: Option<u32>,
    current_period_end: i64,
}

/// Invoice: expanded, or its id only.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum LatestInvoice {
    Expanded {
        confirmation_secret: Option<ConfirmationSecret>,
    },
    #[expect(dead_code, reason = "the id is not needed")]
    Id(String),
}

#[derive(Deserialize)]
pub(super) struct ConfirmationSecret {
    pub(super) client_secret: String,
}

impl std::fmt::Debug for ConfirmationSecret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("ConfirmationSecret")
    }
}

impl StripeSubscription {
    /// Returns the item of a component.
    pub(super) fn item(&self, component: &str) -> Option<&StripeItem> {
        let is =
            |item: &&StripeItem| item.price.metadata.get(COMPONENT).is_some_and(|name| name == component);
        self.items.data.iter().find(is)
    }

    pub(super) fn state(&self) -> Result<SubscriptionState> {
        let unknown = |_| Error::unexpected("Stripe returned an unknown subscription status");
        self.status.parse().map_err(|error| unknown(error).with("state", &self.status))
    }

    /// Returns the cost of a whole period, without usage.
    pub(super) fn amount_per_period(&self) -> i64 {
        self.items.data.iter().map(|item| item.price.amount_for(item.quantity.unwrap_or(1))).sum()
    }

    /// Converts to a subscription of Hexabase; `None` if it is not for a plan.
    pub(super) fn subscription(&self) -> Result<Option<Subscription>> {
        let Some(base) = self.item(BASE) else { return Ok(None) };
        let Some(plan) = base.price.metadata.get(PLAN).and_then(|plan| PlanId::parse(plan).ok()) else {
            return Ok(None);
        };
        let interval = base.price.recurring.as_ref().map(|recurring| recurring.interval.as_str());
        let Some(interval) = interval.and_then(|interval| interval.parse::<Interval>().ok()) else {
            return Ok(None);
        };
        let paid_for = |component| self.item(component).map(|item| item.quantity.unwrap_or(1));
        Ok(Some(Subscription {
            id: self.id.clone(),
            plan_id: plan,
            interval,
            add_ons: AddOns { workspaces: paid_for(WORKSPACE), nodes: paid_for(NODE) },
            state: self.state()?,
            current_period_end: timestamp(base.current_period_end)?,
            cancel_at_period_end: self.cancel_at_period_end,
            trial_end: self.trial_end.map(timestamp).transpose()?,
            awaits_confirmation: self.pending_update.is_some(),
        }))
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct StripeInvoice {
    id: String,
    pub(super) customer: String,
    number: Option<String>,
    status: Option<String>,
    currency: Currency,
    subtotal: i64,
    total: i64,
    amount_due: i64,
    created: i64,
    invoice_pdf: Option<String>,
    #[serde(default)]
    total_taxes: Option<Vec<Tax>>,
    lines: List<StripeLine>,
}

#[derive(Debug, Deserialize)]
struct Tax {
    amount: i64,
}

#[derive(Debug, Deserialize)]
struct StripeLine {
    amount: i64,
    description: Option<String>,
    quantity: Option<u64>,
    period: Period,
    parent: Option<LineParent>,
    pricing: Option<Pricing>,
}

#[derive(Debug, Deserialize)]
struct Pricing {
    price_details: Option<PriceDetails>,
}

#[derive(Debug, Deserialize)]
struct PriceDetails {
    product: String,
}

#[derive(Debug, Deserialize)]
struct Period {
    start: i64,
    end: i64,
}

#[derive(Debug, Deserialize)]
struct LineParent {
    subscription_item_details: Option<LineDetails>,
    invoice_item_details: Option<LineDetails>,
}

#[derive(Debug, Deserialize)]
struct LineDetails {
    #[serde(default)]
    proration: bool,
}

impl StripeInvoice {
    /// Converts to an invoice of Hexabase. A preview has no id.
    pub(super) fn invoice(self) -> Result<Invoice> {
        let money = |amount| Money { amount, currency: self.currency };
        let line = |line: StripeLine| -> Result<InvoiceLine> {
            let product =
                line.pricing.and_then(|pricing| pricing.price_details).map(|details| details.product);
            let details = line.parent.and_then(|it| it.subscription_item_details.or(it.invoice_item_details));
            Ok(InvoiceLine {
                description: line.description.unwrap_or_default(),
                quantity: line.quantity.unwrap_or(1),
                meter: product.and_then(|product| metered_by(&product)),
                amount: money(line.amount),
                proration: details.is_some_and(|details| details.proration),
                period_start: timestamp(line.period.start)?,
                period_end: timestamp(line.period.end)?,
            })
        };
        let unknown = |_| Error::unexpected("Stripe returned an unknown invoice status");
        let status = match &self.status {
            Some(status) => status.parse().map_err(|error| unknown(error).with("status", status))?,
            None => InvoiceStatus::Draft,
        };
        let is_preview = self.id.is_empty() || self.id.starts_with("upcoming_");
        Ok(Invoice {
            number: self.number.filter(|_| !is_preview),
            status,
            subtotal: money(self.subtotal),
            tax: money(self.total_taxes.iter().flatten().map(|tax| tax.amount).sum()),
            total: money(self.total),
            amount_due: money(self.amount_due),
            created_at: timestamp(self.created)?,
            pdf_url: self.invoice_pdf.filter(|_| !is_preview),
            lines: self.lines.data.into_iter().map(line).collect::<Result<_>>()?,
            id: if is_preview { String::new() } else { self.id },
        })
    }
}

fn timestamp(seconds: i64) -> Result<Timestamp> {
    Timestamp::from_second(seconds).map_err(|error| {
        Error::unexpected("Stripe returned a timestamp that is out of range").caused_by(error)
    })
}

/// Created object with its id and, depending on its kind, a client secret or a URL.
#[derive(Deserialize)]
pub(super) struct CreatedObject {
    pub(super) id: String,
    pub(super) client_secret: Option<String>,
    pub(super) url: Option<String>,
}
