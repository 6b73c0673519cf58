//! What Stripe sells, and whether that is what the plans say; and whether it was told what was used.

use std::fmt;

use clap::{Args, Subcommand};
use hexabase_core::Platform;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::OrganizationId;
use hexabase_core::model::{Meter, Month};
use hexabase_core::platform::UsageProof;

use super::{runtime, say, settings};
use crate::compose;
use crate::settings::{Settings, Sources};

/// How many customers are looked up in one go.
const PAGE: usize = 200;

#[derive(Debug, Args)]
pub(super) struct Billing {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what Stripe has to be told so that it sells what the plans say: meters, products and prices. Prices never
    /// change: whoever subscribes from then on pays the new one, and whoever has subscribed goes on paying the old one.
    Sync(Box<Sync>),
    /// Prove that what was used in a month is what was told and what the billing provider has: a line for each
    /// organization and each thing that is charged for. Ends with an error when anything differs. Of the last hour the
    /// provider may know a few minutes later.
    Usage(Box<Usage>),
}

#[derive(Debug, Args)]
struct Sync {
    /// Tell it. Without this nothing is changed.
    #[arg(long)]
    apply: bool,

    #[command(flatten)]
    sources: Sources,
}

#[derive(Debug, Args)]
struct Usage {
    /// Which month, in UTC, as in 2026-11; the present one if not said.
    #[arg(long, value_name = "MONTH")]
    month: Option<Month>,

    /// Which organization; all customers if not said.
    #[arg(long, value_name = "ORGANIZATION")]
    organization: Option<OrganizationId>,

    #[command(flatten)]
    sources: Sources,
}

impl Billing {
    /// # Errors
    /// `Invalid` for settings that make no sense, or without Stripe's key; `Unavailable` when Stripe does not answer;
    /// `Conflict` with code `usage_differs`.
    pub(super) fn carry_out(self) -> Result<()> {
        match self.action {
            Action::Sync(sync) => {
                let settings = settings(sync.sources)?;
                runtime()?.block_on(synced(&settings, sync.apply))
            }
            Action::Usage(usage) => {
                let settings = settings(usage.sources)?;
                runtime()?.block_on(proven(&settings, usage.month, usage.organization))
            }
        }
    }
}

fn unset() -> Error {
    Error::invalid("stripe_secret_key", "is missing: say with which key to speak with Stripe")
}

async fn synced(settings: &Settings, apply: bool) -> Result<()> {
    let stripe = compose::stripe(settings)?.ok_or_else(unset)?;
    let steps = stripe.plan_catalog(&compose::plans(settings.plans.as_deref())?).await?;
    for step in &steps {
        say(&step.to_string())?;
        if apply {
            stripe.apply(step).await?;
        }
    }
    match (steps.len(), apply) {
        (0, _) => say("Stripe sells what the plans say"),
        (count, true) => say(&format!("done: {count} changes")),
        (count, false) => say(&format!("{count} changes to make; --apply makes them")),
    }
}

async fn proven(settings: &Settings, month: Option<Month>, only: Option<OrganizationId>) -> Result<()> {
    if settings.stripe.is_none() {
        return Err(unset());
    }
    let platform = compose::books(settings).await?;
    let month = month.unwrap_or_else(|| Month::of(platform.clock().now()));
    let (mut differences, mut organizations) = (0, 0);
    let mut after = None;
    loop {
        let page = match only {
            Some(organization) => vec![organization],
            None => platform.store().list_customers(after, PAGE).await?,
        };
        for organization in &page {
            differences += prove(&platform, *organization, month).await?;
        }
        organizations += page.len();
        after = page.last().copied();
        if only.is_some() || page.len() < PAGE {
            break;
        }
    }
    if differences > 0 {
        let message = format!("{differences} differences in the usage of {month}");
        return Err(Error::conflict("usage_differs", message));
    }
    say(&format!("in {month} what {organizations} organizations used is what was told and what Stripe has"))
}

/// Says how things stand with an organization, and answers how much does not agree.
async fn prove(platform: &Platform, organization: OrganizationId, month: Month) -> Result<usize> {
    let proofs = platform.billing().prove(organization, month).await?;
    for UsageProof { meter, used, told, provider } in &proofs {
        let line = format!(
            "{organization} {meter}: used {}, told {}, Stripe has {} {}",
            Units(*used),
            Units(*told),
            Units(*provider),
            Meter::unit(*meter),
        );
        say(&line)?;
    }
    Ok(proofs.iter().filter(|proof| !proof.holds()).count())
}

/// Thousandths of a unit, as a decimal number.
struct Units(u64);

impl fmt::Display for Units {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{:03}", self.0 / 1_000, self.0 % 1_000)
    }
}
