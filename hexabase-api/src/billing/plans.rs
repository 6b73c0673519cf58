//! Plans.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{FromRef, State};
use hexabase_core::Platform;
use hexabase_core::model::{Meter, Money, Plan, Price, UnitPrice, UsagePrice};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::problem::{ApiResult, Problems};
use crate::response::List;
use crate::schema::{self, ResourceAmounts};

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(list))
}

/// Amount of money.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Money)]
pub(crate) struct MoneyView {
    /// Amount in minor units of the currency.
    #[schema(example = 4900)]
    amount: i64,
    /// ISO 4217 code of the currency, in lower case.
    #[schema(example = "usd")]
    currency: String,
}

impl From<Money> for MoneyView {
    fn from(money: Money) -> Self {
        Self { amount: money.amount, currency: money.currency.as_str().to_owned() }
    }
}

/// Plan of an organization: limits and price, and the quota of each of its workspaces.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Plan)]
struct PlanView {
    /// Id of the plan.
    #[schema(example = "starter")]
    id: String,
    /// Name for display.
    name: String,
    /// Description of the plan, in one sentence.
    description: String,
    /// Price; null for a free plan.
    #[schema(required)]
    price: Option<PriceView>,
    /// Quota of the workloads of one workspace.
    #[schema(example = json!({"cpu": "2", "memory": "4Gi"}))]
    quota: ResourceAmounts,
    /// Maximum numbers of resources.
    limits: LimitsView,
    /// Isolation of pods from the host.
    isolation: schema::PodIsolation,
    /// Registries, or paths in them, that the images of pods may come from. Empty: any registry.
    image_sources: Vec<String>,
    /// `true` if workspaces may have dedicated nodes.
    dedicated_nodes: bool,
    /// Kubernetes versions that a workspace may run, oldest first. The last one is the default.
    kubernetes_versions: Vec<String>,
}

/// Price of a plan.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Price)]
struct PriceView {
    /// Price per month.
    monthly: MoneyView,
    /// Price per year; null if the plan cannot be paid yearly.
    #[schema(required)]
    yearly: Option<MoneyView>,
    /// Price of workspaces beyond the included ones; null if all are included.
    #[schema(required)]
    workspace: Option<UnitPriceView>,
    /// Price of dedicated nodes; null if they are free of charge.
    #[schema(required)]
    node: Option<UnitPriceView>,
    /// Price of usage beyond the included amounts, by meter, such as `network_transmit`; only meters that are charged.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    usage: BTreeMap<&'static str, UsagePriceView>,
    /// Length of the trial in days, during which nothing is charged; 0 for no trial.
    trial_days: u32,
}

/// Price of usage.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsagePrice)]
struct UsagePriceView {
    /// Unit of the meter.
    unit: schema::MeterUnit,
    /// Included amount per month, in units; a year includes twelve times as much.
    included: u32,
    /// Price of 1,000 further units.
    per_thousand: MoneyView,
}

/// Price of one further unit.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UnitPrice)]
struct UnitPriceView {
    /// Number of units that the price of the plan includes.
    included: u32,
    /// Price per month of each further unit.
    monthly: MoneyView,
    /// Price per year of each further unit; null if the plan cannot be paid yearly.
    #[schema(required)]
    yearly: Option<MoneyView>,
}

impl From<UnitPrice> for UnitPriceView {
    fn from(price: UnitPrice) -> Self {
        Self {
            included: price.included,
            monthly: price.monthly.into(),
            yearly: price.yearly.map(MoneyView::from),
        }
    }
}

/// Maximum numbers of resources.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Limits)]
pub(crate) struct LimitsView {
    /// Maximum number of workspaces of an organization.
    workspaces: u32,
    /// Maximum number of members of an organization.
    members: u32,
    /// Maximum number of projects of a workspace.
    projects: u32,
    /// Maximum number of groups of a workspace.
    groups: u32,
    /// Maximum number of custom roles of a project.
    roles_per_project: u32,
    /// Maximum number of alert rules of a workspace.
    alert_rules: u32,
}

fn usage_view(price: &Price) -> BTreeMap<&'static str, UsagePriceView> {
    let view = |(meter, price): (Meter, &Option<UsagePrice>)| {
        let UsagePrice { included, per_thousand } = (*price)?;
        let view = UsagePriceView { unit: meter.into(), included, per_thousand: per_thousand.into() };
        Some((meter.as_str(), view))
    };
    price.usage.iter().filter_map(view).collect()
}

impl From<&Plan> for PlanView {
    fn from(plan: &Plan) -> Self {
        let limits = plan.limits;
        Self {
            id: plan.id.to_string(),
            name: plan.name.clone(),
            description: plan.description.clone(),
            price: plan.price.map(|price| PriceView {
                monthly: price.monthly.into(),
                yearly: price.yearly.map(MoneyView::from),
                workspace: price.workspace.map(UnitPriceView::from),
                node: price.node.map(UnitPriceView::from),
                usage: usage_view(&price),
                trial_days: price.trial_days,
            }),
            quota: (&plan.quota).into(),
            limits: LimitsView {
                workspaces: limits.workspaces,
                members: limits.members,
                projects: limits.projects,
                groups: limits.groups,
                roles_per_project: limits.roles_per_project,
                alert_rules: limits.alert_rules,
            },
            isolation: plan.isolation.into(),
            image_sources: plan.image_sources.iter().map(ToString::to_string).collect(),
            dedicated_nodes: plan.dedicated_nodes,
            kubernetes_versions: plan.kubernetes_versions.iter().map(ToString::to_string).collect(),
        }
    }
}

/// List the plans that are sold, in display order
///
/// Requires no credentials.
#[utoipa::path(get, path = "/api/v1/plans", tag = "Billing", security(()),
    responses((status = 200, body = List<PlanView>), Problems))]
async fn list(State(platform): State<Platform>) -> ApiResult<Json<List<PlanView>>> {
    let plans = platform.current_plans().await?;
    Ok(Json(List::complete(plans.available().map(PlanView::from).collect())))
}
