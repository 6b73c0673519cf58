use jiff::Timestamp;
use maud::{Markup, html};

use super::icon::{Icon, icon};
use crate::language::Texts;
use crate::time::time;

/// Step of a task.
#[derive(Debug, Clone)]
pub struct Step {
    /// Name in words.
    pub label: String,
    /// State.
    pub state: StepState,
    /// Reason for waiting, or last error with the remedy.
    pub detail: Option<Markup>,
    /// Time of the last change of the state.
    pub at: Option<Timestamp>,
}

/// State of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StepState {
    /// Not started.
    Waiting,
    /// In progress.
    Running,
    /// Completed.
    Completed,
    /// Failed.
    Failed,
}

impl StepState {
    fn text(self, texts: &Texts) -> String {
        match self {
            Self::Waiting => texts.text("step-waiting"),
            Self::Running => texts.text("step-running"),
            Self::Completed => texts.text("step-completed"),
            Self::Failed => texts.text("step-failed"),
        }
    }

    const fn class(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// Progress of a task as a bar and its steps.
#[must_use]
pub fn steps(texts: &Texts, steps: &[Step]) -> Markup {
    let completed = steps.iter().filter(|step| step.state == StepState::Completed).count();
    let progress =
        texts.text_with("steps-progress", &[("completed", completed.into()), ("total", steps.len().into())]);
    html! {
        div class="steps" {
            p class="note" role="status" { (progress) }
            progress max=(steps.len()) value=(completed) aria-label=(progress) {}
            ol {
                @for step in steps {
                    li class=(step.state.class()) aria-current=[(step.state == StepState::Running).then_some("step")] {
                        span class="mark" {
                            @match step.state {
                                StepState::Completed => (icon(Icon::Check)),
                                StepState::Failed => (icon(Icon::Warning)),
                                StepState::Waiting | StepState::Running => {},
                            }
                        }
                        div {
                            span class="step-name" { (step.label) } " "
                            span class="note" {
                                (step.state.text(texts))
                                @if let Some(at) = step.at { " · " (time(texts, at)) }
                            }
                            @if let Some(detail) = &step.detail { p class="reason" { (detail) } }
                        }
                    }
                }
            }
        }
    }
}
