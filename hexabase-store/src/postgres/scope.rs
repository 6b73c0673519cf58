//! Scope of a statement: the organization, user or API token whose rows it may access, or the directory of operators. A
//! read sets it itself, and a transaction when it begins.
//!
//! The row-level security policies compare with a setting of the transaction. A separate statement that sets it would
//! cost every read a round trip, so the read is wrapped: it is joined laterally (`LATERAL`) to a row whose evaluation
//! sets the setting, and refers to that row, so that it cannot start earlier. `OFFSET 0` keeps the planner from
//! merging the two. If the order ever changed, the policies would see no scope and the read would find no rows; it can
//! never find too many.

use hexabase_core::changeset::RecordKey;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::{OrganizationId, TokenId};

use super::placeholders::replace_placeholders;
use crate::sql::{Query, Scope, Target};

/// Setting with the id of the organization.
const ORGANIZATION: &str = "hexabase.organization_id";
/// Setting with the id of the user.
const USER: &str = "hexabase.user_id";
/// Setting with the id of the API token.
const TOKEN: &str = "hexabase.token_id";
/// Setting that is `on` in reads of operators.
const OPERATOR: &str = "hexabase.operator";

/// Returns the setting that holds the scope; `None` for rows of the platform.
const fn setting_of(scope: Scope) -> Option<&'static str> {
    match scope {
        Scope::Platform => None,
        Scope::Organization => Some(ORGANIZATION),
        Scope::User => Some(USER),
        Scope::Token => Some(TOKEN),
        Scope::Operator => Some(OPERATOR),
    }
}

/// Wraps a read so that it sets its scope.
pub(super) fn scoped_read(query: Query) -> Query {
    let Some(setting) = setting_of(query.scope) else { return query };
    let read = replace_placeholders(query.sql.as_str(), |number| match number {
        1 => "scope.id".to_owned(),
        number => format!("${number}"),
    });
    let sql = format!(
        "SELECT found.* FROM (SELECT set_config('{setting}', $1, true) AS id OFFSET 0) AS scope \
         CROSS JOIN LATERAL ({read} OFFSET 0) AS found"
    );
    Query { values: query.values, ..Query::assembled(sql) }
}

/// Combines reads that differ in their values only, all of them texts, into one statement. Each read is joined
/// laterally to its own scope, so that the policies apply to each as if it ran alone. The last column is the number of
/// the read that found the row, starting at 1.
///
/// A read must find its rows by an index, and must have no intermediate result that could be reused from one scope for
/// the next.
pub(super) fn batched_read(queries: &[&Query]) -> Result<Query> {
    let unsuitable = || Error::unexpected("reads cannot be combined into one statement");
    let first = queries.first().ok_or_else(unsuitable)?;
    let setting = setting_of(first.scope).ok_or_else(unsuitable)?;
    let count = first.values.len();
    let read = replace_placeholders(first.sql.as_str(), |number| match number {
        1 => "scope.id".to_owned(),
        number => format!("requested.value_{number}"),
    });
    let numbers = || 1..=count;
    let sql = format!(
        "SELECT found.*, requested.read_number FROM ROWS FROM ({lists}) \
         WITH ORDINALITY AS requested ({names}, read_number) \
         CROSS JOIN LATERAL (SELECT set_config('{setting}', requested.value_1, true) AS id OFFSET 0) AS scope \
         CROSS JOIN LATERAL ({read} OFFSET 0) AS found",
        lists = joined(numbers(), |number| format!("json_array_elements_text(${number})")),
        names = joined(numbers(), |number| format!("value_{number}")),
    );
    numbers().try_fold(Query::assembled(sql), |query, number| {
        let texts = queries.iter().map(|query| query.values.get(number - 1)?.as_text());
        let texts: Vec<&str> = texts.collect::<Option<_>>().ok_or_else(unsuitable)?;
        Ok(query.list(&texts))
    })
}

fn joined(numbers: impl Iterator<Item = usize>, part: impl Fn(usize) -> String) -> String {
    numbers.map(part).collect::<Vec<_>>().join(", ")
}

/// Rows that a transaction may write, in tables whose rows belong to an organization or are API tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct TransactionScope {
    organization: Option<OrganizationId>,
    token: Option<TokenId>,
}

