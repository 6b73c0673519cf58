//! Plans as Stripe's products and prices.
//!
//! A price never changes with Stripe. A plan that costs something else gets a new price, which takes over the lookup key
//! of the old one: whoever subscribes from then on pays the new price, and whoever has subscribed goes on paying the old.

use std::fmt;

use hexabase_core::error::{Error, Result};
use hexabase_core::model::{Interval, Meter, Plan, UsagePrice};
use hexabase_core::name::PlanId;

use super::StripeBilling;
use super::client::Form;
use super::objects::{COMPONENT, INCLUDED, PER_THOUSAND, PLAN, StripePrice, StripeProduct};
use super::parts::{BASE, Cost, NODE, WORKSPACE, lookup_key, product_id};

/// Something that Stripe has to be told so that it sells what the plans say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatalogStep {
    /// A product that is not there yet.
    CreateProduct {
        /// Its name with Stripe.
        id: String,
        /// The name on invoices.
        name: String,
    },
    /// A product that is called something else.
    RenameProduct {
        /// Its name with Stripe.
        id: String,
        /// The name on invoices.
        name: String,
    },
    /// A price that is not there yet, or differs. Whoever has subscribed keeps the old one.
    CreatePrice {
        /// The key that it is found by.
        lookup_key: String,
        /// The product it is of.
        product: String,
        /// The plan.
        plan_id: PlanId,
        /// The part of the plan.
        component: &'static str,
        /// How often it is paid.
        interval: Interval,
        /// How much.
        cost: Cost,
        /// What it was before, if there was anything.
        before: Option<Cost>,
    },
    /// A meter that is not there yet.
    CreateMeter {
        /// What it counts.
        meter: Meter,
    },
}

impl fmt::Display for CatalogStep {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateProduct { id, name } => write!(out, "+ product {id} ({name})"),
            Self::RenameProduct { id, name } => write!(out, "~ product {id} is called {name}"),
            Self::CreatePrice { lookup_key, cost, before: None, .. } => {
                write!(out, "+ price {lookup_key}: {cost}")
            }
            Self::CreatePrice { lookup_key, cost, before: Some(before), .. } => {
                write!(out, "~ price {lookup_key}: {before} becomes {cost}; subscribers keep the old one")
            }
            Self::CreateMeter { meter } => write!(out, "+ meter {meter}, in thousandths of {}", meter.unit()),
        }
    }
}

/// A price as a plan says it should be.
struct Wanted<'a> {
    plan: &'a Plan,
    component: &'static str,
    interval: Interval,
    cost: Cost,
}

fn product_name(plan: &Plan, component: &str) -> String {
    match component {
        WORKSPACE => format!("{}, further workspaces", plan.name),
        NODE => format!("{}, further nodes", plan.name),
        BASE => plan.name.clone(),
        meter => match meter.parse::<Meter>() {
            // A thousandth of a thousand is one.
            Ok(Meter::ApiRequests) => format!("{}, {}", plan.name, Meter::ApiRequests.title()),
            Ok(meter) => format!("{}, {} (1/1000 {})", plan.name, meter.title(), meter.unit_title()),
            Err(_) => format!("{}, {meter}", plan.name),
        },
    }
}

fn wanted(plans: &[Plan]) -> Vec<Wanted<'_>> {
    let mut all = Vec::new();
    // Whoever is on a plan that is not sold any more has its prices already.
    for plan in plans.iter().filter(|plan| !plan.retired) {
        let Some(price) = plan.price else { continue };
        for interval in Interval::ALL.iter().copied() {
            let parts = [
                (BASE, price.per(interval)),
                (WORKSPACE, price.workspace.and_then(|unit| unit.per(interval))),
                (NODE, price.node.and_then(|unit| unit.per(interval))),
            ];
            let parts =
                parts.into_iter().filter_map(|(component, amount)| Some((component, Cost::Each(amount?))));
            let used =
                |(meter, price): (Meter, &Option<UsagePrice>)| Some((meter.as_str(), Cost::Used((*price)?)));
            let used = price.usage.iter().filter(|_| price.per(interval).is_some()).filter_map(used);
            all.extend(parts.chain(used).map(|(component, cost)| Wanted { plan, component, interval, cost }));
        }
    }
    all
}

/// The price of a thousandth of a unit, from that of a thousand units, as a decimal number.
fn millionths(amount: i64) -> String {
    format!("{}.{:06}", amount / 1_000_000, amount % 1_000_000)
}

