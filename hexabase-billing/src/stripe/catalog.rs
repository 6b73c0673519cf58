//! Catalog of plans as Stripe's products and prices.
//!
//! A price at Stripe never changes. If the price of a plan changes, a new price takes over the lookup key of the old
//! one: new subscriptions pay the new price, and existing ones keep the old one.

use std::fmt;

use hexabase_core::error::{Error, Result};
use hexabase_core::model::{Interval, Meter, Plan, UsagePrice};
use hexabase_core::name::PlanId;

use super::StripeBilling;
use super::client::Form;
use super::components::{BASE, Cost, NODE, WORKSPACE, lookup_key, product_id};
use super::objects::{COMPONENT, INCLUDED, PER_THOUSAND, PLAN, StripePrice, StripeProduct};

/// Step that brings Stripe's products, prices and meters in line with the plans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatalogStep {
    /// Create a missing product.
    CreateProduct {
        /// Id at Stripe.
        id: String,
        /// Name on invoices.
        name: String,
    },
    /// Rename a product.
    RenameProduct {
        /// Id at Stripe.
        id: String,
        /// New name on invoices.
        name: String,
    },
    /// Create a price that is missing or differs. Existing subscriptions keep the old price.
    CreatePrice {
        /// Lookup key of the price.
        lookup_key: String,
        /// Id of the product.
        product: String,
        /// Plan of the price.
        plan_id: PlanId,
        /// Component of the plan: `plan`, `workspace`, `node` or the name of a meter.
        component: &'static str,
        /// Billing interval.
        interval: Interval,
        /// Cost of the component.
        cost: Cost,
        /// Cost before the change; `None` for a missing price.
        previous: Option<Cost>,
    },
    /// Create a missing meter.
    CreateMeter {
        /// Meter to create.
        meter: Meter,
    },
}

impl fmt::Display for CatalogStep {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateProduct { id, name } => write!(out, "+ product {id} ({name})"),
            Self::RenameProduct { id, name } => write!(out, "~ product {id}: new name {name}"),
            Self::CreatePrice { lookup_key, cost, previous: None, .. } => {
                write!(out, "+ price {lookup_key}: {cost}")
            }
            Self::CreatePrice { lookup_key, cost, previous: Some(previous), .. } => {
                write!(
                    out,
                    "~ price {lookup_key}: {previous} becomes {cost}; existing subscriptions keep the old price"
                )
            }
            Self::CreateMeter { meter } => write!(out, "+ meter {meter}, in thousandths of {}", meter.unit()),
        }
    }
}

/// Price that a plan requires.
struct DesiredPrice<'a> {
    plan: &'a Plan,
    component: &'static str,
    interval: Interval,
    cost: Cost,
}

fn product_name(plan: &Plan, component: &str) -> String {
    match component {
        WORKSPACE => format!("{}, additional workspaces", plan.name),
        NODE => format!("{}, additional nodes", plan.name),
        BASE => plan.name.clone(),
        meter => match meter.parse::<Meter>() {
            // The unit is a thousand requests, so a thousandth of it is one request.
            Ok(Meter::ApiRequests) => format!("{}, {}", plan.name, Meter::ApiRequests.title()),
            Ok(meter) => format!("{}, {} (1/1000 {})", plan.name, meter.title(), meter.unit_title()),
            Err(_) => format!("{}, {meter}", plan.name),
        },
    }
}

fn desired_prices(plans: &[Plan]) -> Vec<DesiredPrice<'_>> {
    let mut all = Vec::new();
    // Subscriptions to a retired plan have its prices already.
    for plan in plans.iter().filter(|plan| !plan.retired) {
        let Some(price) = plan.price else { continue };
        for interval in Interval::ALL.iter().copied() {
            let licensed = [
                (BASE, price.per(interval)),
                (WORKSPACE, price.workspace.and_then(|unit| unit.per(interval))),
                (NODE, price.node.and_then(|unit| unit.per(interval))),
            ];
            let licensed = licensed
                .into_iter()
                .filter_map(|(component, amount)| Some((component, Cost::PerUnit(amount?))));
            let metered = |(meter, price): (Meter, &Option<UsagePrice>)| {
                Some((meter.as_str(), Cost::Metered((*price)?)))
            };
            let metered = price.usage.iter().filter(|_| price.per(interval).is_some()).filter_map(metered);
            let costs = licensed.chain(metered);
            all.extend(costs.map(|(component, cost)| DesiredPrice { plan, component, interval, cost }));
        }
    }
    all
}

/// Returns the price of a thousandth of a unit as a decimal number, from the price of a thousand units.
fn millionths(amount: i64) -> String {
    format!("{}.{:06}", amount / 1_000_000, amount % 1_000_000)
}

