//! Components of a plan: the parts that have a price of their own, with their ids at Stripe and their cost.

use std::fmt;

use hexabase_core::model::{Interval, Meter, Money, UsagePrice};
use hexabase_core::name::PlanId;

/// Component for the plan itself.
pub(super) const BASE: &str = "plan";
/// Component for workspaces beyond the included ones.
pub(super) const WORKSPACE: &str = "workspace";
/// Component for dedicated nodes beyond the included ones.
pub(super) const NODE: &str = "node";

/// Cost of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// Fixed price per unit.
    PerUnit(Money),
    /// Price by use.
    Metered(UsagePrice),
}

impl fmt::Display for Cost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PerUnit(amount) => amount.fmt(out),
            Self::Metered(UsagePrice { included, per_thousand }) => {
                write!(out, "{per_thousand} per thousand beyond {included} a month")
            }
        }
    }
}

/// Returns the lookup key of the price of a component.
pub(super) fn lookup_key(plan: &PlanId, component: &str, interval: Interval) -> String {
    format!("hexabase_{plan}_{component}_{interval}")
}

/// Returns the id of the product of a component.
pub(super) fn product_id(plan: &PlanId, component: &str) -> String {
    format!("hexabase_{plan}_{component}")
}

/// Returns the meter that a product of Hexabase charges; `None` if it does not charge by use.
pub(super) fn metered_by(product: &str) -> Option<Meter> {
    let charged = |meter: &Meter| product.starts_with("hexabase_") && product.ends_with(&format!("_{meter}"));
    Meter::ALL.iter().copied().find(charged)
}
