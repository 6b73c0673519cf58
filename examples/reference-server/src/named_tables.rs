//! Named tables of the configuration, such as `[providers.google]`: in the file, or as variables such as
//! `HEXABASE_PROVIDERS__GOOGLE__CLIENT_ID`.

use std::fmt;

use hexabase_core::error::{Error, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// Separator between the parts of a variable's name.
const SEPARATOR: &str = "__";

/// Tables of one kind, by name. Their values may be secrets, so `Debug` shows the names only.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct NamedTables(Table);

impl fmt::Debug for NamedTables {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.0.keys()).finish()
    }
}

/// Returns the message of an error without the value that it quotes, which may be a secret.
pub(crate) fn message_without_value(error: &toml::de::Error) -> String {
    let message = error.message().replace('\n', "; ");
    let quotes_value = ["invalid type", "invalid value", "invalid length", "unknown variant"];
    if !quotes_value.iter().any(|start| message.starts_with(start)) {
        return message;
    }
    let expected = message.rsplit_once(", expected ").map(|(_, expected)| expected);
    expected.map_or_else(
        || "has a value of the wrong type".to_owned(),
        |expected| format!("has a value of the wrong type, expected {expected}"),
    )
}

/// `true` if the variable belongs to a table of this kind.
pub(crate) fn is_variable(kind: &str, variable: &str) -> bool {
    parse_variable(kind, variable).is_some()
}

/// Returns the variable for a key of the table with a name, both in upper case.
pub(crate) fn variable(kind: &str, name: &str, key: &str) -> String {
    format!("HEXABASE_{}{SEPARATOR}{name}{SEPARATOR}{key}", kind.to_ascii_uppercase())
}

/// Reads all tables of a kind, with their names. Variables take precedence over the file; in a variable, the items of
/// a list are separated by commas.
///
/// # Errors
/// `Invalid` for a table with an unknown key or a value of the wrong type, with its name.
pub(crate) fn read<T: DeserializeOwned>(
    kind: &'static str,
    file: Option<NamedTables>,
    environment: &[(String, String)],
) -> Result<Vec<(String, T)>> {
    let NamedTables(mut tables) = file.unwrap_or_default();
    for (variable, value) in environment {
        let Some((name, key)) = parse_variable(kind, variable) else { continue };
        let table = tables.entry(name).or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(table) = table {
            table.insert(key, Value::String(value.clone()));
        }
    }
    let parse = |(name, value): (String, Value)| {
        let invalid = |error: toml::de::Error| {
            let message = message_without_value(&error);
            let message = message.split(", expected").next().unwrap_or_default();
            Error::invalid(format!("{kind}.{name}"), message)
        };
        value.try_into().map_err(invalid).map(|table| (name.clone(), table))
    };
    tables.into_iter().map(parse).collect()
}

/// Returns the name of the table and the key that a variable sets; `None` if it belongs to no table of this kind.
fn parse_variable(kind: &str, variable: &str) -> Option<(String, String)> {
    let rest = variable
        .strip_prefix("HEXABASE_")?
        .strip_prefix(&kind.to_ascii_uppercase())?
        .strip_prefix(SEPARATOR)?;
    let (name, key) = rest.split_once(SEPARATOR)?;
    Some((name.to_ascii_lowercase().replace('_', "-"), key.to_ascii_lowercase()))
}

/// Deserializes a list of strings: an array in the file, or text separated by commas in a variable.
pub(crate) fn string_list<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum TextOrList {
        Text(String),
        List(Vec<String>),
    }
    Ok(match TextOrList::deserialize(input)? {
        TextOrList::Text(text) => text.split(',').map(|item| item.trim().to_owned()).collect(),
        TextOrList::List(list) => list,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Paint {
        colour: Option<String>,
        #[serde(default, deserialize_with = "string_list")]
        sizes: Vec<String>,
    }

    fn paints(file: Table, variables: &[(&str, &str)]) -> Result<Vec<(String, Paint)>> {
        let variables: Vec<(String, String)> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        read("paints", Some(NamedTables(file)), &variables)
    }

    #[test]
    fn variables_override_and_extend_the_file() {
        let found = paints(
            toml::from_str("[a]\ncolour = 'red'\nsizes = ['s', 'm']\n").unwrap(),
            &[
                ("HEXABASE_PAINTS__A__COLOUR", "blue"),
                ("HEXABASE_PAINTS__B_C__SIZES", "l, xl"),
                ("PATH", "/bin"),
            ],
        );
        let paint = |colour: Option<&str>, sizes: [&str; 2]| Paint {
            colour: colour.map(str::to_owned),
            sizes: sizes.map(str::to_owned).into(),
        };
        let expected = vec![
            ("a".to_owned(), paint(Some("blue"), ["s", "m"])),
            ("b-c".to_owned(), paint(None, ["l", "xl"])),
        ];
        assert_eq!(found.unwrap(), expected);
    }

    #[test]
    fn errors_name_the_key_and_never_the_value() {
        let unknown =
            paints(Table::new(), &[("HEXABASE_PAINTS__A__COLOR", "s3cret")]).unwrap_err().to_string();
        assert!(unknown.contains("paints.a") && unknown.contains("color"), "{unknown}");
        let wrong =
            paints(toml::from_str("[a]\ncolour = ['s3cret']\n").unwrap(), &[]).unwrap_err().to_string();
        assert!(wrong.contains("paints.a") && !wrong.contains("s3cret"), "{wrong}");
    }
}
