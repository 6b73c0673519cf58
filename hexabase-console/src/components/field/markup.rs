use maud::{Markup, html};

use super::{Choice, Control, Field};
use crate::language::Texts;

/// Field of a form.
#[must_use]
pub fn field(texts: &Texts, field: &Field) -> Markup {
    match &field.control {
        Control::Radio(choices) => choice_list(texts, field, choices, "radio"),
        Control::Checks(choices) => choice_list(texts, field, choices, "checkbox"),
        control => html! {
            div class="field" {
                label for=(field.id) { (field.label) (optional_mark(texts, field)) }
                (descriptions(field))
                (single_control(field, control))
            }
        },
    }
}

fn is_chosen(field: &Field, value: &str) -> bool {
    field.values.iter().any(|chosen| chosen == value)
}

/// Returns the ids of the elements that describe a field.
fn described_by(field: &Field) -> Option<String> {
    let hint = field.hint.as_ref().map(|_| format!("{}-hint", field.id));
    let error = field.error.as_ref().map(|_| format!("{}-error", field.id));
    let ids: Vec<_> = hint.into_iter().chain(error).collect();
    (!ids.is_empty()).then(|| ids.join(" "))
}

fn single_control(field: &Field, control: &Control) -> Markup {
    let value = field.values.first().map_or("", String::as_str);
    let (described_by, invalid) = (described_by(field), field.error.as_ref().map(|_| "true"));
    match control {
        Control::Line { kind, autocomplete, suggestions } => {
            let list = (!suggestions.is_empty()).then(|| format!("{}-list", field.id));
            html! {
                input id=(field.id) name=(field.name) type=(kind) value=(value) autocomplete=(autocomplete)
                    spellcheck="false" list=[list.as_deref()] required[field.is_required]
                    aria-describedby=[described_by] aria-invalid=[invalid];
                @if let Some(list) = &list {
                    datalist id=(list) {
                        @for suggestion in suggestions { option value=(suggestion) {} }
                    }
                }
            }
        }
        Control::Lines(rows) => html! {
            textarea id=(field.id) name=(field.name) rows=(rows) spellcheck="false" required[field.is_required]
                aria-describedby=[described_by] aria-invalid=[invalid] { (value) }
        },
        Control::Select(choices) | Control::Radio(choices) | Control::Checks(choices) => html! {
            select id=(field.id) name=(field.name) required[field.is_required] aria-describedby=[described_by]
                aria-invalid=[invalid] {
                @for choice in choices {
                    option value=(choice.value) selected[is_chosen(field, &choice.value)]
                        disabled[choice.refusal.is_some()] {
                        (choice.label)
                        @if let Some(refusal) = &choice.refusal { " (" (refusal) ")" }
                    }
                }
            }
        },
    }
}

fn choice_list(texts: &Texts, field: &Field, choices: &[Choice], kind: &str) -> Markup {
    html! {
        fieldset class="field" id=(field.id) tabindex="-1" aria-describedby=[described_by(field)] {
            legend { (field.label) (optional_mark(texts, field)) }
            (descriptions(field))
            @for (index, choice) in choices.iter().enumerate() {
                @let hint_id = format!("{}-{index}", field.id);
                @let description = choice.refusal.as_ref().or(choice.hint.as_ref());
                div class="choice" {
                    label {
                        input type=(kind) name=(field.name) value=(choice.value) checked[is_chosen(field, &choice.value)]
                            disabled[choice.refusal.is_some()]
                            aria-describedby=[description.map(|_| &hint_id)];
                        span { (choice.label) }
                    }
                    @if let Some(description) = description {
                        p class="hint" id=(hint_id) { (description) }
                    }
                }
            }
        }
    }
}

fn optional_mark(texts: &Texts, field: &Field) -> Markup {
    html! {
        @if !field.is_required { " " span class="optional" { (texts.text("field-optional")) } }
    }
}

fn descriptions(field: &Field) -> Markup {
    html! {
        @if let Some(hint) = &field.hint { p class="hint" id={ (field.id) "-hint" } { (hint) } }
        @if let Some(error) = &field.error { p class="error" id={ (field.id) "-error" } { (error) } }
    }
}
