//! Extension point for notifications.
//!
//! The platform decides that a user is notified, and of what; a [`Notifier`] decides about the form. A [`Notification`]
//! therefore is data without prose. An [`Envelope`] adds the recipient and what all attempts to deliver it share.

mod samples;

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use crate::error::{Error, Result};
use crate::id::{MessageId, OrganizationId};
use crate::model::{AlertCondition, AlertSeverity, AlertState, Meter, Money, Organization, OrganizationRole};
use crate::name::{DisplayName, Email, Language};
use crate::secret::{ExposeSecret as _, SecretString};

/// Delivers notifications, such as invitations and billing notices, to users.
///
/// A notification can contain a secret (the token of an invitation), so implementations must not log its content.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait Notifier: fmt::Debug + Send + Sync + 'static {
    /// Delivers a notification. A delivery whose response was lost is repeated with an equal envelope: its id lets a
    /// receiver drop the repetition.
    ///
    /// # Errors
    /// - `Invalid` if the recipient can never be reached. The message is not retried; it becomes a dead letter with this
    ///   error as its reason.
    /// - `Unavailable` if a retry may succeed. The message becomes a dead letter after the last delivery of the queue.
    async fn send(&self, envelope: &Envelope) -> Result<()>;
}

/// Notification to one recipient.
#[derive(Clone, Serialize, Deserialize)]
pub struct Envelope {
    /// Id of the message in the queue, the same in all attempts.
    pub id: MessageId,
    /// Recipient.
    pub to: Email,
    /// Language of the text.
    pub language: Language,
    /// Time of the event that caused the notification, the same in all attempts.
    pub created_at: Timestamp,
    /// Content.
    pub notification: Notification,
}

impl fmt::Debug for Envelope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.notification.kind();
        out.debug_struct("Envelope").field("id", &self.id).field("kind", &kind).finish_non_exhaustive()
    }
}

/// Content of a notification. URLs lead to pages of [`NotificationConfig`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Notification {
    /// Invitation to an organization.
    Invitation {
        /// Organization to join.
        organization: PlainName,
        /// Role of the new member.
        role: OrganizationRole,
        /// URL of the page that accepts the invitation, with the token in its fragment. Browsers send a fragment to no
        /// server, neither as part of a request nor as a referrer, so it appears in no access log.
        #[serde(serialize_with = "expose")]
        accept_url: SecretString,
        /// Token that accepts the invitation.
        #[serde(serialize_with = "expose")]
        token: SecretString,
        /// Time until which the invitation can be accepted.
        expires_at: Timestamp,
    },
    /// A payment failed, and the grace period begins.
    PaymentFailed {
        /// Organization that pays.
        organization: PlainName,
        /// End of the grace period, at which its workspaces are suspended.
        until: Timestamp,
        /// URL of the page with invoices and payment methods.
        billing_url: String,
    },
    /// A payment is still missing, and the grace period ends soon.
    GraceEnds {
        /// Organization that pays.
        organization: PlainName,
        /// End of the grace period, at which its workspaces are suspended.
        until: Timestamp,
        /// URL of the page with invoices and payment methods.
        billing_url: String,
    },
    /// The workspaces are suspended for a missing payment.
    Suspended {
        /// Organization that pays.
        organization: PlainName,
        /// URL of the page with invoices and payment methods.
        billing_url: String,
    },
    /// The workspaces resume after a payment.
    Resumed {
        /// Organization that paid.
        organization: PlainName,
    },
    /// An operator has suspended the organization with its workspaces.
    OrganizationSuspended {
        /// Suspended organization.
        organization: PlainName,
        /// Reason, as the operator gave it; `None` if it was not given.
        reason: Option<String>,
    },
    /// An operator has ended the suspension of the organization.
    OrganizationResumed {
        /// Resumed organization.
        organization: PlainName,
    },
    /// The subscription has ended.
    SubscriptionEnded {
        /// Organization without a subscription.
        organization: PlainName,
        /// URL of the page to subscribe again.
        billing_url: String,
    },
    /// Usage has reached a part of the amount that the plan includes per month.
    IncludedUsage {
        /// Organization with the usage.
        organization: PlainName,
        /// Meter of the usage.
        meter: Meter,
        /// Percentage of the included amount that is used; 100 for all of it.
        percent: u8,
        /// Included amount per month, in whole units of the meter.
        included: u64,
        /// Cost of the usage beyond included amounts in this month.
        cost: Money,
        /// URL of the page with the usage.
        billing_url: String,
    },
    /// The cost of usage has reached a part of the budget per month.
    Budget {
        /// Organization with the usage.
        organization: PlainName,
        /// Percentage of the budget that is used; 100 for all of it.
        percent: u8,
        /// Budget per month.
        budget: Money,
        /// Cost of the usage beyond included amounts in this month.
        cost: Money,
        /// URL of the page with the usage.
        billing_url: String,
    },
    /// The alert of an alert rule began or ended.
    Alert {
        /// Organization of the workspace.
        organization: PlainName,
        /// Name of the workspace, a DNS label.
        workspace: String,
        /// Name of the rule, a DNS label.
        rule: String,
        /// State of the alert.
        state: AlertState,
        /// Severity of the alert.
        severity: AlertSeverity,
        /// Condition of the rule.
        condition: AlertCondition,
        /// Time since which the condition has held.
        starts_at: Timestamp,
    },
}