impl StripeBilling {
    /// Returns the steps that bring Stripe in line with the plans; an empty list if nothing differs.
    ///
    /// # Errors
    /// `Unavailable` if Stripe does not respond.
    pub async fn plan_catalog(&self, plans: &[Plan]) -> Result<Vec<CatalogStep>> {
        let mut steps = self.missing_meters(plans).await?;
        for desired in desired_prices(plans) {
            let id = product_id(&desired.plan.id, desired.component);
            let name = product_name(desired.plan, desired.component);
            let known = |step: &CatalogStep| match step {
                CatalogStep::CreateProduct { id: known, .. }
                | CatalogStep::RenameProduct { id: known, .. } => *known == id,
                CatalogStep::CreatePrice { .. } | CatalogStep::CreateMeter { .. } => false,
            };
            if !steps.iter().any(known) {
                match self.product(&id).await? {
                    None => steps.push(CatalogStep::CreateProduct { id: id.clone(), name }),
                    Some(found) if found.name != name => {
                        steps.push(CatalogStep::RenameProduct { id: id.clone(), name });
                    }
                    Some(_) => {}
                }
            }
            let lookup_key = lookup_key(&desired.plan.id, desired.component, desired.interval);
            let previous = self.prices(std::slice::from_ref(&lookup_key)).await?.pop();
            let previous = previous.map(|price| price.cost());
            if previous != Some(desired.cost) {
                steps.push(CatalogStep::CreatePrice {
                    lookup_key,
                    product: id,
                    plan_id: desired.plan.id.clone(),
                    component: desired.component,
                    interval: desired.interval,
                    cost: desired.cost,
                    previous,
                });
            }
        }
        Ok(steps)
    }

    /// Applies a step at Stripe. Idempotent.
    ///
    /// # Errors
    /// `Unavailable` if Stripe does not respond.
    pub async fn apply(&self, step: &CatalogStep) -> Result<()> {
        match step {
            CatalogStep::CreateProduct { id, name } => {
                let form = Form::new().with("id", id).with("name", name);
                let key = format!("product/{id}/{name}");
                match self.client.post::<StripeProduct>("products", &form, &key).await {
                    // A concurrent sync has created the product.
                    Err(error)
                        if error.api_error().is_some_and(|it| it.code == "resource_already_exists") =>
                    {
                        Ok(())
                    }
                    outcome => outcome.map(drop).map_err(Error::from),
                }
            }
            CatalogStep::RenameProduct { id, name } => {
                let (path, form) = (format!("products/{id}"), Form::new().with("name", name));
                let key = format!("rename/{id}/{name}");
                self.client.post::<StripeProduct>(&path, &form, &key).await.map(drop).map_err(Error::from)
            }
            CatalogStep::CreatePrice {
                lookup_key,
                product,
                plan_id,
                component,
                interval,
                cost,
                previous,
            } => {
                let previous = previous.map_or(String::new(), |previous| previous.to_string());
                let form = Form::new()
                    .with("product", product)
                    .with("recurring[interval]", interval)
                    .and(self.amounts(component, cost, *interval).await?)
                    .with("lookup_key", lookup_key)
                    .with("transfer_lookup_key", true)
                    .with(format!("metadata[{PLAN}]"), plan_id)
                    .with(format!("metadata[{COMPONENT}]"), component);
                let key = format!("price/{lookup_key}/{previous}/{cost}");
                self.client.post::<StripePrice>("prices", &form, &key).await.map(drop).map_err(Error::from)
            }
            CatalogStep::CreateMeter { meter } => self.create_meter(*meter).await,
        }
    }

    async fn missing_meters(&self, plans: &[Plan]) -> Result<Vec<CatalogStep>> {
        let charges =
            |meter: Meter| plans.iter().any(|plan| plan.price.is_some_and(|it| it.usage[meter].is_some()));
        let mut steps = Vec::new();
        for meter in Meter::ALL.iter().copied().filter(|meter| charges(*meter)) {
            if self.meter(meter).await?.is_none() {
                steps.push(CatalogStep::CreateMeter { meter });
            }
        }
        Ok(steps)
    }

    /// Returns the fields of a price that define its amount.
    async fn amounts(&self, component: &str, cost: &Cost, interval: Interval) -> Result<Form> {
        let UsagePrice { included, per_thousand } = match cost {
            Cost::PerUnit(amount) => {
                let currency = Form::new().with("currency", amount.currency.as_str());
                return Ok(currency.with("unit_amount", amount.amount));
            }
            Cost::Metered(price) => *price,
        };
        let no_meter = |_| Error::unexpected("component with a metered cost is not a meter");
        let meter = self.require_meter(component.parse().map_err(no_meter)?).await?;
        let form = Form::new()
            .with("currency", per_thousand.currency.as_str())
            .with("recurring[usage_type]", "metered")
            .with("recurring[meter]", meter)
            .with(format!("metadata[{INCLUDED}]"), included)
            .with(format!("metadata[{PER_THOUSAND}]"), per_thousand.amount);
        let per_thousandth = millionths(per_thousand.amount);
        let free = UsagePrice { included, per_thousand }.included_in(interval.months());
        Ok(match free {
            0 => form.with("unit_amount_decimal", per_thousandth),
            free => form
                .with("billing_scheme", "tiered")
                .with("tiers_mode", "graduated")
                .with("tiers[0][up_to]", free)
                .with("tiers[0][unit_amount]", 0)
                .with("tiers[1][up_to]", "inf")
                .with("tiers[1][unit_amount_decimal]", per_thousandth),
        })
    }

    async fn product(&self, id: &str) -> Result<Option<StripeProduct>> {
        match self.client.get(&format!("products/{id}"), &Form::new()).await {
            Ok(product) => Ok(Some(product)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the active prices with these lookup keys.
    pub(super) async fn prices(&self, lookup_keys: &[String]) -> Result<Vec<StripePrice>> {
        let query = lookup_keys.iter().fold(Form::new(), |query, key| query.with("lookup_keys[]", key));
        self.client.list_all("prices", &query.with("active", true)).await.map_err(Error::from)
    }
}
