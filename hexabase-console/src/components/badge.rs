use hexabase_core::model::{OrganizationRole, Phase};
use maud::{Markup, html};

use super::words::{phase_text, role_text};
use crate::language::Texts;

/// Meaning of a badge, notice or flash, which decides its colour. The text always says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Tone {
    /// No judgement.
    #[default]
    Neutral,
    /// As it should be.
    Good,
    /// In progress.
    Busy,
    /// Needs attention.
    Warning,
    /// Broken or refused.
    Bad,
}

impl Tone {
    /// Returns the class of `console.css`.
    #[must_use]
    pub const fn class(self) -> &'static str {
        match self {
            Self::Neutral => "neutral",
            Self::Good => "good",
            Self::Busy => "busy",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }
}

/// Badge with a mark and a text.
#[must_use]
pub fn badge(tone: Tone, text: &str) -> Markup {
    html! { span class={ "badge " (tone.class()) } { (text) } }
}

/// Badge with the phase of a workspace.
#[must_use]
pub fn phase_badge(texts: &Texts, phase: Phase) -> Markup {
    let tone = match phase {
        Phase::Ready => Tone::Good,
        Phase::Pending | Phase::Provisioning | Phase::Updating | Phase::Resuming => Tone::Busy,
        Phase::Suspending | Phase::Suspended => Tone::Neutral,
        Phase::Degraded => Tone::Warning,
        Phase::Failed | Phase::Deleting => Tone::Bad,
    };
    badge(tone, &phase_text(texts, phase))
}

/// Badge with a role in an organization.
#[must_use]
pub fn role_badge(texts: &Texts, role: OrganizationRole) -> Markup {
    html! { span class="badge role" { (role_text(texts, role)) } }
}
