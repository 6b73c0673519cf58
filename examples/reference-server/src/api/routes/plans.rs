//! Plans.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use hexabase_core::model::{Meter, Money, Plan, Price, UnitPrice, UsagePrice};
use hexabase_core::quota::Quota;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::problem::Problems;
use crate::api::reply::List;
use crate::app::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Amounts by resource, as Kubernetes quantities.
pub(super) type QuotaView = BTreeMap<String, String>;

pub(super) fn quota_view(quota: &Quota) -> QuotaView {
    quota.iter().map(|(resource, amount)| (resource.to_string(), amount.to_string())).collect()
}

/// An amount of money.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Money)]
pub(super) struct MoneyView {
    /// In the currency's smallest unit.
    #[schema(example = 4900)]
    amount: i64,
    /// The currency's ISO 4217 code, in lower case.
    #[schema(example = "usd")]
    currency: String,
}

impl From<Money> for MoneyView {
    fn from(money: Money) -> Self {
        Self { amount: money.amount, currency: money.currency.as_str().to_owned() }
    }
}

/// What a workspace of a kind gets, and what it costs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Plan)]
struct PlanView {
    /// Which plan.
    #[schema(example = "starter")]
    id: String,
    /// The name to show.
    name: String,
    /// One sentence for whoever chooses.
    description: String,
    /// What it costs; null for a free plan.
    price: Option<PriceView>,
    /// What the workloads of one workspace may use together.
    #[schema(example = json!({"cpu": "2", "memory": "4Gi"}))]
    quota: QuotaView,
    /// How many of each thing there may be.
    limits: LimitsView,
    /// How strictly pods are kept apart from the host: `baseline` or `restricted`.
    isolation: String,
    /// Where the images of pods may come from: registries, or paths in them. From anywhere if there are none.
    image_sources: Vec<String>,
    /// Whether workspaces may have nodes of their own.
    dedicated_nodes: bool,
    /// The Kubernetes versions a workspace may run; the last one is the default.
    kubernetes_versions: Vec<String>,
}

/// What a plan costs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Price)]
struct PriceView {
    /// Per month.
    monthly: MoneyView,
    /// Per year; null when it cannot be paid by the year.
    yearly: Option<MoneyView>,
    /// What workspaces cost beyond those included; null when they are all included.
    workspace: Option<UnitPriceView>,
    /// What nodes cost that workspaces have to themselves; null when they cost nothing of their own.
    node: Option<UnitPriceView>,
    /// What usage costs beyond what is included, by meter: `network_transmit` and its like.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    usage: BTreeMap<&'static str, UsagePriceView>,
    /// For how many days nothing is charged at first.
    trial_days: u32,
}

/// What usage costs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsagePrice)]
struct UsagePriceView {
    /// `core_hours`, `gib_hours`, `gib` or `thousand_requests`.
    unit: &'static str,
    /// How much of it a month includes; a year includes twelve times as much.
    included: u32,
    /// What a thousand more cost.
    per_thousand: MoneyView,
}

/// What one more of something costs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UnitPrice)]
struct UnitPriceView {
    /// How many the plan itself pays for.
    included: u32,
    /// Per month for each further one.
    monthly: MoneyView,
    /// Per year for each further one; null when the plan cannot be paid by the year.
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

/// How many of each thing there may be.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Limits)]
struct LimitsView {
    /// Workspaces in an organization.
    workspaces: u32,
    /// Members of an organization.
    members: u32,
    /// Projects in a workspace.
    projects: u32,
    /// Groups in a workspace.
    groups: u32,
    /// Custom roles in a project.
    roles_per_project: u32,
}

fn usage_view(price: &Price) -> BTreeMap<&'static str, UsagePriceView> {
    let view = |(meter, price): (Meter, &Option<UsagePrice>)| {
        let UsagePrice { included, per_thousand } = (*price)?;
        let view = UsagePriceView { unit: meter.unit(), included, per_thousand: per_thousand.into() };
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
            quota: quota_view(&plan.quota),
            limits: LimitsView {
                workspaces: limits.workspaces,
                members: limits.members,
                projects: limits.projects,
                groups: limits.groups,
                roles_per_project: limits.roles_per_project,
            },
            isolation: plan.isolation.to_string(),
            image_sources: plan.image_sources.iter().map(ToString::to_string).collect(),
            dedicated_nodes: plan.dedicated_nodes,
            kubernetes_versions: plan.kubernetes_versions.iter().map(ToString::to_string).collect(),
        }
    }
}

/// List the plans that are sold, in the order in which they are shown. Nobody needs to be signed in for this.
#[utoipa::path(get, path = "/api/v1/plans", tag = "Billing", security(()),
    responses((status = 200, body = List<PlanView>), Problems))]
async fn list(State(app): State<App>) -> Json<List<PlanView>> {
    Json(List::whole(app.platform.plans().sold().map(PlanView::from).collect()))
}
