//! Naming whose rows a read is about, in the same statement.
//!
//! The policies of the tables compare with a setting of the transaction. A statement of its own to set it would
//! cost every read a round trip, so the read is wrapped: it is laid sideways (`LATERAL`) to a row whose making sets
//! the setting, and refers to that row, so that it cannot begin before. `OFFSET 0` keeps the planner from merging
//! the two. Should the order ever change, policies find no name and the read finds nothing: it cannot find too much.

use hexabase_core::error::{Error, Result};
use hexabase_core::id::OrganizationId;

use super::placeholders::replaced;
use crate::sql::{Query, Scope};

/// The setting that names the organization.
const ORGANIZATION: &str = "hexabase.organization_id";
/// The setting that names the user.
const USER: &str = "hexabase.user_id";

/// What says whose rows a read is about, unless it is about nobody's.
const fn setting_of(scope: Scope) -> Option<&'static str> {
    match scope {
        Scope::Platform => None,
        Scope::Organization => Some(ORGANIZATION),
        Scope::User => Some(USER),
    }
}

/// A read that names whose rows it is about.
pub(super) fn wrapped(query: Query) -> Query {
    let Some(setting) = setting_of(query.scope) else { return query };
    let read = replaced(query.sql.as_str(), |number| match number {
        1 => "scope.id".to_owned(),
        number => format!("${number}"),
    });
    let sql = format!(
        "SELECT found.* FROM (SELECT set_config('{setting}', $1, true) AS id OFFSET 0) AS scope \
         CROSS JOIN LATERAL ({read} OFFSET 0) AS found"
    );
    Query { values: query.values, ..Query::assembled(sql) }
}

/// One statement for reads that differ in their values alone, which are texts: each is laid sideways to its own scope, so
/// that policies hold for each as if it were alone. The last column is the place of the read that found the row, from 1.
///
/// A read must find its rows by an index and by nothing that could be kept from one scope for the next.
pub(super) fn gathered(queries: &[&Query]) -> Result<Query> {
    let unfit = || Error::unexpected("these reads cannot be made one statement");
    let first = queries.first().ok_or_else(unfit)?;
    let setting = setting_of(first.scope).ok_or_else(unfit)?;
    let count = first.values.len();
    let read = replaced(first.sql.as_str(), |number| match number {
        1 => "scope.id".to_owned(),
        number => format!("asked.value_{number}"),
    });
    let numbers = || 1..=count;
    let sql = format!(
        "SELECT found.*, asked.place FROM ROWS FROM ({lists}) WITH ORDINALITY AS asked ({names}, place) \
         CROSS JOIN LATERAL (SELECT set_config('{setting}', asked.value_1, true) AS id OFFSET 0) AS scope \
         CROSS JOIN LATERAL ({read} OFFSET 0) AS found",
        lists = joined(numbers(), |number| format!("json_array_elements_text(${number})")),
        names = joined(numbers(), |number| format!("value_{number}")),
    );
    numbers().try_fold(Query::assembled(sql), |gathered, number| {
        let texts = queries.iter().map(|query| query.values.get(number - 1)?.as_text());
        let texts: Vec<&str> = texts.collect::<Option<_>>().ok_or_else(unfit)?;
        Ok(gathered.list(&texts))
    })
}

fn joined(numbers: impl Iterator<Item = usize>, part: impl Fn(usize) -> String) -> String {
    numbers.map(part).collect::<Vec<_>>().join(", ")
}

/// Begins a transaction about an organization.
pub(super) fn begin(organization: Option<OrganizationId>) -> String {
    match organization {
        // An id holds nothing but letters, digits and an underscore.
        Some(id) => format!("BEGIN; SET LOCAL {ORGANIZATION} = '{id}'"),
        None => "BEGIN".to_owned(),
    }
}

/// Names another organization in the course of a transaction.
pub(super) fn change(organization: OrganizationId) -> Query {
    Query::assembled(format!("SELECT set_config('{ORGANIZATION}', $1, true)")).text(organization)
}

#[cfg(test)]
mod tests {
    use hexabase_core::fixture::id;

    use super::wrapped;
    use crate::sql::Query;

    #[test]
    fn a_read_of_an_organization_is_laid_beside_the_naming_of_it() {
        let read = Query::new("SELECT name FROM workspaces WHERE organization_id = $1 AND id > $2 LIMIT $3");
        let read = wrapped(read.of(id("acme")).text("a").int(9));
        assert_eq!(
            read.sql.as_str(),
            "SELECT found.* FROM (SELECT set_config('hexabase.organization_id', $1, true) AS id OFFSET 0) AS scope \
             CROSS JOIN LATERAL (SELECT name FROM workspaces WHERE organization_id = scope.id AND id > $2 LIMIT $3 \
             OFFSET 0) AS found"
        );
        assert_eq!(read.values.len(), 3);
    }

    #[test]
    fn a_read_of_the_platform_is_left_as_it_is() {
        assert_eq!(wrapped(Query::new("SELECT 1 FROM users")).sql.as_str(), "SELECT 1 FROM users");
    }
}
