//! Notices of the monitoring system that an alert began or ended.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::Alerts;
use crate::changeset::Changeset;
use crate::ephemeral::Rate;
use crate::error::{Error, Result};
use crate::id::{AlertRuleId, OrganizationId, WorkspaceId};
use crate::model::{AlertRule, AlertState, Workspace};
use crate::name::Email;
use crate::notifier::{Notification, PlainName};
use crate::secret::VerifierHash;

/// Time after which the processing of a notice counts as interrupted, so that its repetition is processed.
const CLAIM_TTL: Duration = Duration::from_secs(120);
/// Values of the key of a notice.
const CLAIMED: &[u8] = b"claimed";
const PROCESSED: &[u8] = b"processed";
/// Time for which a notice is known: several Alertmanagers send each one, and repeat it while the alert is firing.
const NOTICE_TTL: Duration = Duration::from_secs(7 * 86_400);
/// Time for which the recipients of a notice are known, so that its repetition after an interruption takes no further
/// tokens of the limits.
const RECIPIENTS_TTL: Duration = Duration::from_secs(3_600);
/// Notices of one rule that are mailed; a rule that begins and ends to fire all the time must not fill mailboxes.
const MAILED_NOTICES: Rate = Rate { burst: 12, period: Duration::from_secs(3_600) };

/// Mails about alerts of an organization to one recipient, whatever the number of its rules.
const MAILS_PER_RECIPIENT: Rate = Rate { burst: 30, period: Duration::from_secs(3_600) };

/// Notice that the alert of a rule began or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertNotice {
    /// Identifier of the alert, the same in all notices of it.
    pub fingerprint: String,
    /// Workspace that the notice names.
    pub workspace_id: WorkspaceId,
    /// Rule that the notice names.
    pub rule_id: AlertRuleId,
    /// Time since which the condition of the rule has held.
    pub starts_at: Timestamp,
    /// State of the alert.
    pub state: AlertState,
}

impl AlertNotice {
    /// Key of something that is known of the notice. Its parts have fixed alphabets; the fingerprint, which does not, is
    /// last.
    fn key(&self, kind: &str) -> String {
        let at = self.starts_at.as_millisecond();
        format!("{kind}:{}:{at}:{}:{}", self.rule_id, self.state, self.fingerprint)
    }
}

impl Alerts<'_> {
    /// Processes a notice of the monitoring system: notifies the members of the rule by mail, once, and publishes the live
    /// event of changed alerts. The notice is a hint: a workspace or rule that does not exist is ignored, and so is a
    /// notice that was processed before.
    ///
    /// Each rule has 12 mailed notices per hour, and each member 30 mails of the organization.
    ///
    /// # Errors
    /// `Unavailable`; the notice is processed when it is repeated.
    pub async fn receive(&self, notice: &AlertNotice) -> Result<()> {
        let Some(organization) = self.0.store.organization_of_workspace(notice.workspace_id).await? else {
            return Ok(());
        };
        let Some(workspace) = self.0.store.find_workspace(organization, notice.workspace_id).await? else {
            return Ok(());
        };
        let found = self.0.store.find_alert_rule(organization, workspace.id, notice.rule_id).await?;
        let Some(rule) = found.filter(|_| workspace.deletion_requested_at.is_none()) else { return Ok(()) };
        let key = notice.key("alert");
        if !self.0.ephemeral.put_if_absent(&key, CLAIMED, CLAIM_TTL).await? {
            return match self.0.ephemeral.get(&key).await?.as_deref() {
                Some(PROCESSED) => Ok(()),
                _ => Err(Error::unavailable("another request is processing the notice")),
            };
        }
        // An interruption leaves the claim, which ends soon.
        if let Err(error) = self.process(notice, &workspace, &rule).await {
            self.0.ephemeral.take(&key).await?;
            return Err(error);
        }
        self.0.ephemeral.compare_and_set(&key, CLAIMED, PROCESSED, NOTICE_TTL).await?;
        Ok(())
    }

    async fn process(&self, notice: &AlertNotice, workspace: &Workspace, rule: &AlertRule) -> Result<()> {
        let organization_id = workspace.organization_id;
        let mut changeset = self.0.alerts_changed(organization_id, workspace.id);
        let recipients = self.recipients(notice, organization_id, rule).await?;
        if !recipients.is_empty() {
            changeset = self.add_mails(changeset, notice, workspace, (rule, &recipients)).await?;
        }
        self.0.commit(changeset).await
    }

    /// Returns the hashes of the addresses that are mailed: those of members, within the limits. They are decided once
    /// per notice.
    async fn recipients(
        &self,
        notice: &AlertNotice,
        organization: OrganizationId,
        rule: &AlertRule,
    ) -> Result<BTreeSet<String>> {
        if rule.notify.is_empty() {
            return Ok(BTreeSet::new());
        }
        let key = notice.key("alert-recipients");
        let known = self.0.ephemeral.get(&key).await?;
        if let Some(known) = known.and_then(|known| serde_json::from_slice(&known).ok()) {
            return Ok(known);
        }
        let mut recipients = BTreeSet::new();
        let bucket = format!("alert-mail:{}", rule.id);
        if self.0.ephemeral.take_token(&bucket, MAILED_NOTICES).await?.allowed {
            for address in &rule.notify {
                let recipient = recipient(address);
                let bucket = format!("alert-mail:{organization}:{recipient}");
                if self.0.find_member_by_email(organization, address).await?
                    && self.0.ephemeral.take_token(&bucket, MAILS_PER_RECIPIENT).await?.allowed
                {
                    recipients.insert(recipient);
                }
            }
        }
        let text = serde_json::to_vec(&recipients)
            .map_err(|error| Error::unexpected("recipients cannot be serialized").caused_by(error))?;
        self.0.ephemeral.put(&key, &text, RECIPIENTS_TTL).await?;
        Ok(recipients)
    }

    /// Adds a mail to each recipient who still belongs to the organization.
    async fn add_mails(
        &self,
        mut changeset: Changeset,
        notice: &AlertNotice,
        workspace: &Workspace,
        (rule, recipients): (&AlertRule, &BTreeSet<String>),
    ) -> Result<Changeset> {
        let organization = self.0.organization(workspace.organization_id).await?;
        let notification = Notification::Alert {
            organization: PlainName::of(&organization),
            workspace: workspace.name.to_string(),
            rule: rule.name.to_string(),
            state: notice.state,
            severity: rule.severity,
            condition: rule.condition,
            starts_at: notice.starts_at,
        };
        for address in rule.notify.iter().filter(|address| recipients.contains(&recipient(address))) {
            if self.0.find_member_by_email(organization.id, address).await? {
                let mail = self.0.notification(organization.id, address.clone(), notification.clone())?;
                changeset = changeset.message(mail);
            }
        }
        Ok(changeset)
    }
}

/// Hash of an address, for keys of short-lived data.
fn recipient(address: &Email) -> String {
    VerifierHash::of_parts(&[address.as_str().as_bytes()]).to_string()
}
