//! Arguments of operations: fields of the body and parameters of the query.

use clap::{Arg, ArgAction};

/// Form of the value of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Text as it is.
    Text,
    /// Whole or decimal number.
    Number,
    /// Flag whose presence is `true`.
    True,
    /// Flag whose presence is null.
    Null,
    /// List of texts, separated by commas.
    List,
    /// Name or id of an object of this kind.
    Reference(&'static str),
    /// Role: a preset, with or without its prefix, or the name or id of a custom role of the project.
    Role,
    /// Amounts of resources, such as cpu=2.
    Amounts,
    /// Rules of a role, such as get,list:pods,deployments.apps.
    Rules,
    /// Time (RFC 3339), or a distance into the past such as 7d.
    PastTime,
    /// Time (RFC 3339), or a distance into the future such as 90d.
    FutureTime,
}

/// Part of the request that an argument belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// Field of the body.
    Field(&'static str),
    /// Whole body.
    Body,
    /// Parameter of the query.
    Query(&'static str),
}

/// Argument of an operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Argument {
    /// Name of the flag or of the positional argument.
    pub(super) name: &'static str,
    pub(super) value_name: &'static str,
    pub(super) help: &'static str,
    pub(super) form: Form,
    pub(super) target: Target,
    pub(super) is_required: bool,
    pub(super) is_positional: bool,
    /// Argument whose value is used without this one.
    pub(super) default_of: Option<&'static str>,
    /// Arguments that exclude this one.
    pub(super) conflicts: &'static [&'static str],
    /// Values that the server accepts; empty for any.
    pub(super) values: &'static [&'static str],
}

impl Argument {
    const fn new(
        name: &'static str,
        value_name: &'static str,
        help: &'static str,
        form: Form,
        target: Target,
    ) -> Self {
        Self {
            name,
            value_name,
            help,
            form,
            target,
            is_required: false,
            is_positional: false,
            default_of: None,
            conflicts: &[],
            values: &[],
        }
    }

    /// Returns a field of the body.
    pub(super) const fn field(
        name: &'static str,
        value_name: &'static str,
        help: &'static str,
        form: Form,
        field: &'static str,
    ) -> Self {
        Self::new(name, value_name, help, form, Target::Field(field))
    }

    /// Returns a parameter of the query.
    pub(super) const fn query(
        name: &'static str,
        value_name: &'static str,
        help: &'static str,
        form: Form,
        parameter: &'static str,
    ) -> Self {
        Self::new(name, value_name, help, form, Target::Query(parameter))
    }

    /// Returns the whole body.
    pub(super) const fn body(
        name: &'static str,
        value_name: &'static str,
        help: &'static str,
        form: Form,
    ) -> Self {
        Self::new(name, value_name, help, form, Target::Body)
    }

    pub(super) const fn required(self) -> Self {
        Self { is_required: true, ..self }
    }

    pub(super) const fn positional(self) -> Self {
        Self { is_positional: true, is_required: true, ..self }
    }

    pub(super) const fn default_of(self, argument: &'static str) -> Self {
        Self { default_of: Some(argument), ..self }
    }

    pub(super) const fn conflicts_with(self, conflicts: &'static [&'static str]) -> Self {
        Self { conflicts, ..self }
    }

    pub(super) const fn one_of(self, values: &'static [&'static str]) -> Self {
        Self { values, ..self }
    }

    /// Returns the argument of the command line.
    pub(super) fn to_clap(self) -> Arg {
        let mut arg = Arg::new(self.name)
            .help(self.help.strip_suffix('.').unwrap_or(self.help))
            .required(self.is_required);
        if !self.is_positional {
            arg = arg.long(self.name);
        }
        arg = match self.form {
            Form::True | Form::Null => {
                return arg.action(ArgAction::SetTrue).conflicts_with_all(self.conflicts);
            }
            Form::Amounts if self.is_positional => arg.num_args(1..),
            Form::Rules => arg.action(ArgAction::Append),
            _ => arg,
        };
        arg = arg.value_name(self.value_name).conflicts_with_all(self.conflicts);
        match self.form {
            Form::List => arg.value_delimiter(',').action(ArgAction::Append),
            Form::Amounts if !self.is_positional => arg.value_delimiter(','),
            _ if !self.values.is_empty() => {
                arg.value_parser(clap::builder::PossibleValuesParser::new(self.values))
            }
            _ => arg,
        }
    }
}
