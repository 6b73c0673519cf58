use std::collections::BTreeSet;

use super::change::WorkspaceChange;
use super::commit::require_version;
use super::{Authorization, Caller, Idempotent, PlatformInner};
use crate::access::Action;
use crate::changeset::{Changeset, RecordKey};
use crate::error::{Check, Error, Result};
use crate::id::{AlertRuleId, OrganizationId, ProjectId, WorkspaceId};
use crate::limits;
use crate::metrics::{GroupBy, Metric};
use crate::model::{
    AlertCondition, AlertDuration, AlertLimit, AlertRule, AlertSeverity, Comparison, Project, Workspace,
};
use crate::name::{Email, Slug};
use crate::page::{Page, PageRequest};
use crate::version::Version;

/// Maximum number of addresses that an alert rule notifies.
pub const MAX_ALERT_RECIPIENTS: usize = 10;

/// Alert rules of workspaces.
#[derive(Debug, Clone, Copy)]
pub struct AlertRules<'a>(pub(super) &'a PlatformInner);

/// Command to create an alert rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateAlertRule {
    /// Name, unique in the workspace.
    pub name: Slug,
    /// Project whose metric is compared; `None` for the workspace as a whole.
    pub project_id: Option<ProjectId>,
    /// Condition under which the rule fires.
    pub condition: AlertCondition,
    /// Severity of the alert.
    pub severity: AlertSeverity,
    /// Addresses of the members who are notified.
    pub notify: Vec<Email>,
}

/// Command to change an alert rule. Fields that are `None` stay unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateAlertRule {
    /// New name.
    pub name: Option<Slug>,
    /// New metric.
    pub metric: Option<Metric>,
    /// New comparison.
    pub comparison: Option<Comparison>,
    /// New limit.
    pub limit: Option<AlertLimit>,
    /// New time for which the comparison must hold.
    pub duration: Option<AlertDuration>,
    /// New severity.
    pub severity: Option<AlertSeverity>,
    /// New addresses; replaces all addresses.
    pub notify: Option<Vec<Email>>,
}

impl CreateAlertRule {
    /// Returns the rule that a change creates.
    pub(super) fn rule(&self, caller: &Caller, change: &WorkspaceChange<'_>) -> AlertRule {
        let Self { name, project_id, condition, severity, notify } = self.clone();
        AlertRule {
            id: change.id(),
            organization_id: change.workspace.organization_id,
            workspace_id: change.workspace.id,
            project_id,
            name,
            condition,
            severity,
            notify,
            created_by: caller.principal.user_id,
            created_at: change.now,
            updated_at: change.now,
            version: Version::FIRST,
        }
    }
}

impl UpdateAlertRule {
    fn apply(&self, rule: &mut AlertRule) {
        let Self { name, metric, comparison, limit, duration, severity, notify } = self.clone();
        let AlertCondition {
            metric: old_metric,
            comparison: old_comparison,
            limit: old_limit,
            duration: old,
        } = rule.condition;
        rule.condition = AlertCondition {
            metric: metric.unwrap_or(old_metric),
            comparison: comparison.unwrap_or(old_comparison),
            limit: limit.unwrap_or(old_limit),
            duration: duration.unwrap_or(old),
        };
        rule.severity = severity.unwrap_or(rule.severity);
        if let Some(name) = name {
            rule.name = name;
        }
        if let Some(notify) = notify {
            rule.notify = notify;
        }
    }
}

impl AlertRules<'_> {
    /// Lists the alert rules of a workspace, oldest first.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role and groups.
    pub async fn list(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        page: &PageRequest,
    ) -> Result<Page<AlertRule>> {
        self.0.permit_in(caller, organization, workspace, None, Action::AlertsRead).await?;
        self.0.store.list_alert_rules(organization, workspace, page).await
    }

    /// Returns an alert rule.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role and groups.
    pub async fn get(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        id: AlertRuleId,
    ) -> Result<AlertRule> {
        self.0.permit_in(caller, organization, workspace, None, Action::AlertsRead).await?;
        let found = self.0.store.find_alert_rule(organization, workspace, id).await?;
        found.ok_or_else(not_found)
    }

    /// Creates an alert rule.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role and groups, in the project if the rule has one.
    /// - `Invalid` if the project does not exist, the condition does not fit the metric, or an address is not the
    ///   verified address of a person in the organization.
    /// - `AlreadyExists` if the name is taken in the workspace.
    /// - `QuotaExceeded` if the limit of the plan is reached.
    /// - `Conflict` with code `workspace_deleting`.
    pub async fn create(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        command: &CreateAlertRule,
    ) -> Result<Idempotent<AlertRule>> {
        let scope = (organization, workspace, command.project_id);
        let authorization = Authorization::Workspace(scope, Action::AlertRuleCreate);
        self.0
            .run_idempotent(caller, authorization, || async {
                let mut change = self.0.begin(caller, scope, Action::AlertRuleCreate).await?;
                let existing = self.0.store.count_alert_rules(organization, workspace).await?;
                let plans = self.0.plans().await?;
                limits::check_alert_rule_limit(existing, plans.get(&change.workspace.plan_id)?)?;
                let rule = command.rule(caller, &change);
                self.0.check_alert_rule(&change.workspace, &rule).await?;
                change.insert(rule.clone());
                change.audit("alert_rule.create", resource(&rule), (), &rule);
                Ok((change.finish().0, rule))
            })
            .await
    }

    /// Changes an alert rule.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role and groups, in the project if the rule has one.
    /// - `Invalid` if the condition does not fit the metric, or an address is not the verified address of a person in
    ///   the organization.
    /// - `AlreadyExists` if the name is taken in the workspace.
    /// - `Conflict` with code `precondition_failed` or `workspace_deleting`.
    pub async fn update(
        &self,
        caller: &Caller,
        scope: (OrganizationId, WorkspaceId),
        id: AlertRuleId,
        command: &UpdateAlertRule,
        expected: Option<Version>,
    ) -> Result<AlertRule> {
        self.0
            .transact(|| async {
                let found = self.0.store.find_alert_rule(scope.0, scope.1, id).await?;
                let in_project = (scope.0, scope.1, found.as_ref().and_then(|rule| rule.project_id));
                let mut change = self.0.begin(caller, in_project, Action::AlertRulesManage).await?;
                let before = self.0.alert_rule_again(found).await?;
                require_version(expected, before.version)?;
                let mut after = before.clone();
                command.apply(&mut after);
                if after == before {
                    return Ok((Changeset::new(), after));
                }
                self.0.check_alert_rule(&change.workspace, &after).await?;
                (after.updated_at, after.version) = (change.now, before.version.next());
                change.update(after.clone());
                change.audit("alert_rule.update", resource(&after), &before, &after);
                Ok((change.finish().0, after))
            })
            .await
    }

    /// Deletes an alert rule. Its alert resolves with the next evaluation.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role and groups, in the project if the rule has one.
    /// - `Conflict` with code `precondition_failed` or `workspace_deleting`.
    pub async fn delete(
        &self,
        caller: &Caller,
        scope: (OrganizationId, WorkspaceId),
        id: AlertRuleId,
        expected: Option<Version>,
    ) -> Result<()> {
        self.0
            .transact(|| async {
                let found = self.0.store.find_alert_rule(scope.0, scope.1, id).await?;
                let in_project = (scope.0, scope.1, found.as_ref().and_then(|rule| rule.project_id));
                let mut change = self.0.begin(caller, in_project, Action::AlertRulesManage).await?;
                let rule = self.0.alert_rule_again(found).await?;
                require_version(expected, rule.version)?;
                change.delete(RecordKey::AlertRule(scope.0, scope.1, id));
                change.audit("alert_rule.delete", resource(&rule), &rule, ());
                Ok((change.finish().0, ()))
            })
            .await
    }
}

