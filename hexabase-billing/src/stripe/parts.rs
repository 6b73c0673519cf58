//! The parts that a plan is sold in: what they cost, and what Stripe calls them.

use std::fmt;

use hexabase_core::model::{Interval, Meter, Money, UsagePrice};
use hexabase_core::name::PlanId;

/// The part of a price that is for the plan itself.
pub(super) const BASE: &str = "plan";
/// The part that is for further workspaces.
pub(super) const WORKSPACE: &str = "workspace";
/// The part that is for nodes that workspaces have to themselves.
pub(super) const NODE: &str = "node";

/// What something costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// So much each.
    Each(Money),
    /// By use.
    Used(UsagePrice),
}

impl fmt::Display for Cost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Each(amount) => amount.fmt(out),
            Self::Used(UsagePrice { included, per_thousand }) => {
                write!(out, "{per_thousand} a thousand beyond {included} a month")
            }
        }
    }
}

/// The key that the price of a part is found by.
pub(super) fn lookup_key(plan: &PlanId, component: &str, interval: Interval) -> String {
    format!("hexabase_{plan}_{component}_{interval}")
}

/// What the product of a part is called.
pub(super) fn product_id(plan: &PlanId, component: &str) -> String {
    format!("hexabase_{plan}_{component}")
}

/// What is charged for by a product that we made, if it is charged for by use.
pub(super) fn metered_by(product: &str) -> Option<Meter> {
    let of = |meter: &Meter| product.starts_with("hexabase_") && product.ends_with(&format!("_{meter}"));
    Meter::ALL.iter().copied().find(of)
}
