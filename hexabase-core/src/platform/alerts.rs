use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::in_progress::{InProgress, Operation};
use super::{Authorization, Caller, Idempotent, PlatformInner};
use crate::access::Action;
use crate::alerts::{AlertSource, FiringAlert, NewSilence, Silence, SilenceId, thresholds_as_text};
use crate::changeset::Changeset;
use crate::clock::after;
use crate::ephemeral::Rate;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::id::{AlertRuleId, OrganizationId, UserId, WorkspaceId};
use crate::model::{AlertRule, EventKind};
use crate::page::PageRequest;

/// Minimum and maximum duration of a silence.
const SILENCE_DURATIONS: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(30 * 86_400));
/// New silences of a workspace; Alertmanager keeps them for all tenants.
const SILENCES: Rate = Rate { burst: 20, period: Duration::from_secs(3_600) };
/// Maximum length of the reason for a silence, in characters.
const MAX_COMMENT_LENGTH: usize = 200;
/// Number of conditions that are read at once for the export.
const THRESHOLDS_PER_READ: u16 = 1_000;
/// Maximum number of conditions in the export.
const MAX_THRESHOLDS: usize = 100_000;

/// Maximum duration of a request to the source.
const SOURCE_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum number of requests of a workspace to the source in progress.
const MAX_REQUESTS_PER_WORKSPACE: u32 = 4;
/// Maximum number of requests of the process to the source in progress.
const MAX_REQUESTS: u32 = 32;

/// Alerts of workspaces, and silences.
#[derive(Debug, Clone, Copy)]
pub struct Alerts<'a>(pub(super) &'a PlatformInner);

/// Alert that is firing, with its rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveAlert {
    /// Rule of the alert.
    pub rule: AlertRule,
    /// Time since which the condition of the rule has held.
    pub starts_at: Timestamp,
    /// Silences that apply to the alert, with those of operators.
    pub silenced_by: Vec<SilenceId>,
}

/// Command to silence the alerts of a rule.
#[derive(Debug, Clone)]
pub struct SilenceAlert {
    /// Duration of the silence, from now on.
    pub duration: Duration,
    /// Reason for the silence; may be empty.
    pub comment: String,
}

/// Silence in the audit log, before it has an id.
#[derive(Debug, Serialize)]
struct RequestedSilence<'a> {
    rule_id: AlertRuleId,
    ends_at: Timestamp,
    comment: &'a str,
}

/// Silence of the alerts of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertSilence {
    /// Id of the silence.
    pub id: SilenceId,
    /// Rule whose alerts are silenced.
    pub rule_id: AlertRuleId,
    /// User who created the silence.
    pub created_by: UserId,
    /// End of the silence.
    pub ends_at: Timestamp,
    /// Reason for the silence.
    pub comment: String,
}

impl From<Silence> for AlertSilence {
    fn from(Silence { id, rule_id, created_by, comment, ends_at }: Silence) -> Self {
        Self { id, rule_id, created_by, ends_at, comment }
    }
}

/// Requests to the source of alerts in progress.
#[derive(Debug, Default)]
pub(super) struct AlertRequests {
    workspaces: InProgress<WorkspaceId>,
    process: InProgress<()>,
}

impl AlertRequests {
    /// Begins a request, which ends when the result is dropped.
    ///
    /// # Errors
    /// `RateLimited` with code `too_many_alert_requests` for the workspace, and `Unavailable` for the process.
    fn begin(&self, workspace: WorkspaceId) -> Result<(Operation<WorkspaceId>, Operation<()>)> {
        let retry = Retry::After(Duration::from_secs(1));
        let own = self.workspaces.begin(workspace, MAX_REQUESTS_PER_WORKSPACE).ok_or_else(|| {
            let message = format!(
                "the workspace has {MAX_REQUESTS_PER_WORKSPACE} requests about alerts in progress, which is the maximum; \
                 wait for their results"
            );
            Error::new(ErrorKind::RateLimited, message).with_code("too_many_alert_requests").with_retry(retry)
        })?;
        let all = self.process.begin((), MAX_REQUESTS).ok_or_else(|| {
            let message = format!(
                "the server has {MAX_REQUESTS} requests about alerts in progress, which is the maximum; retry later"
            );
            Error::unavailable(message).with_retry(retry)
        })?;
        Ok((own, all))
    }
}

