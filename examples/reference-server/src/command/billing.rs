//! Commands for billing: those of customers, and for operators the synchronization of Stripe's catalog with the plans,
//! and the verification of reported usage.

use std::fmt;

use clap::{Args, Subcommand};
use hexabase_core::Platform;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::OrganizationId;
use hexabase_core::model::{Meter, Month, Plan};
use hexabase_core::platform::UsageVerification;

use super::client::BillingCommand;
use super::{print_line, read_config, runtime};
use crate::compose;
use crate::config::{ProcessConfig, Sources};

/// Number of customers per page of the listing.
const CUSTOMER_PAGE_SIZE: usize = 200;

#[derive(Debug, Args)]
pub(super) struct Billing {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the changes of meters, products and prices that bring Stripe's catalog in line with the plans. Prices are
    /// immutable: a changed price is a new price for new subscriptions, and existing subscriptions keep theirs.
    Sync(Box<Sync>),
    /// Verify the usage of a month: print measured usage, reported usage and the billing provider's data for each
    /// organization and meter. Fails if any of them differ. The provider's data lags by a few minutes. Usage that became
    /// known after the invoice of its period was final is printed as not charged.
    Usage(Box<Usage>),
    #[command(flatten)]
    Customer(BillingCommand),
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hexabase billing sync --config hexabase.toml --apply")]
struct Sync {
    /// Make the changes. Without this flag they are only listed.
    #[arg(long)]
    apply: bool,

    #[command(flatten)]
    sources: Sources,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hexabase billing usage --config hexabase.toml --month 2026-11")]
struct Usage {
    /// Month in UTC, such as 2026-11 [default: the current month].
    #[arg(long, value_name = "MONTH")]
    month: Option<Month>,

    /// Id of an organization [default: all customers].
    #[arg(long, value_name = "ORGANIZATION")]
    organization: Option<OrganizationId>,

    #[command(flatten)]
    sources: Sources,
}

impl Billing {
    /// `true` for the commands of customers, which send requests to a server.
    pub(super) const fn is_of_client(&self) -> bool {
        matches!(self.action, Action::Customer(_))
    }

    /// # Errors
    /// - `Invalid` for an invalid configuration, or without Stripe's key.
    /// - `Unavailable` if Stripe does not respond.
    /// - `Conflict` with code `usage_differs` if usage differs.
    /// - The errors of the API for the commands of customers.
    pub(super) fn execute(self) -> Result<()> {
        match self.action {
            Action::Customer(command) => runtime()?.block_on(command.execute()),
            Action::Sync(sync) => {
                let config = read_config(sync.sources)?;
                runtime()?.block_on(sync_catalog(&config, sync.apply))
            }
            Action::Usage(usage) => {
                let config = read_config(usage.sources)?;
                runtime()?.block_on(verify_usage(&config, usage.month, usage.organization))
            }
        }
    }
}

fn missing_key() -> Error {
    Error::invalid("stripe_secret_key", "is missing: billing commands need the secret key of Stripe")
}

async fn sync_catalog(config: &ProcessConfig, apply: bool) -> Result<()> {
    let stripe = compose::stripe(config)?.ok_or_else(missing_key)?;
    let plans = compose::connect_platform(config).await?.current_plans().await?;
    let plans: Vec<Plan> = plans.iter().cloned().collect();
    let steps = stripe.plan_catalog(&plans).await?;
    for step in &steps {
        print_line(&step.to_string())?;
        if apply {
            stripe.apply(step).await?;
        }
    }
    match (steps.len(), apply) {
        (0, _) => print_line("Stripe's catalog matches the plans"),
        (count, true) => print_line(&format!("{count} changes made")),
        (count, false) => print_line(&format!("{count} changes pending; --apply makes them")),
    }
}

async fn verify_usage(
    config: &ProcessConfig,
    month: Option<Month>,
    only: Option<OrganizationId>,
) -> Result<()> {
    if config.stripe.is_none() {
        return Err(missing_key());
    }
    let platform = compose::connect_platform(config).await?;
    let month = month.unwrap_or_else(|| Month::of(platform.clock().now()));
    let (mut differences, mut organizations) = (0, 0);
    let mut after = None;
    loop {
        let page = match only {
            Some(organization) => vec![organization],
            None => platform.store().list_customers(after, CUSTOMER_PAGE_SIZE).await?,
        };
        for organization in &page {
            differences += verify_organization(&platform, *organization, month).await?;
        }
        organizations += page.len();
        after = page.last().copied();
        if only.is_some() || page.len() < CUSTOMER_PAGE_SIZE {
            break;
        }
    }
    if differences > 0 {
        let message = format!("{differences} differences in the usage of {month}");
        return Err(Error::conflict("usage_differs", message));
    }
    print_line(&format!("usage of {organizations} organizations in {month} is reported and matches Stripe"))
}

/// Prints the comparison for each meter of an organization, and returns the number of meters that differ.
async fn verify_organization(
    platform: &Platform,
    organization: OrganizationId,
    month: Month,
) -> Result<usize> {
    let verifications = platform.billing().verify_usage(organization, month).await?;
    for UsageVerification { meter, used, reported, provider, uncharged } in &verifications {
        let line = format!(
            "{organization} {meter}: used {}, reported {}, at Stripe {} {}, not charged {}",
            Units(*used),
            Units(*reported),
            Units(*provider),
            Meter::unit(*meter),
            Units(*uncharged),
        );
        print_line(&line)?;
    }
    Ok(verifications.iter().filter(|verification| !verification.is_consistent()).count())
}

/// Thousandths of a unit, displayed as a decimal number.
struct Units(u64);

impl fmt::Display for Units {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{:03}", self.0 / 1_000, self.0 % 1_000)
    }
}