impl Notification {
    /// Returns the kind as a stable identifier in `snake_case`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Invitation { .. } => "invitation",
            Self::PaymentFailed { .. } => "payment_failed",
            Self::GraceEnds { .. } => "grace_ends",
            Self::Suspended { .. } => "suspended",
            Self::Resumed { .. } => "resumed",
            Self::OrganizationSuspended { .. } => "organization_suspended",
            Self::OrganizationResumed { .. } => "organization_resumed",
            Self::SubscriptionEnded { .. } => "subscription_ended",
            Self::IncludedUsage { .. } => "included_usage",
            Self::Budget { .. } => "budget",
            Self::Alert { .. } => "alert",
        }
    }
}

/// Serializes a secret. Serialized notifications are sealed before they are stored.
fn expose<S: Serializer>(secret: &SecretString, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(secret.expose_secret())
}

/// Language of notifications, and the pages that they lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationConfig {
    /// Language of all notifications; English by default.
    pub language: Language,
    /// Path of the page that accepts an invitation, below the public URL; `/invitations` by default. The page reads the
    /// token from the fragment `#token=…`.
    pub invitation_path: String,
    /// Path of the page with payments and usage, below the public URL, in which `{organization}` stands for the id of
    /// the organization; empty by default.
    pub billing_path: String,
}

impl Default for NotificationConfig {
    fn default() -> Self {
        Self {
            language: Language::default(),
            invitation_path: "/invitations".to_owned(),
            billing_path: String::new(),
        }
    }
}

impl NotificationConfig {
    /// Returns the URL of the page that accepts the invitation with this token.
    pub(crate) fn accept_url(&self, public_url: &str, token: &SecretString) -> SecretString {
        format!("{public_url}{}#token={}", self.invitation_path, token.expose_secret()).into()
    }

    /// Returns the URL of the page with payments and usage of an organization.
    pub(crate) fn billing_url(&self, public_url: &str, organization: OrganizationId) -> String {
        format!("{public_url}{}", self.billing_path.replace("{organization}", &organization.to_string()))
    }

    /// Checks that the paths lead to pages of the platform.
    ///
    /// # Errors
    /// `Invalid` for a path that does not begin with `/`, or that has a fragment or white space.
    pub(crate) fn check(&self) -> Result<()> {
        let is_path = |path: &str| {
            path.starts_with('/') && !path.starts_with("//") && !path.contains(['#', ' ', '\r', '\n'])
        };
        let rule = "must be a path that begins with /, without a fragment";
        if !is_path(&self.invitation_path) {
            return Err(Error::invalid("notifications.invitation_path", rule));
        }
        if !self.billing_path.is_empty() && !is_path(&self.billing_path) {
            return Err(Error::invalid("notifications.billing_path", rule));
        }
        Ok(())
    }
}

/// Maximum number of characters of a name in a notification.
const MAX_NAME_CHARACTERS: usize = 64;

/// Name of an organization in a notification. A user chose the name and another one reads the text, so it has at most 64
/// characters on one line, and nothing that mail programs show as a link: no `/`, `:`, `@` and angle brackets, and dots
/// only at the end of a word.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlainName(String);

