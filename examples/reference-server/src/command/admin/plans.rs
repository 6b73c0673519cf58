//! Plans of the installation.

use std::path::PathBuf;

use clap::Subcommand;
use hexabase_core::Platform;
use hexabase_core::error::Result;
use hexabase_core::model::{AuditEvent, Plan, PlanUse};
use hexabase_core::page::PageRequest;
use hexabase_core::version::Version;
use serde_json::{Value, json};

use super::print_items;
use crate::compose;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List all plans in display order, with the numbers of their users.
    List,
    /// Replace all plans by those of a plan file. Running servers use them within seconds. A plan in use cannot be
    /// removed.
    Apply {
        /// Plan file in TOML.
        #[arg(value_name = "FILE")]
        file: PathBuf,

        /// Version of the plans that the file replaces [default: any].
        #[arg(long, value_name = "NUMBER")]
        expected_version: Option<u64>,
    },
    /// List the changes of the plans, newest first.
    History,
}

impl Action {
    pub(super) async fn execute(self, platform: &Platform, json: bool) -> Result<()> {
        let admin = platform.plan_admin();
        match self {
            Self::List => print_items(json, &admin.list().await?.plans, plan_line, plan_json),
            Self::Apply { file, expected_version } => {
                let plans = compose::load_plans(Some(&file))?;
                let replaced = admin.replace(None, &plans, expected_version.map(Version::new)).await?;
                tracing::info!(version = %replaced.version, "plans replaced");
                print_items(json, &replaced.plans, plan_line, plan_json)
            }
            Self::History => {
                let changes = admin.history(&PageRequest::largest()).await?.items;
                print_items(json, &changes, change_line, |change| json!(change))
            }
        }
    }
}

fn plan_line((plan, used): &(Plan, PlanUse)) -> String {
    let price = plan.price.map_or_else(
        || "free".to_owned(),
        |price| {
            format!("{} {} per month", price.monthly.to_decimal_string(), price.monthly.currency.as_str())
        },
    );
    let retired = if plan.retired { ", retired" } else { "" };
    let PlanUse { organizations, workspaces, .. } = used;
    format!("{} {price}{retired}, {organizations} organizations, {workspaces} workspaces", plan.id)
}

fn plan_json((plan, used): &(Plan, PlanUse)) -> Value {
    json!({ "plan": plan, "used_by": used })
}

fn change_line(change: &AuditEvent) -> String {
    let by = change.actor.user_id.map_or_else(|| "command line".to_owned(), |user| user.to_string());
    let ids = |plans: &Value| {
        let ids = plans.as_array().into_iter().flatten().filter_map(|plan| plan["id"].as_str());
        ids.collect::<Vec<_>>().join(", ")
    };
    format!("{} by {by}: {} became {}", change.at, ids(&change.before), ids(&change.after))
}