impl StripeBilling {
    /// What Stripe has to be told so that it sells these plans; nothing when it does.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be asked.
    pub async fn plan_catalog(&self, plans: &[Plan]) -> Result<Vec<CatalogStep>> {
        let mut steps = self.missing_meters(plans).await?;
        for wanted in wanted(plans) {
            let id = product_id(&wanted.plan.id, wanted.component);
            let name = product_name(wanted.plan, wanted.component);
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
            let lookup_key = lookup_key(&wanted.plan.id, wanted.component, wanted.interval);
            let before = self.prices(std::slice::from_ref(&lookup_key)).await?.pop();
            let before = before.map(|price| price.cost());
            if before != Some(wanted.cost) {
                steps.push(CatalogStep::CreatePrice {
                    lookup_key,
                    product: id,
                    plan_id: wanted.plan.id.clone(),
                    component: wanted.component,
                    interval: wanted.interval,
                    cost: wanted.cost,
                    before,
                });
            }
        }
        Ok(steps)
    }

    /// Tells Stripe one of these. Doing it twice does it once.
    ///
    /// # Errors
    /// `Unavailable` when Stripe cannot be asked.
    pub async fn apply(&self, step: &CatalogStep) -> Result<()> {
        match step {
            CatalogStep::CreateProduct { id, name } => {
                let form = Form::new().with("id", id).with("name", name);
                let key = format!("product/{id}/{name}");
                match self.client.post::<StripeProduct>("products", &form, &key).await {
                    // Somebody else was faster.
                    Err(problem)
                        if problem.refusal().is_some_and(|it| it.code == "resource_already_exists") =>
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
            CatalogStep::CreatePrice { lookup_key, product, plan_id, component, interval, cost, before } => {
                let was = before.map_or(String::new(), |before| before.to_string());
                let form = Form::new()
                    .with("product", product)
                    .with("recurring[interval]", interval)
                    .and(self.amounts(component, cost, *interval).await?)
                    .with("lookup_key", lookup_key)
                    .with("transfer_lookup_key", true)
                    .with(format!("metadata[{PLAN}]"), plan_id)
                    .with(format!("metadata[{COMPONENT}]"), component);
                let key = format!("price/{lookup_key}/{was}/{cost}");
                self.client.post::<StripePrice>("prices", &form, &key).await.map(drop).map_err(Error::from)
            }
            CatalogStep::CreateMeter { meter } => self.make_meter(*meter).await,
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

    /// The fields of a price that say how much it is.
    async fn amounts(&self, component: &str, cost: &Cost, interval: Interval) -> Result<Form> {
        let UsagePrice { included, per_thousand } = match cost {
            Cost::Each(amount) => {
                let currency = Form::new().with("currency", amount.currency.as_str());
                return Ok(currency.with("unit_amount", amount.amount));
            }
            Cost::Used(price) => *price,
        };
        let unknown = |_| Error::unexpected("usage is charged for by a meter");
        let meter = self.known_meter(component.parse().map_err(unknown)?).await?;
        let form = Form::new()
            .with("currency", per_thousand.currency.as_str())
            .with("recurring[usage_type]", "metered")
            .with("recurring[meter]", meter)
            .with(format!("metadata[{INCLUDED}]"), included)
            .with(format!("metadata[{PER_THOUSAND}]"), per_thousand.amount);
        let each = millionths(per_thousand.amount);
        let free = UsagePrice { included, per_thousand }.included_in(interval.months());
        Ok(match free {
            0 => form.with("unit_amount_decimal", each),
            free => form
                .with("billing_scheme", "tiered")
                .with("tiers_mode", "graduated")
                .with("tiers[0][up_to]", free)
                .with("tiers[0][unit_amount]", 0)
                .with("tiers[1][up_to]", "inf")
                .with("tiers[1][unit_amount_decimal]", each),
        })
    }

    async fn product(&self, id: &str) -> Result<Option<StripeProduct>> {
        match self.client.get(&format!("products/{id}"), &Form::new()).await {
            Ok(product) => Ok(Some(product)),
            Err(problem) if problem.is_missing() => Ok(None),
            Err(problem) => Err(problem.into()),
        }
    }

    /// The prices that are found by these keys now.
    pub(super) async fn prices(&self, lookup_keys: &[String]) -> Result<Vec<StripePrice>> {
        let query = lookup_keys.iter().fold(Form::new(), |query, key| query.with("lookup_keys[]", key));
        self.client.all("prices", &query.with("active", true)).await.map_err(Error::from)
    }
}