impl PlainName {
    /// Returns the display name of an organization, or its name if nothing is left of the display name.
    #[must_use]
    pub fn of(organization: &Organization) -> Self {
        let name = plain_name(&organization.display_name);
        Self(if name.is_empty() { organization.name.to_string() } else { name })
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&DisplayName> for PlainName {
    fn from(name: &DisplayName) -> Self {
        Self(plain_name(name))
    }
}

impl fmt::Display for PlainName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for PlainName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, out)
    }
}

fn plain_name(name: &DisplayName) -> String {
    const DOTS: [char; 4] = ['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'];
    let characters: Vec<char> = name.as_str().chars().collect();
    let is_plain = |index: usize, character: char| {
        let ends_word = characters.get(index + 1).is_none_or(|next| next.is_whitespace());
        !(character.is_control() || "/\\:@<>\"".contains(character))
            && (ends_word || !DOTS.contains(&character))
    };
    let plain: String = characters
        .iter()
        .enumerate()
        .map(|(index, character)| if is_plain(index, *character) { *character } else { ' ' })
        .collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    words.join(" ").chars().take(MAX_NAME_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::fixture::id;

    #[test]
    fn a_name_in_a_notification_has_no_link_and_is_bounded() {
        let plain = |name: &str| plain_name(&DisplayName::parse(name).unwrap());
        for unchanged in ["Acme Inc.", "Müller & Söhne (2)", "St. Mary"] {
            assert_eq!(plain(unchanged), unchanged);
        }
        assert_eq!(plain("Win at https://evil.example/x now"), "Win at https evil example x now");
        assert_eq!(plain("evil\u{3002}example ann@evil.example"), "evil example ann evil example");
        assert_eq!(plain(&"a".repeat(128)).len(), MAX_NAME_CHARACTERS);
    }

    #[test]
    fn the_token_is_in_the_fragment_of_the_link_and_in_no_debug_output() {
        let config = NotificationConfig::default();
        let token = SecretString::from("hxi_s3cr3t");
        let accept_url = config.accept_url("https://hexabase.example", &token);
        assert_eq!(accept_url.expose_secret(), "https://hexabase.example/invitations#token=hxi_s3cr3t");
        let notification = Notification::Invitation {
            organization: PlainName::from(&DisplayName::parse("Acme").unwrap()),
            role: OrganizationRole::Member,
            accept_url,
            token,
            expires_at: Timestamp::UNIX_EPOCH,
        };
        assert!(!format!("{notification:?}").contains("s3cr3t"), "{notification:?}");
        let stored = serde_json::to_string(&notification).unwrap();
        let read: Notification = serde_json::from_str(&stored).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), stored);
        assert!(stored.contains("\"kind\":\"invitation\"") && stored.contains("hxi_s3cr3t"), "{stored}");
    }

    #[test]
    fn there_is_a_sample_of_each_kind() {
        let kinds: BTreeSet<&str> = Notification::samples().iter().map(Notification::kind).collect();
        assert_eq!(kinds.len(), 11, "add a sample of a new kind, and templates for it: {kinds:?}");
    }

    #[test]
    fn the_link_to_the_billing_page_names_the_organization() {
        let organization: OrganizationId = id("acme");
        let config = NotificationConfig {
            billing_path: "/organizations/{organization}/billing".to_owned(),
            ..NotificationConfig::default()
        };
        assert_eq!(
            config.billing_url("https://hexabase.example", organization),
            format!("https://hexabase.example/organizations/{organization}/billing")
        );
        let without_page =
            NotificationConfig::default().billing_url("https://hexabase.example", organization);
        assert_eq!(without_page, "https://hexabase.example");
    }

    #[test]
    fn pages_of_notifications_are_paths() {
        let with_page = |path: &str| NotificationConfig {
            invitation_path: path.to_owned(),
            billing_path: path.to_owned(),
            ..NotificationConfig::default()
        };
        assert!(with_page("/join").check().is_ok() && NotificationConfig::default().check().is_ok());
        for bad in ["join", "//evil.example", "/a#b", "/a b", "https://evil.example"] {
            assert!(with_page(bad).check().is_err(), "{bad}");
        }
    }
}
