//! Plans of the installation, for operators.

use std::collections::BTreeMap;

use axum::extract::{FromRef, State};
use hexabase_core::Platform;
use hexabase_core::model::{Plan, PlanUse};
use hexabase_core::platform::PlanSet;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::operator::require_operator;
use super::requests::NewPlans;
use crate::billing::plans::{LimitsView, MoneyView};
use crate::caller::Authenticated;
use crate::extract::{Body, IfMatch};
use crate::problem::{ApiResult, Problems};
use crate::response::ApiResponse;
use crate::schema::ResourceAmounts;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(list, replace))
}

/// All plans of the installation, retired ones included.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PlanSet)]
struct PlanSetView {
    /// Plans in display order, in the form of the request that replaces them.
    #[schema(value_type = Vec<PlanDefinition>)]
    plans: Vec<Plan>,
    /// Numbers of users by the id of the plan.
    used_by: BTreeMap<String, PlanUseView>,
    /// Id of the operator who made the last change; null for a change on the command line, and if there was none.
    #[schema(required)]
    updated_by: Option<String>,
    /// Time of the last change; null if there was none.
    #[schema(required)]
    updated_at: Option<Timestamp>,
    /// Version, incremented by every change.
    version: u64,
}

/// Numbers of users of a plan.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PlanUse)]
struct PlanUseView {
    /// Number of organizations on the plan.
    organizations: u32,
    /// Number of workspaces on the plan, including those being deleted.
    workspaces: u32,
}

impl From<PlanUse> for PlanUseView {
    fn from(PlanUse { organizations, workspaces, .. }: PlanUse) -> Self {
        Self { organizations, workspaces }
    }
}

/// Definition of a plan, as in the plan file.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a schema; the domain has the type")]
pub(super) struct PlanDefinition {
    /// Id of the plan.
    #[schema(example = "starter")]
    id: String,
    /// Name for display.
    name: String,
    /// Description in one sentence.
    description: String,
    /// Position in lists, lowest first. A larger plan has a higher position.
    display_order: u32,
    /// `true` if the plan is no longer sold.
    retired: Option<bool>,
    /// Price; null for a free plan.
    price: Option<PriceDefinition>,
    /// Maximum resource consumption of the workloads of one workspace.
    #[schema(value_type = BTreeMap<String, String>, example = json!({"cpu": "2", "memory": "4Gi"}))]
    quota: ResourceAmounts,
    /// Maximum amounts of further resources of nodes, such as GPUs.
    extended_resources: Option<BTreeMap<String, String>>,
    /// Maximum numbers of objects.
    limits: LimitsView,
    /// Configuration of the control plane of a workspace.
    control_plane: ControlPlaneDefinition,
    /// Isolation level of pods.
    isolation: IsolationLevel,
    /// Registries or paths that images of pods may come from. Empty: images from anywhere.
    image_sources: Option<Vec<String>>,
    /// `true` if workspaces may have dedicated nodes.
    dedicated_nodes: bool,
    /// Labels that a host cluster must have to run workspaces of the plan.
    host_labels: Option<BTreeMap<String, String>>,
    /// Kubernetes versions that a workspace may run, oldest first.
    #[schema(example = json!(["1.35", "1.36"]))]
    kubernetes_versions: Vec<String>,
}

/// Price of a plan. Existing subscriptions keep their price until another plan or billing interval is chosen.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a schema; the domain has the type")]
struct PriceDefinition {
    /// Price per month.
    monthly: MoneyView,
    /// Price per year; null if the plan cannot be paid yearly.
    yearly: Option<MoneyView>,
    /// Price of workspaces beyond the included ones.
    workspace: Option<UnitPriceDefinition>,
    /// Price of dedicated nodes.
    node: Option<UnitPriceDefinition>,
    /// Price of usage beyond the included amounts, by meter.
    usage: Option<BTreeMap<String, UsagePriceDefinition>>,
    /// Length of the trial in days.
    trial_days: Option<u32>,
}

/// Price of one further unit.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a schema; the domain has the type")]
struct UnitPriceDefinition {
    /// Number of units that the price of the plan includes.
    included: u32,
    /// Price per month.
    monthly: MoneyView,
    /// Price per year.
    yearly: Option<MoneyView>,
}

/// Price of usage.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a schema; the domain has the type")]
struct UsagePriceDefinition {
    /// Included amount per month, in units.
    included: u32,
    /// Price of 1,000 further units.
    per_thousand: MoneyView,
}

/// Configuration of the control plane of a workspace.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a schema; the domain has the type")]
struct ControlPlaneDefinition {
    /// Store of Kubernetes objects.
    store: StoreName,
    /// Number of replicas.
    replicas: u8,
    /// CPU request of each replica.
    cpu: String,
    /// Memory request of each replica.
    memory: String,
    /// Memory limit of each replica.
    memory_limit: String,
    /// Size of the volume of each replica.
    storage: String,
}

