use crate::error::Result;
use crate::id::{AlertRuleId, OrganizationId, WorkspaceId};
use crate::model::{AlertRule, AlertThresholdPage};
use crate::page::{Page, PageRequest};
use crate::store::decorator::store_part;

store_part! {
    /// Alert rules of workspaces.
    pub trait AlertStore {
        /// Finds an alert rule.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn find_alert_rule(
            &self,
            org: OrganizationId,
            ws: WorkspaceId,
            id: AlertRuleId,
        ) -> Result<Option<AlertRule>>;

        /// Lists the alert rules of a workspace, oldest first.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_alert_rules(
            &self,
            org: OrganizationId,
            ws: WorkspaceId,
            page: &PageRequest,
        ) -> Result<Page<AlertRule>>;

        /// Counts the alert rules of a workspace.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn count_alert_rules(&self, org: OrganizationId, ws: WorkspaceId) -> Result<u32>;

        /// Lists the conditions of the alert rules of all workspaces, ordered by the id of the rule: those of at most `limit`
        /// rules, after the rule `after` if it is given, which is the end of the previous page.
        ///
        /// # Behaviour
        /// - A rule that cannot be read, as after a change by another program or a newer version, is counted and does not hide
        ///   the others.
        /// - Rules of workspaces that are being deleted are included until the workspace is deleted.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_alert_thresholds(&self, after: Option<String>, limit: u16) -> Result<AlertThresholdPage>;
    }
}
