use maud::{Markup, html};

use super::icon::{Icon, icon};
use crate::language::Texts;

/// Error of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummaryError {
    /// Id of the field; `None` for an error of the form as a whole.
    pub field_id: Option<String>,
    /// Description with the remedy.
    pub message: String,
}

/// Summary of a form's errors with links to the fields. A script moves the focus to it.
#[must_use]
pub fn error_summary(texts: &Texts, errors: &[SummaryError]) -> Markup {
    html! {
        @if !errors.is_empty() {
            div class="notice bad" role="alert" tabindex="-1" data-focus {
                (icon(Icon::Warning))
                div {
                    h2 {
                        (texts.text_with("summary-title", &[("count", errors.len().into())]))
                    }
                    ul {
                        @for error in errors {
                            li {
                                @if let Some(id) = &error.field_id {
                                    a href={ "#" (id) } { (error.message) }
                                } @else {
                                    (error.message)
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
