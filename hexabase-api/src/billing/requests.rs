//! Requests about subscriptions, payment methods, usage and budgets.

use hexabase_auth::require_local_path;
use hexabase_core::error::{Check, Error, Result};
use hexabase_core::id::WorkspaceId;
use hexabase_core::model::{Currency, Interval, Money, Month};
use hexabase_core::name::PlanId;
use hexabase_core::platform::ChoosePlan;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::requests::parse_timestamp;
use crate::schema;

/// Plan to subscribe to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanChoice {
    /// Id of the plan. A free plan cancels the subscription at the end of the paid period.
    #[schema(example = "team")]
    pub plan_id: String,
    /// Billing interval; by default that of the current subscription, or `month` without one.
    #[schema(value_type = Option<schema::BillingInterval>)]
    pub interval: Option<String>,
    /// Coupon to redeem, by its id at the payment provider.
    pub coupon: Option<String>,
}

impl PlanChoice {
    /// Validates the request.
    ///
    /// # Errors
    /// `Invalid` with all invalid fields.
    pub fn parse(self) -> Result<ChoosePlan> {
        let mut check = Check::default();
        let plan_id = check.field("plan_id", PlanId::parse(&self.plan_id));
        let interval =
            check.field("interval", self.interval.map(|text| text.parse::<Interval>()).transpose());
        let (plan_id, interval) = check.all((plan_id, interval))?;
        Ok(ChoosePlan { plan_id, interval, coupon: self.coupon })
    }
}

/// Preview option.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PlanChoiceOptions {
    /// `true` to place no order and return a preview of the next invoice.
    #[serde(default)]
    pub dry_run: bool,
}

/// Time of the cancellation.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Cancellation {
    /// `true` to cancel immediately instead of at the end of the paid period.
    #[serde(default)]
    pub now: bool,
}

/// Options of a page at the payment provider.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HostedPageRequest {
    /// Path on this server to return to afterwards; `/` by default.
    #[schema(example = "/billing")]
    pub return_to: Option<String>,
}

impl HostedPageRequest {
    /// Returns the URL to return to on the server with a public URL. Rejects other servers, so the page cannot be used for
    /// open redirects.
    ///
    /// # Errors
    /// `Invalid` for a path that may lead to another server.
    pub fn parse(self, public_url: &str) -> Result<String> {
        let path = self.return_to.unwrap_or_else(|| "/".to_owned());
        require_local_path(&path)?;
        Ok(format!("{public_url}{path}"))
    }
}

/// Payment method to attach, which was entered at the payment provider.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPaymentMethod {
    /// Id of the payment method at the payment provider.
    #[schema(example = "pm_1Q0PsIJvEtkwdCNYMSaVuRz6")]
    pub payment_method: String,
}

/// Period and workspace of the usage.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsageQuery {
    /// Start of the period (RFC 3339); the start of the month in UTC by default. The usage covers the hours in UTC
    /// that begin in the period.
    #[param(format = DateTime)]
    pub from: Option<String>,
    /// End of the period (RFC 3339); now by default. At most 400 days after `from`.
    #[param(format = DateTime)]
    pub to: Option<String>,
    /// Id of a single workspace, `ws_…`; all workspaces by default.
    #[param(value_type = Option<schema::WorkspaceId>)]
    pub workspace: Option<String>,
}

/// Hours and workspaces of a usage statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsagePeriod {
    /// Single workspace; `None` for all workspaces.
    pub workspace: Option<WorkspaceId>,
    /// Start of the period.
    pub from: Timestamp,
    /// End of the period.
    pub to: Timestamp,
}

impl UsageQuery {
    /// Validates the request.
    ///
    /// # Errors
    /// `Invalid` with all invalid fields.
    pub fn parse(self, now: Timestamp) -> Result<UsagePeriod> {
        let mut check = Check::default();
        let time = |text: Option<String>, default| text.map_or(Ok(default), |text| parse_timestamp(&text));
        let from = check.field("from", time(self.from, Month::of(now).start()));
        let to = check.field("to", time(self.to, now));
        let invalid = |_| "must be the id of a workspace";
        let workspace = self.workspace.map(|id| id.parse::<WorkspaceId>()).transpose().map_err(invalid);
        let workspace = check.field("workspace", workspace);
        let (workspace, from, to) = check.all((workspace, from, to))?;
        Ok(UsagePeriod { workspace, from, to })
    }
}

/// Monthly budget of an organization for usage beyond the included amounts.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Amount in minor units of the currency.
    #[schema(example = 20000)]
    pub amount: i64,
    /// ISO 4217 code of the currency, in lower case. It must be a currency that plans are priced in.
    #[schema(example = "usd")]
    pub currency: String,
}

impl Budget {
    /// Validates the request.
    ///
    /// # Errors
    /// `Invalid` for an unknown currency.
    pub fn parse(self) -> Result<Money> {
        let invalid = || Error::invalid("currency", "must be a currency code such as usd");
        let currency = Currency::parse(&self.currency).ok_or_else(invalid)?;
        Ok(Money { amount: self.amount, currency })
    }
}
