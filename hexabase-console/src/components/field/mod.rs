mod markup;

pub use markup::field;

/// Field of a form with its label, hint, error and value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Id in the page, which the error summary links to. [`Field::new`] sets it to the name.
    pub id: String,
    /// Name in the form.
    pub name: String,
    /// Label.
    pub label: String,
    /// Element that edits the value.
    pub control: Control,
    /// Values: one, or those of the checked boxes.
    pub values: Vec<String>,
    /// Rule of the value, below the label.
    pub hint: Option<String>,
    /// Error of the value, with the remedy.
    pub error: Option<String>,
    /// `true` if the form cannot be sent without a value.
    pub is_required: bool,
}

/// Element that edits a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// Single line of a type of HTML such as `text` or `email`.
    Line {
        /// Type of the input element.
        kind: &'static str,
        /// Purpose of the field for `autocomplete` (WHATWG HTML); `off` for none.
        autocomplete: &'static str,
        /// Values to choose from, besides any other.
        suggestions: Vec<String>,
    },
    /// Text of several lines, with the number of visible ones.
    Lines(u8),
    /// One of several values, in a list.
    Select(Vec<Choice>),
    /// One of several values, all visible.
    Radio(Vec<Choice>),
    /// Any number of several values.
    Checks(Vec<Choice>),
}

/// Value to choose.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    /// Value in the form.
    pub value: String,
    /// Label of the value.
    pub label: String,
    /// Description of the value.
    pub hint: Option<String>,
    /// Reason for which the value cannot be chosen now.
    pub refusal: Option<String>,
}

impl Choice {
    /// Returns a choice without description.
    #[must_use]
    pub fn new(value: impl Into<String>, label: impl Into<String>) -> Self {
        Self { value: value.into(), label: label.into(), hint: None, refusal: None }
    }

    /// Returns the choice with a description.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Field {
    /// Returns an empty field.
    #[must_use]
    pub fn new(name: impl Into<String>, label: impl Into<String>, control: Control) -> Self {
        let name = name.into();
        Self {
            id: name.clone(),
            name,
            label: label.into(),
            control,
            values: Vec::new(),
            hint: None,
            error: None,
            is_required: false,
        }
    }

    /// Returns an empty field with a single line of text.
    #[must_use]
    pub fn line(name: impl Into<String>, label: impl Into<String>) -> Self {
        let control = Control::Line { kind: "text", autocomplete: "off", suggestions: Vec::new() };
        Self::new(name, label, control)
    }

    /// Returns the field with a value.
    #[must_use]
    pub fn value(mut self, value: impl Into<String>) -> Self {
        self.values = vec![value.into()];
        self
    }

    /// Returns the field with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the field with an error, if there is one.
    #[must_use]
    pub fn error(mut self, error: Option<String>) -> Self {
        self.error = error;
        self
    }

    /// Returns the field as a required one.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.is_required = true;
        self
    }
}