impl TransactionScope {
    /// Returns the scope that a step needs.
    pub(super) const fn of(target: &Target) -> Self {
        let token = match &target.row {
            Some(RecordKey::ApiToken(id)) => Some(*id),
            _ => None,
        };
        Self { organization: target.organization, token }
    }

    /// Returns this scope, completed by another one.
    pub(super) fn or(self, other: Self) -> Self {
        Self { organization: self.organization.or(other.organization), token: self.token.or(other.token) }
    }

    /// `true` if no transaction can have both scopes at the same time.
    pub(super) fn excludes(self, other: Self) -> bool {
        self.or(other) != other.or(self)
    }

    fn settings(self) -> impl Iterator<Item = (&'static str, String)> {
        let organization = self.organization.map(|id| (ORGANIZATION, id.to_string()));
        organization.into_iter().chain(self.token.map(|id| (TOKEN, id.to_string())))
    }
}

/// Returns the statements that begin a transaction with a scope.
pub(super) fn begin(scope: TransactionScope) -> String {
    // An id contains only letters, digits and an underscore, so it needs no quoting.
    let settings = scope.settings().map(|(setting, id)| format!("; SET LOCAL {setting} = '{id}'"));
    format!("BEGIN{}", settings.collect::<String>())
}

/// Returns a statement that changes the scope within a transaction.
pub(super) fn change(scope: TransactionScope) -> Query {
    let settings: Vec<_> = scope.settings().collect();
    let calls = settings.iter().zip(1..);
    let calls = calls.map(|((setting, _), number)| format!("set_config('{setting}', ${number}, true)"));
    let query = Query::assembled(format!("SELECT {}", calls.collect::<Vec<_>>().join(", ")));
    settings.into_iter().fold(query, |query, (_, id)| query.text(id))
}

#[cfg(test)]
mod tests {
    use hexabase_core::fixture::id;

    use hexabase_core::changeset::RecordKey;

    use super::{TransactionScope, begin, change, scoped_read};
    use crate::sql::{Query, Target};

    #[test]
    fn a_read_of_an_organization_is_joined_laterally_to_its_scope() {
        let read = Query::new("SELECT name FROM workspaces WHERE organization_id = $1 AND id > $2 LIMIT $3");
        let read = scoped_read(read.for_organization(id("acme")).text("a").int(9));
        assert_eq!(
            read.sql.as_str(),
            "SELECT found.* FROM (SELECT set_config('hexabase.organization_id', $1, true) AS id OFFSET 0) AS scope \
             CROSS JOIN LATERAL (SELECT name FROM workspaces WHERE organization_id = scope.id AND id > $2 LIMIT $3 \
             OFFSET 0) AS found"
        );
        assert_eq!(read.values.len(), 3);
    }

    #[test]
    fn a_read_of_the_platform_is_not_wrapped() {
        assert_eq!(scoped_read(Query::new("SELECT 1 FROM users")).sql.as_str(), "SELECT 1 FROM users");
    }

    #[test]
    fn a_transaction_names_its_organization_and_its_token() {
        let target = |row, organization| Target { table: "any", row, organization };
        let token = TransactionScope::of(&target(Some(RecordKey::ApiToken(id("token"))), None));
        let acme = TransactionScope::of(&target(None, Some(id("acme"))));
        let globex = TransactionScope::of(&target(None, Some(id("globex"))));
        assert!(
            acme.excludes(globex) && !acme.excludes(token) && !token.excludes(TransactionScope::default())
        );
        assert_eq!(begin(TransactionScope::default()), "BEGIN");
        let both = begin(acme.or(token));
        assert!(both.starts_with("BEGIN; SET LOCAL hexabase.organization_id = 'org_"), "{both}");
        assert!(both.contains("; SET LOCAL hexabase.token_id = 'tok_"), "{both}");
        let changed = change(acme.or(token));
        assert_eq!(
            (changed.sql.as_str(), changed.values.len()),
            (
                "SELECT set_config('hexabase.organization_id', $1, true), set_config('hexabase.token_id', $2, true)",
                2
            )
        );
    }
}
