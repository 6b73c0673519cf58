use std::collections::BTreeSet;
use std::time::Duration;

use super::{Caller, PlatformInner};
use crate::access::{AccessFacts, Action};
use crate::desired::TenantTarget;
use crate::error::{Error, Result};
use crate::id::{GroupId, OrganizationId, WorkspaceId};
use crate::model::{Phase, PolicyReport, Workspace};

/// Retention of a report.
const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);
/// Minimum time between two collections of the reports of a workspace.
const COLLECTION_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// Maximum duration of a collection.
const COLLECTION_TIMEOUT: Duration = Duration::from_secs(30);

/// Violations of policies of the host. Workers collect them; the service here reads what they stored.
#[derive(Debug)]
pub struct PolicyReports<'a>(pub(super) &'a PlatformInner);

impl PolicyReports<'_> {
    /// Returns the latest report of a workspace, with the findings in the namespaces whose pod logs the caller may read;
    /// `None` before the first collection, on hosts whose policies write no reports, and after the loss of the ephemeral
    /// store.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's groups; membership of a group of the workspace is required.
    pub async fn get(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
    ) -> Result<Option<PolicyReport>> {
        let workspace =
            self.0.permit_in(caller, organization, workspace, None, Action::ClusterAccess).await?;
        let Some(stored) = self.0.ephemeral.get(&report_key(workspace.id)).await? else { return Ok(None) };
        // A report of another release is replaced by the next collection.
        let Ok(report) = serde_json::from_slice(&stored) else { return Ok(None) };
        let direct = self.0.reads(caller).own_groups(&workspace).await?;
        let facts = self.0.reads(caller).facts(&workspace).await?;
        Ok(Some(readable(report, &facts, &direct)))
    }
}

/// Returns a report without the findings in namespaces whose pod logs a user with the direct memberships `direct` may not
/// read. Namespaces that belong to no project require a role in the workspace as a whole.
fn readable(mut report: PolicyReport, facts: &AccessFacts, direct: &[GroupId]) -> PolicyReport {
    let reads = |project| facts.effective_roles(None, direct, project).pod_logs;
    if reads(None) {
        return report;
    }
    let found: BTreeSet<&str> = report.findings.iter().map(|finding| finding.namespace.as_str()).collect();
    // A project that is newer than the report may have the name of a deleted one, to which the findings belong.
    let projects = facts.projects.iter().filter(|project| {
        found.contains(project.name.as_str())
            && project.created_at <= report.collected_at
            && reads(Some(project.id))
    });
    let namespaces: BTreeSet<&str> = projects.map(|project| project.name.as_str()).collect();
    report.findings.retain(|finding| namespaces.contains(finding.namespace.as_str()));
    report
}

impl PlatformInner {
    /// Collects the violations of policies of the host by a workspace that runs, at most every five minutes. A failure is
    /// logged: a later reconcile repeats it.
    pub(crate) async fn collect_policy_report(&self, workspace: &Workspace) {
        if workspace.status.phase != Phase::Ready {
            return;
        }
        let limits = ("the host cluster", "the collection is repeated later");
        if let Err(error) = self.in_time(limits, COLLECTION_TIMEOUT, self.collect(workspace)).await {
            tracing::warn!(workspace = %workspace.id, error = ?error, "collecting policy reports failed; repeated later");
        }
    }

    async fn collect(&self, workspace: &Workspace) -> Result<()> {
        let provisioner = self.provisioner(&workspace.host_cluster).await?;
        if !provisioner.has_policy_reports() {
            return Ok(());
        }
        let marker = format!("policy-collected:{}", workspace.id);
        if !self.ephemeral.put_if_absent(&marker, b"1", COLLECTION_INTERVAL).await? {
            return Ok(());
        }
        let findings = provisioner.policy_findings(&TenantTarget::of(workspace)).await?;
        let report = PolicyReport::new(findings, self.now());
        let value = serde_json::to_vec(&report)
            .map_err(|error| Error::unexpected("serializing a policy report failed").caused_by(error))?;
        self.ephemeral.put(&report_key(workspace.id), &value, RETENTION).await
    }
}

fn report_key(workspace: WorkspaceId) -> String {
    format!("policy-report:{workspace}")
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::fixture::{self, FIXTURE_TIME, id};
    use crate::id::ProjectId;
    use crate::model::{Assignment, PolicyFinding, PolicyFindings, PolicyResult, PresetRole, RoleRef};

    fn finding(namespace: &str) -> PolicyFinding {
        PolicyFinding {
            namespace: namespace.to_owned(),
            kind: "Secret".to_owned(),
            name: "key".to_owned(),
            policy: "labels".to_owned(),
            rule: String::new(),
            result: PolicyResult::Fail,
            message: "no owner".to_owned(),
            evaluated_at: None,
        }
    }

    fn facts(role: PresetRole, project: Option<ProjectId>) -> AccessFacts {
        let assignment = Assignment {
            id: id("assignment"),
            organization_id: id("acme"),
            workspace_id: id("dev"),
            project_id: project,
            group_id: id("devs"),
            role: RoleRef::Preset(role),
            created_by: id("owner"),
            created_at: FIXTURE_TIME,
        };
        let mut child = fixture::project("web-child");
        child.parent_id = Some(id("web"));
        AccessFacts {
            groups: vec![fixture::group("devs"), fixture::group("others")],
            assignments: vec![assignment],
            projects: vec![fixture::project("web"), child, fixture::project("shop")],
            roles: Vec::new(),
        }
    }

    #[test]
    fn findings_are_for_users_with_a_role_in_their_project() {
        let items = ["kube-system", "shop", "web", "web-child"].map(finding).to_vec();
        let read_at = |facts: &AccessFacts, group: &str, collected_at| {
            let report =
                PolicyReport::new(PolicyFindings { items: items.clone(), truncated: false }, collected_at);
            let findings = readable(report, facts, &[id(group)]).findings;
            findings.into_iter().map(|finding| finding.namespace).collect::<Vec<_>>()
        };
        let of_project = facts(PresetRole::ProjectViewer, Some(id("web")));
        assert_eq!(read_at(&of_project, "devs", FIXTURE_TIME), ["web", "web-child"]);
        assert_eq!(read_at(&of_project, "others", FIXTURE_TIME), [""; 0]);
        let earlier = FIXTURE_TIME - SignedDuration::from_secs(1);
        assert_eq!(read_at(&of_project, "devs", earlier), [""; 0], "the report is older than the projects");
        let of_workspace = facts(PresetRole::WorkspaceViewer, None);
        assert_eq!(read_at(&of_workspace, "devs", FIXTURE_TIME).len(), items.len());
        assert_eq!(read_at(&of_workspace, "others", FIXTURE_TIME), [""; 0]);
    }
}