impl PlatformInner {
    /// Reads a rule again, since the version of the workspace that the commit checks was read after the rule, whose
    /// project the authorization needed. The project of a rule never changes.
    async fn alert_rule_again(&self, found: Option<AlertRule>) -> Result<AlertRule> {
        let rule = found.ok_or_else(not_found)?;
        let again = self.store.find_alert_rule(rule.organization_id, rule.workspace_id, rule.id).await?;
        again.ok_or_else(not_found)
    }

    /// Checks the condition and the recipients of a rule, and returns its project.
    pub(super) async fn check_alert_rule(
        &self,
        workspace: &Workspace,
        rule: &AlertRule,
    ) -> Result<Option<Project>> {
        let project = match rule.project_id {
            Some(id) => {
                let found = self.store.find_project(workspace.organization_id, workspace.id, id).await?;
                let missing = || Error::invalid("project", "there is no such project in this workspace");
                Some(found.ok_or_else(missing)?)
            }
            None => None,
        };
        let plans = self.plans().await?;
        let mut check = Check::default();
        let plan = plans.get(&workspace.plan_id)?;
        check_condition(&mut check, rule.condition, project.as_ref(), &plan.quota);
        check_recipient_list(&mut check, &rule.notify);
        check.done()?;
        let mut check = Check::default();
        for (index, address) in rule.notify.iter().enumerate() {
            let is_member = self.find_member_by_email(workspace.organization_id, address).await?;
            let message = "must be the verified address of a person in the organization; invite them first";
            check.require(is_member, format!("notify[{index}]"), message);
        }
        check.done()?;
        Ok(project)
    }

    /// `true` if this is the verified address of a person in the organization.
    pub(crate) async fn find_member_by_email(
        &self,
        organization: OrganizationId,
        address: &Email,
    ) -> Result<bool> {
        let Some(user) = self.store.find_user_by_email(address).await? else { return Ok(false) };
        Ok(self.store.find_member(organization, user.id).await?.is_some())
    }
}

fn not_found() -> Error {
    Error::not_found("alert rule")
}

fn resource(rule: &AlertRule) -> String {
    format!("{}/{}", rule.workspace_id, rule.id)
}

/// Checks that a condition can be evaluated.
fn check_condition(
    check: &mut Check,
    condition: AlertCondition,
    project: Option<&Project>,
    plan: &crate::quota::Quota,
) {
    let AlertCondition { metric, limit, .. } = condition;
    if project.is_some() && !metric.has_groups(GroupBy::Project) {
        let message = format!("must be absent, since {metric} is measured for the workspace as a whole");
        check.refuse("project", message);
    }
    let AlertLimit::PercentOfQuota(percent) = limit else { return };
    check.require((1..=100).contains(&percent), "percent_of_quota", "must be 1 to 100");
    if metric.quota_resource().is_none() {
        let message = format!("must be absent, since {metric} has no quota; set threshold");
        check.refuse("percent_of_quota", message);
    } else if limit.resolve(metric, project.map(|project| &project.quota), plan).is_none() {
        let message = format!("must be absent, since the plan has no quota for {metric}; set threshold");
        check.refuse("percent_of_quota", message);
    }
}

fn check_recipient_list(check: &mut Check, notify: &[Email]) {
    let message = format!("must be at most {MAX_ALERT_RECIPIENTS} addresses");
    check.require(notify.len() <= MAX_ALERT_RECIPIENTS, "notify", message);
    let distinct: BTreeSet<&Email> = notify.iter().collect();
    check.require(distinct.len() == notify.len(), "notify", "must not contain an address twice");
}