/// Ids, as stored, of the alert rules that could not be read in the last export.
#[derive(Debug, Default)]
pub(super) struct UnreadableRules(Mutex<BTreeSet<String>>);

impl UnreadableRules {
    /// Sets the ids, and returns those that are new.
    fn replace(&self, found: BTreeSet<String>) -> Vec<String> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = found.difference(&known).cloned().collect();
        *known = found;
        new
    }
}

impl Alerts<'_> {
    /// Returns the limits of the alert rules of all workspaces in the text format of Prometheus, for the monitoring
    /// system of the installation. At most 100,000 rules are included, the oldest. Rules that cannot be read are not
    /// included: they are counted in `hexabase_unreadable_alert_rules`, and logged once.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn thresholds(&self) -> Result<String> {
        let (mut thresholds, mut unreadable) = (Vec::new(), BTreeSet::new());
        let mut after = None;
        loop {
            let page = self.0.store.list_alert_thresholds(after, THRESHOLDS_PER_READ).await?;
            thresholds.extend(page.thresholds);
            unreadable.extend(page.unreadable);
            after = page.next;
            if after.is_none() {
                break;
            }
            if thresholds.len() + unreadable.len() >= MAX_THRESHOLDS {
                tracing::warn!(limit = MAX_THRESHOLDS, "too many alert rules; the newest are not evaluated");
                break;
            }
        }
        crate::telemetry::record_unreadable_alert_rules(unreadable.len());
        let new = self.0.unreadable_alert_rules.replace(unreadable);
        if let Some(example) = new.first() {
            tracing::error!(count = new.len(), example, "alert rules cannot be read; they are not evaluated");
        }
        let plans = self.0.plans().await?;
        Ok(thresholds_as_text(&thresholds, &plans))
    }

    /// Lists the alerts of a workspace that are firing, the oldest rule first. Alerts of rules that no longer exist are
    /// not included.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role and groups.
    /// - `RateLimited` with code `too_many_alert_requests` while the workspace has four requests in progress.
    /// - `Unavailable`; with code `unsupported` if the installation evaluates no alert rules.
    pub async fn list(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
    ) -> Result<Vec<ActiveAlert>> {
        self.0.permit_in(caller, organization, workspace, None, Action::AlertsRead).await?;
        let firing = self.ask(workspace, self.0.alert_source()?.alerts(workspace)).await?;
        if firing.is_empty() {
            return Ok(Vec::new());
        }
        let mut firing: BTreeMap<AlertRuleId, FiringAlert> =
            firing.into_iter().map(|alert| (alert.rule_id, alert)).collect();
        let (mut active, mut page) = (Vec::new(), PageRequest::largest());
        loop {
            let rules = self.0.store.list_alert_rules(organization, workspace, &page).await?;
            active.extend(rules.items.into_iter().filter_map(|rule| {
                let FiringAlert { starts_at, silenced_by, .. } = firing.remove(&rule.id)?;
                Some(ActiveAlert { rule, starts_at, silenced_by })
            }));
            match rules.next {
                Some(next) => page = PageRequest::new(PageRequest::MAX_LIMIT, Some(next)),
                None => return Ok(active),
            }
        }
    }

    /// Lists the silences of a workspace that have not ended, the first to end first. Those of operators are not included.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn silences(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
    ) -> Result<Vec<AlertSilence>> {
        self.0.permit_in(caller, organization, workspace, None, Action::AlertsRead).await?;
        let found = self.ask(workspace, self.0.alert_source()?.silences(workspace)).await?;
        Ok(found.into_iter().map(AlertSilence::from).collect())
    }

    /// Silences the alerts of a rule: they are not notified until the silence ends.
    ///
    /// The audit event is recorded before the silence is created, and is followed by `silence.create_failed` if the source
    /// did not confirm it.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role and groups, in the project if the rule has one.
    /// - `Invalid` for a duration that is too short or too long, or a comment that is too long.
    /// - `RateLimited` after 20 silences of the workspace in an hour, and as [`Self::list`].
    /// - `Unavailable`; with code `unsupported` if the installation evaluates no alert rules.
    pub async fn silence(
        &self,
        caller: &Caller,
        scope: (OrganizationId, WorkspaceId),
        rule: AlertRuleId,
        command: &SilenceAlert,
    ) -> Result<Idempotent<AlertSilence>> {
        let (organization, workspace) = scope;
        let found = self.0.store.find_alert_rule(organization, workspace, rule).await?;
        let in_project = (organization, workspace, found.as_ref().and_then(|rule| rule.project_id));
        let authorization = Authorization::Workspace(in_project, Action::AlertRulesManage);
        self.0.require(caller, authorization).await?;
        found.ok_or_else(|| Error::not_found("alert rule"))?;
        check_silence(command)?;
        let source = self.0.alert_source()?;
        let created = Mutex::new(Vec::new());
        let result = self
            .0
            .run_idempotent(caller, authorization, || async {
                let _request = self.0.alert_requests.begin(workspace)?;
                let bucket = format!("silence:{workspace}");
                let allowance = self.0.ephemeral.take_token(&bucket, SILENCES).await?;
                if !allowance.allowed {
                    let message =
                        "the workspace has the maximum of 20 new silences per hour; silence for longer";
                    return Err(Error::new(ErrorKind::RateLimited, message)
                        .with_retry(Retry::After(allowance.retry_after)));
                }
                let now = self.0.now();
                let (ends_at, comment) = (after(now, command.duration), command.comment.clone());
                let silence = NewSilence {
                    rule_id: rule,
                    created_by: caller.principal.user_id,
                    comment: comment.clone(),
                    starts_at: now,
                    ends_at,
                };
                let resource = format!("{workspace}/{rule}");
                let audit = |action: &str| {
                    let requested = RequestedSilence { rule_id: rule, ends_at, comment: &comment };
                    self.0.audit(caller, organization, action, &resource, (), requested)
                };
                // First the audit event: an interruption must not leave a silence without one.
                self.0.commit(Changeset::new().audit(audit("silence.create"))).await?;
                let id = match self.ask_in_time(source.create_silence(workspace, &silence)).await {
                    Ok(id) => id,
                    Err(error) => {
                        self.0.commit(Changeset::new().audit(audit("silence.create_failed"))).await?;
                        return Err(error);
                    }
                };
                created.lock().unwrap_or_else(PoisonError::into_inner).push(id);
                let created_by = caller.principal.user_id;
                let silence = AlertSilence { id, rule_id: rule, created_by, ends_at, comment };
                Ok((self.0.alerts_changed(organization, workspace), silence))
            })
            .await;
        // A silence that the caller does not know must not remain.
        let used = result.as_ref().ok().map(|done| done.value.id);
        let created = created.into_inner().unwrap_or_else(PoisonError::into_inner);
        for id in created.into_iter().filter(|id| Some(*id) != used) {
            if let Err(error) = self.ask_in_time(source.delete_silence(workspace, id)).await {
                tracing::warn!(%workspace, %id, ?error, "silence of a failed request remains until it ends");
                continue;
            }
            let resource = format!("{workspace}/{rule}/{id}");
            let entry = self.0.audit(caller, organization, "silence.delete", resource, (), ());
            if let Err(error) = self.0.commit(Changeset::new().audit(entry)).await {
                tracing::warn!(%workspace, %id, ?error, "the deletion of a silence has no audit event");
            }
        }
        result
    }

    /// Ends a silence of the alerts of one rule.
    ///
    /// # Errors
    /// - `NotFound` for a silence of another workspace or of an operator, and for one that has ended.
    /// - `NotFound` or `Forbidden` according to the caller's role and groups, in the project if the rule has one.
    /// - `RateLimited` and `Unavailable` as [`Self::list`].
    pub async fn end_silence(
        &self,
        caller: &Caller,
        scope: (OrganizationId, WorkspaceId),
        id: SilenceId,
    ) -> Result<()> {
        let (organization, workspace) = scope;
        self.0.permit_in(caller, organization, workspace, None, Action::AlertsRead).await?;
        let source = self.0.alert_source()?;
        let silence = self.ask(workspace, source.find_silence(workspace, id)).await?;
        let rule = match &silence {
            Some(silence) => self.0.store.find_alert_rule(organization, workspace, silence.rule_id).await?,
            None => None,
        };
        let in_project = (organization, workspace, rule.and_then(|rule| rule.project_id));
        let authorization = Authorization::Workspace(in_project, Action::AlertRulesManage);
        self.0.require(caller, authorization).await?;
        let silence = silence.ok_or_else(|| Error::not_found("silence"))?;
        // First the audit event: without the silence, a retry of the request would not write it.
        let resource = format!("{workspace}/{}/{id}", silence.rule_id);
        let entry = self.0.audit(caller, organization, "silence.delete", resource, (), ());
        self.0.commit(Changeset::new().audit(entry)).await?;
        self.ask(workspace, source.delete_silence(workspace, id)).await?;
        self.0.commit(self.0.alerts_changed(organization, workspace)).await
    }
}