/// Store of Kubernetes objects.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "a schema; the domain has the type")]
enum StoreName {
    /// File on a volume, for one replica.
    Sqlite,
    /// etcd cluster with one member for each replica.
    Etcd,
}

/// Isolation level of pods, by the Pod Security Standards.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "a schema; the domain has the type")]
enum IsolationLevel {
    /// Prevents known privilege escalations.
    Baseline,
    /// Hardened.
    Restricted,
}

fn response(set: PlanSet) -> ApiResponse<PlanSetView> {
    let version = set.version;
    let used_by = set.plans.iter().map(|(plan, used)| (plan.id.to_string(), used.clone().into())).collect();
    let view = PlanSetView {
        plans: set.plans.into_iter().map(|(plan, _)| plan).collect(),
        used_by,
        updated_by: set.updated_by.map(|id| id.to_string()),
        updated_at: set.updated_at,
        version: version.number(),
    };
    ApiResponse::ok(view).version(version)
}

/// List all plans
#[utoipa::path(get, path = "/api/v1/admin/plans", tag = "Operators",
    responses((status = 200, body = PlanSetView), Problems))]
async fn list(
    State(platform): State<Platform>,
    authenticated: Authenticated,
) -> ApiResult<ApiResponse<PlanSetView>> {
    require_operator(&platform, &authenticated).await?;
    Ok(response(platform.plan_admin().list().await?))
}

/// Replace all plans
///
/// All processes use the new plans within seconds, and workspaces get them with their next regular reconcile. Users of a
/// plan keep it: it cannot be removed, nor charge them in another way (`plan_in_use`). A plan is removed after it was
/// retired (`plan_not_retired`). New prices apply to new subscriptions once `hexabase billing sync` has created them.
#[utoipa::path(put, path = "/api/v1/admin/plans", tag = "Operators", request_body = NewPlans,
    responses((status = 200, body = PlanSetView), Problems))]
async fn replace(
    State(platform): State<Platform>,
    authenticated: Authenticated,
    expected: IfMatch,
    Body(body): Body<NewPlans>,
) -> ApiResult<ApiResponse<PlanSetView>> {
    require_operator(&platform, &authenticated).await?;
    let caller = &authenticated.0;
    let replaced = platform.plan_admin().replace(Some(caller), &body.plans, expected.version()).await?;
    tracing::info!(version = %replaced.version, by = %caller.principal.user_id, "plans replaced");
    Ok(response(replaced))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;
    use utoipa::PartialSchema;

    use super::*;

    fn properties<T: PartialSchema>() -> BTreeSet<String> {
        let schema = serde_json::to_value(T::schema()).unwrap();
        schema["properties"].as_object().unwrap().keys().cloned().collect()
    }

    fn keys(value: &Value) -> BTreeSet<String> {
        value.as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn the_schema_of_a_plan_has_the_fields_of_the_domain() {
        let text = serde_json::json!({
            "id": "a", "name": "A", "description": "", "display_order": 1, "retired": true,
            "price": {
                "monthly": { "amount": 1, "currency": "usd" }, "yearly": { "amount": 1, "currency": "usd" },
                "workspace": { "included": 1, "monthly": { "amount": 1, "currency": "usd" }, "yearly": null },
                "node": { "included": 1, "monthly": { "amount": 1, "currency": "usd" }, "yearly": null },
                "usage": { "cpu": { "included": 1, "per_thousand": { "amount": 1, "currency": "usd" } } },
                "trial_days": 1,
            },
            "quota": { "cpu": "1" }, "extended_resources": { "nvidia.com/gpu": "1" },
            "limits": { "workspaces": 1, "members": 1, "projects": 1, "groups": 3, "roles_per_project": 1 },
            "control_plane": {
                "store": "sqlite", "replicas": 1, "cpu": "1", "memory": "1Gi", "memory_limit": "1Gi", "storage": "1Gi",
            },
            "isolation": "baseline", "image_sources": ["example.com"], "dedicated_nodes": true,
            "host_labels": { "gpu": "a100" }, "kubernetes_versions": ["1.36"],
        });
        let plan: Plan = serde_json::from_value(text).unwrap();
        let plan = serde_json::to_value(plan).unwrap();
        assert_eq!(keys(&plan), properties::<PlanDefinition>());
        assert_eq!(keys(&plan["price"]), properties::<PriceDefinition>());
        assert_eq!(keys(&plan["price"]["node"]), properties::<UnitPriceDefinition>());
        assert_eq!(keys(&plan["price"]["usage"]["cpu"]), properties::<UsagePriceDefinition>());
        assert_eq!(keys(&plan["control_plane"]), properties::<ControlPlaneDefinition>());
    }
}
