//! Addresses of usage, metrics, alerts and logs.

use hexabase_core::alerts::SilenceId;
use hexabase_core::id::{AlertRuleId, OrganizationId, WorkspaceId};

use super::urls;

urls! {
    /// Health and usage of a workspace.
    USAGE usage(org: OrganizationId, ws: WorkspaceId) = "/console/orgs/{org}/workspaces/{ws}/usage";
    /// Metric of a workspace.
    METRICS metrics(org: OrganizationId, ws: WorkspaceId) = "/console/orgs/{org}/workspaces/{ws}/metrics";
    /// Alerts and alert rules of a workspace.
    ALERTS alerts(org: OrganizationId, ws: WorkspaceId) = "/console/orgs/{org}/workspaces/{ws}/alerts";
    /// New alert rule.
    NEW_ALERT_RULE new_alert_rule(org: OrganizationId, ws: WorkspaceId) = "/console/orgs/{org}/workspaces/{ws}/alert-rules/new";
    /// Alert rule.
    ALERT_RULE alert_rule(org: OrganizationId, ws: WorkspaceId, id: AlertRuleId) = "/console/orgs/{org}/workspaces/{ws}/alert-rules/{id}";
    /// Deletion of an alert rule.
    ALERT_RULE_DELETE alert_rule_delete(org: OrganizationId, ws: WorkspaceId, id: AlertRuleId) = "/console/orgs/{org}/workspaces/{ws}/alert-rules/{id}/delete";
    /// Silence of the alerts of a rule.
    ALERT_SILENCE alert_silence(org: OrganizationId, ws: WorkspaceId, id: AlertRuleId) = "/console/orgs/{org}/workspaces/{ws}/alert-rules/{id}/silence";
    /// End of a silence.
    SILENCE silence(org: OrganizationId, ws: WorkspaceId, id: SilenceId) = "/console/orgs/{org}/workspaces/{ws}/silences/{id}";
    /// Logs of a workspace.
    LOGS logs(org: OrganizationId, ws: WorkspaceId) = "/console/orgs/{org}/workspaces/{ws}/logs";
}