impl Alerts<'_> {
    /// Sends a request of a workspace to the source, within the limits.
    async fn ask<T>(
        &self,
        workspace: WorkspaceId,
        request: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let _request = self.0.alert_requests.begin(workspace)?;
        self.ask_in_time(request).await
    }

    async fn ask_in_time<T>(&self, request: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let system = format!("the source of alerts {}", self.0.alert_source()?.name());
        self.0.in_time((&system, "retry later"), SOURCE_TIMEOUT, request).await
    }
}

impl PlatformInner {
    fn alert_source(&self) -> Result<&dyn AlertSource> {
        let missing = || {
            let message =
                "the installation evaluates no alert rules; ask its operator to set alertmanager_url";
            Error::unavailable(message).with_code("unsupported")
        };
        self.alerts.as_deref().ok_or_else(missing)
    }

    /// Returns a change that publishes the live event of changed alerts.
    pub(super) fn alerts_changed(&self, organization: OrganizationId, workspace: WorkspaceId) -> Changeset {
        let event =
            self.event(organization, Some(workspace), EventKind::AlertsChanged, serde_json::json!({}));
        Changeset::new().insert(event)
    }
}

fn check_silence(command: &SilenceAlert) -> Result<()> {
    let mut check = crate::error::Check::default();
    let (shortest, longest) = SILENCE_DURATIONS;
    let is_bounded = (shortest..=longest).contains(&command.duration);
    check.require(is_bounded, "minutes", "must be from 1 to 43200, which is 30 days");
    let is_text = command.comment.chars().count() <= MAX_COMMENT_LENGTH
        && !command.comment.chars().any(char::is_control);
    let message = format!("must be at most {MAX_COMMENT_LENGTH} characters without control characters");
    check.require(is_text, "comment", message);
    check.done()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::id;

    #[test]
    fn a_rule_that_cannot_be_read_is_logged_once() {
        let rules = UnreadableRules::default();
        let replace = |ids: &[&str]| rules.replace(ids.iter().map(ToString::to_string).collect());
        assert_eq!(replace(&["one", "two"]), ["one", "two"]);
        assert!(replace(&["one", "two"]).is_empty());
        assert_eq!(replace(&["three", "two"]), ["three"]);
        assert_eq!(replace(&["one"]), ["one"]);
        assert!(replace(&[]).is_empty());
    }

    #[test]
    fn requests_in_progress_are_limited_per_workspace_and_process() {
        let requests = AlertRequests::default();
        let begin = |number: u32| requests.begin(id(&number.to_string()));
        let own: Vec<_> = (0..MAX_REQUESTS_PER_WORKSPACE).map(|_| begin(0).unwrap()).collect();
        let error = begin(0).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::RateLimited, "too_many_alert_requests"));
        let others: Vec<_> =
            (MAX_REQUESTS_PER_WORKSPACE..MAX_REQUESTS).map(|number| begin(number).unwrap()).collect();
        assert_eq!(begin(MAX_REQUESTS).unwrap_err().kind(), ErrorKind::Unavailable);
        drop((own, others));
        assert!(begin(0).is_ok());
    }
}
