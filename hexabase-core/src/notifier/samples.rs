use jiff::Timestamp;

use super::{Notification, PlainName};
use crate::metrics::Metric;
use crate::model::{
    AlertCondition, AlertDuration, AlertLimit, AlertSeverity, AlertState, Comparison, Currency, Meter, Money,
    OrganizationRole,
};
use crate::quantity::Quantity;

impl Notification {
    /// Returns made-up notifications of every kind, with every role, meter and metric, to check and preview how a
    /// [`Notifier`](super::Notifier) presents them. The name of the organization has characters that markup languages
    /// must escape.
    #[must_use]
    pub fn samples() -> Vec<Self> {
        let organization = PlainName("Müller & Söhne".to_owned());
        let billing_url = "https://hexabase.example/billing?from=mail&of=sample".to_owned();
        let until = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(500_000);
        let money = |amount| Currency::parse("usd").map(|currency| Money { amount, currency });
        let invitations = OrganizationRole::ALL.iter().map(|role| Self::Invitation {
            organization: organization.clone(),
            role: *role,
            accept_url: "https://hexabase.example/invitations#token=hxi_sample".into(),
            token: "hxi_sample".into(),
            expires_at: until,
        });
        let billing = [
            Self::PaymentFailed {
                organization: organization.clone(),
                until,
                billing_url: billing_url.clone(),
            },
            Self::GraceEnds { organization: organization.clone(), until, billing_url: billing_url.clone() },
            Self::Suspended { organization: organization.clone(), billing_url: billing_url.clone() },
            Self::Resumed { organization: organization.clone() },
            Self::SubscriptionEnded { organization: organization.clone(), billing_url: billing_url.clone() },
        ];
        let included = Meter::ALL.iter().zip([80, 100].into_iter().cycle()).filter_map(|(meter, percent)| {
            Some(Self::IncludedUsage {
                organization: organization.clone(),
                meter: *meter,
                percent,
                included: 500,
                cost: money(1_250)?,
                billing_url: billing_url.clone(),
            })
        });
        let budgets = [80, 100].into_iter().filter_map(|percent| {
            Some(Self::Budget {
                organization: organization.clone(),
                percent,
                budget: money(10_000)?,
                cost: money(8_050)?,
                billing_url: billing_url.clone(),
            })
        });
        let suspension = [
            Self::OrganizationSuspended {
                organization: organization.clone(),
                reason: Some("abuse of <the> network".to_owned()),
            },
            Self::OrganizationSuspended { organization: organization.clone(), reason: None },
            Self::OrganizationResumed { organization: organization.clone() },
        ];
        let alerts =
            Metric::ALL.iter().zip(AlertState::ALL.iter().cycle()).map(|(metric, state)| Self::Alert {
                organization: organization.clone(),
                workspace: "shop".to_owned(),
                rule: "usage-high".to_owned(),
                state: *state,
                severity: AlertSeverity::Warning,
                condition: AlertCondition {
                    metric: *metric,
                    comparison: if metric.quota_resource().is_some() {
                        Comparison::Above
                    } else {
                        Comparison::Below
                    },
                    limit: match metric.quota_resource() {
                        Some(_) => AlertLimit::PercentOfQuota(80),
                        None => AlertLimit::Threshold(Quantity::milli(1_500)),
                    },
                    duration: if *state == AlertState::Firing {
                        AlertDuration::FiveMinutes
                    } else {
                        AlertDuration::Immediate
                    },
                },
                starts_at: until,
            });
        invitations.chain(billing).chain(suspension).chain(included).chain(budgets).chain(alerts).collect()
    }
}
