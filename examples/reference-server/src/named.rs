//! Things of which there may be several, each under a name: tables in the configuration file, and variables such as
//! `HEXABASE_PROVIDERS__GOOGLE__CLIENT_ID`.

use hexabase_core::error::{Error, Result};
use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// What stands between the parts of a variable's name.
const BETWEEN: &str = "__";

/// Whether a variable is one of some kind of named thing.
pub(crate) fn is_variable(kind: &str, variable: &str) -> bool {
    split(kind, variable).is_some()
}

/// All things of a kind, by name. A variable goes before the file; a list is written with commas in it.
///
/// # Errors
/// `Invalid` for what is no thing of the kind, naming it.
pub(crate) fn read<T: DeserializeOwned>(
    kind: &'static str,
    file: Option<Table>,
    environment: &[(String, String)],
) -> Result<Vec<(String, T)>> {
    let mut all = file.unwrap_or_default();
    for (variable, value) in environment {
        let Some((name, key)) = split(kind, variable) else { continue };
        let thing = all.entry(name).or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(thing) = thing {
            thing.insert(key, Value::String(value.clone()));
        }
    }
    let read = |(name, value): (String, Value)| {
        // What is wrong with a value would quote it, and it may be a secret.
        let unreadable = |error: toml::de::Error| {
            let message = error.message().split(", expected").next().unwrap_or_default().replace('\n', "; ");
            let quotes = message.starts_with("invalid");
            Error::invalid(
                format!("{kind}.{name}"),
                if quotes { "holds a value of the wrong type" } else { &message },
            )
        };
        value.try_into().map_err(unreadable).map(|thing| (name.clone(), thing))
    };
    all.into_iter().map(read).collect()
}

/// The name of the thing that a variable is about, and what of it.
fn split(kind: &str, variable: &str) -> Option<(String, String)> {
    let rest = variable
        .strip_prefix("HEXABASE_")?
        .strip_prefix(&kind.to_ascii_uppercase())?
        .strip_prefix(BETWEEN)?;
    let (name, key) = rest.split_once(BETWEEN)?;
    Some((name.to_ascii_lowercase().replace('_', "-"), key.to_ascii_lowercase()))
}

/// A list, as the file has it, or with commas in it, as a variable has it.
pub(crate) fn list<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Vec<String>, D::Error> {
    use serde::Deserialize as _;
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum OneOrMore {
        One(String),
        More(Vec<String>),
    }
    Ok(match OneOrMore::deserialize(input)? {
        OneOrMore::One(text) => text.split(',').map(|one| one.trim().to_owned()).collect(),
        OneOrMore::More(list) => list,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Thing {
        colour: Option<String>,
        #[serde(default, deserialize_with = "list")]
        sizes: Vec<String>,
    }

    fn things(file: Table, variables: &[(&str, &str)]) -> Result<Vec<(String, Thing)>> {
        let variables: Vec<(String, String)> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        read("things", Some(file), &variables)
    }

    #[test]
    fn variables_go_before_the_file_and_add_to_it() {
        let found = things(
            toml::from_str("[a]\ncolour = 'red'\nsizes = ['s', 'm']\n").unwrap(),
            &[
                ("HEXABASE_THINGS__A__COLOUR", "blue"),
                ("HEXABASE_THINGS__B_C__SIZES", "l, xl"),
                ("PATH", "/bin"),
            ],
        );
        let thing = |colour: Option<&str>, sizes: [&str; 2]| Thing {
            colour: colour.map(str::to_owned),
            sizes: sizes.map(str::to_owned).into(),
        };
        let expected = vec![
            ("a".to_owned(), thing(Some("blue"), ["s", "m"])),
            ("b-c".to_owned(), thing(None, ["l", "xl"])),
        ];
        assert_eq!(found.unwrap(), expected);
    }

    #[test]
    fn what_nobody_knows_is_named_and_values_are_not() {
        let unknown =
            things(Table::new(), &[("HEXABASE_THINGS__A__COLOR", "s3cret")]).unwrap_err().to_string();
        assert!(unknown.contains("things.a") && unknown.contains("color"), "{unknown}");
        let wrong =
            things(toml::from_str("[a]\ncolour = ['s3cret']\n").unwrap(), &[]).unwrap_err().to_string();
        assert!(wrong.contains("things.a") && !wrong.contains("s3cret"), "{wrong}");
    }
}
