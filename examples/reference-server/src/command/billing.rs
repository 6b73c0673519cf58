//! What Stripe sells, and whether that is what the plans say.

use clap::{Args, Subcommand};
use hexabase_core::error::{Error, Result};

use super::{runtime, say, settings};
use crate::compose;
use crate::settings::{Settings, Sources};

#[derive(Debug, Args)]
pub(super) struct Billing {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what Stripe has to be told so that it sells what the plans say: products and prices. Prices never change:
    /// whoever subscribes from then on pays the new one, and whoever has subscribed goes on paying the old one.
    Sync(Box<Sync>),
}

#[derive(Debug, Args)]
struct Sync {
    /// Tell it. Without this nothing is changed.
    #[arg(long)]
    apply: bool,

    #[command(flatten)]
    sources: Sources,
}

impl Billing {
    /// # Errors
    /// `Invalid` for settings that make no sense, or without Stripe's key; `Unavailable` when Stripe does not answer.
    pub(super) fn carry_out(self) -> Result<()> {
        let Action::Sync(sync) = self.action;
        let settings = settings(sync.sources)?;
        runtime()?.block_on(synced(&settings, sync.apply))
    }
}

async fn synced(settings: &Settings, apply: bool) -> Result<()> {
    let unset = || Error::invalid("stripe_secret_key", "is missing: say with which key to speak with Stripe");
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
