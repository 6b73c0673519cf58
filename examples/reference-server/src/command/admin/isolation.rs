//! Isolation checks of tenants from the command line.

use clap::Subcommand;
use futures_util::{StreamExt as _, stream};
use hexabase_core::Platform;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::{OrganizationId, WorkspaceId};
use hexabase_core::model::{ConditionStatus, Hour, IsolationReport};
use hexabase_core::worker::IsolationChecker;
use serde_json::{Value, json};

use crate::command::print_line;
use crate::compose;
use crate::config::ProcessConfig;

/// Workspaces read at a time.
const PAGE_SIZE: usize = 250;
/// Workspaces that are checked at a time.
const CONCURRENCY: usize = 4;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Attempt what tenants must not be able to do, as dry runs, and print the results. Fails unless every check of
    /// every running workspace passes.
    Check {
        /// Id of the only workspace to check [default: all workspaces].
        #[arg(value_name = "WORKSPACE")]
        workspace: Option<WorkspaceId>,
    },
}

type Checked = (WorkspaceId, Result<Option<IsolationReport>>);

impl Action {
    pub(super) async fn execute(self, config: &ProcessConfig, json: bool) -> Result<()> {
        let Self::Check { workspace } = self;
        let platform = compose::connect_hosts(config).await?;
        let workspaces = match workspace {
            Some(workspace) => {
                let organization = platform.store().organization_of_workspace(workspace).await?;
                let missing = || Error::not_found("workspace").with("workspace", workspace);
                vec![(organization.ok_or_else(missing)?, workspace)]
            }
            None => all_workspaces(&platform).await?,
        };
        let checker = IsolationChecker::new(&platform);
        let mut checks = Vec::new();
        for (organization, workspace) in workspaces {
            let checker = &checker;
            checks.push(async move { (workspace, checker.check(organization, workspace).await) });
        }
        let checked: Vec<Checked> = stream::iter(checks).buffered(CONCURRENCY).collect().await;
        if json {
            print_line(&Value::Array(checked.iter().map(as_json).collect()).to_string())?;
        } else {
            checked.iter().flat_map(lines).try_for_each(|line| print_line(&line))?;
        }
        verdict(&checked)
    }
}

async fn all_workspaces(platform: &Platform) -> Result<Vec<(OrganizationId, WorkspaceId)>> {
    let (mut all, now) = (Vec::new(), Hour::of(platform.clock().now()));
    loop {
        let page = platform.store().list_metered(now, all.last().copied(), PAGE_SIZE).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page.iter().map(|listed| (listed.organization_id, listed.workspace_id)));
    }
}

/// Fails unless the isolation of every running workspace is proven.
fn verdict(checked: &[Checked]) -> Result<()> {
    let is_proven = |(_, report): &&Checked| match report {
        Ok(Some(report)) => report.status() == ConditionStatus::True,
        Ok(None) => true,
        Err(_) => false,
    };
    let proven = checked.iter().filter(is_proven).count();
    if proven == checked.len() {
        return Ok(());
    }
    let message = format!(
        "the isolation of {} of {} workspaces is not proven; see the remedies above",
        checked.len() - proven,
        checked.len()
    );
    Err(Error::conflict("isolation_not_proven", message))
}

fn lines((workspace, report): &Checked) -> Vec<String> {
    let report = match report {
        Ok(Some(report)) => report,
        Ok(None) => return vec![format!("{workspace} does not run; not checked")],
        Err(error) => return vec![format!("{workspace} could not be checked: {error}")],
    };
    let mut lines = vec![format!("{workspace} on {}: {}", report.host_cluster, report.status())];
    for result in report.conditions.iter().map(|condition| &condition.result) {
        lines.push(format!(
            "  {:<8} {:<9} {}: {}",
            result.status, result.severity, result.kind, result.message
        ));
        if !result.remedy.is_empty() {
            lines.push(format!("           remedy: {}", result.remedy));
        }
    }
    lines
}

fn as_json((workspace, report): &Checked) -> Value {
    match report {
        Ok(Some(report)) => json!({
            "workspace_id": workspace,
            "host_cluster": report.host_cluster,
            "collected_at": report.collected_at,
            "status": report.status(),
            "conditions": report.conditions,
        }),
        Ok(None) => json!({ "workspace_id": workspace, "status": null }),
        Err(error) => {
            json!({ "workspace_id": workspace, "status": ConditionStatus::Unknown, "error": error.to_string() })
        }
    }
}

#[cfg(test)]
mod tests {
    use hexabase_core::id_source::{IdSourceExt as _, SystemIds};
    use hexabase_core::model::{IsolationResult, Severity};
    use hexabase_core::name::HostClusterName;
    use jiff::Timestamp;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn workspace() -> WorkspaceId {
        SystemIds::default().id(NOW)
    }

    fn checked(status: ConditionStatus) -> Checked {
        let result = IsolationResult {
            kind: "HostPathsRejected".to_owned(),
            title: "Mount files of a node".to_owned(),
            severity: Severity::Critical,
            status,
            reason: "Admitted".to_owned(),
            message: "admitted".to_owned(),
            remedy: "repair it".to_owned(),
        };
        let host = HostClusterName::parse("fra").unwrap();
        (workspace(), Ok(Some(IsolationReport::new(None, host, vec![result], NOW))))
    }

    #[test]
    fn the_command_fails_unless_every_isolation_is_proven() {
        let stopped = (workspace(), Ok(None));
        assert!(verdict(&[checked(ConditionStatus::True), stopped]).is_ok());
        for status in [ConditionStatus::False, ConditionStatus::Unknown] {
            let error = verdict(&[checked(ConditionStatus::True), checked(status)]).unwrap_err();
            assert!(error.to_string().contains("1 of 2 workspaces"), "{error}");
        }
        assert!(verdict(&[(workspace(), Err(Error::unavailable("no host")))]).is_err());
    }

    #[test]
    fn both_formats_name_the_check_and_its_remedy() {
        let failed = checked(ConditionStatus::False);
        let text = lines(&failed).join("\n");
        for part in ["False", "critical", "HostPathsRejected", "remedy: repair it"] {
            assert!(text.contains(part), "{text}");
        }
        let json = as_json(&failed);
        assert_eq!(
            (&json["status"], &json["conditions"][0]["type"]),
            (&json!("False"), &json!("HostPathsRejected"))
        );
        assert_eq!(json["conditions"][0]["remedy"], "repair it");
    }
}
