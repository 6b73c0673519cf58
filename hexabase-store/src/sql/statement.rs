use std::fmt;

use hexabase_core::id::{OrganizationId, TokenId, UserId};
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

/// Value bound to a statement. A null keeps its type, because some databases require the type of every parameter.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(Option<String>),
    Int(Option<i64>),
    Bool(bool),
    Time(Option<Timestamp>),
    Bytes(Vec<u8>),
    Json(String),
}

impl Value {
    /// Returns the text; `None` for null and for other types.
    #[cfg(feature = "postgres")]
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => text.as_deref(),
            _ => None,
        }
    }
}

impl fmt::Debug for Value {
    /// Shows only the type, because values may be hashes and sealed secrets.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Text(_) => "text",
            Self::Int(_) => "int",
            Self::Bool(_) => "bool",
            Self::Time(_) => "time",
            Self::Bytes(_) => "bytes",
            Self::Json(_) => "json",
        })
    }
}

/// Rows that a statement may access, for databases that enforce it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Rows without an organization, and columns of all organizations that the platform may access.
    Platform,
    /// Rows of the organization whose id is the first value.
    Organization,
    /// Rows of the organizations of the user whose id is the first value.
    User,
    /// The API token whose id is the first value.
    Token,
    /// The directory of organizations that operators read. The first value is `on`.
    Operator,
}

/// Statement with its values. Placeholders are `$1`, `$2`, … for every database.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) sql: SqlStr,
    pub(crate) values: Vec<Value>,
    pub(crate) scope: Scope,
}

impl Query {
    pub(crate) fn new(sql: &'static str) -> Self {
        Self { sql: sql.into_sql_str(), values: Vec::new(), scope: Scope::Platform }
    }

    /// Creates a statement from a text that is assembled from constants of this crate. Values from callers are always
    /// bound.
    pub(crate) fn assembled(sql: String) -> Self {
        Self { sql: AssertSqlSafe(sql).into_sql_str(), values: Vec::new(), scope: Scope::Platform }
    }

    /// Binds `$1` to an organization and restricts the statement to its rows.
    pub(crate) fn for_organization(self, organization: OrganizationId) -> Self {
        self.scoped(Scope::Organization, organization)
    }

    /// Binds `$1` to a user and restricts the statement to the organizations of that user.
    pub(crate) fn for_user(self, user: UserId) -> Self {
        self.scoped(Scope::User, user)
    }

    /// Binds `$1` to an API token and restricts the statement to it.
    pub(crate) fn for_token(self, token: TokenId) -> Self {
        self.scoped(Scope::Token, token)
    }

    /// Binds `$1` to `on` and lets the statement read the directory of organizations. The statement must compare `$1`
    /// with something, so that it does not start before the scope is set.
    pub(crate) fn for_operator(self) -> Self {
        self.scoped(Scope::Operator, "on")
    }

    fn scoped(self, scope: Scope, id: impl ToString) -> Self {
        debug_assert!(self.values.is_empty(), "the scope must be the first value");
        Self { scope, ..self.text(id) }
    }

    /// Appends text to the statement.
    pub(crate) fn append(self, rest: &str) -> Self {
        let sql = AssertSqlSafe(format!("{}{rest}", self.sql.as_str())).into_sql_str();
        Self { sql, ..self }
    }

    /// `true` if the two statements differ in their values only.
    #[cfg(feature = "postgres")]
    pub(crate) fn has_same_sql(&self, other: &Self) -> bool {
        self.scope == other.scope && self.sql.as_str() == other.sql.as_str()
    }

    pub(crate) fn bind(mut self, value: Value) -> Self {
        self.values.push(value);
        self
    }

    pub(crate) fn text(self, value: impl ToString) -> Self {
        self.bind(Value::Text(Some(value.to_string())))
    }

    pub(crate) fn int(self, value: i64) -> Self {
        self.bind(Value::Int(Some(value)))
    }

    /// Binds any number of values as one parameter, for [`Engine::in_list`](super::Engine::in_list).
    pub(crate) fn list(self, values: &[impl ToString]) -> Self {
        let values: Vec<_> = values.iter().map(ToString::to_string).collect();
        self.bind(Value::Json(serde_json::Value::from(values).to_string()))
    }

    pub(crate) fn time(self, value: Timestamp) -> Self {
        self.bind(Value::Time(Some(value)))
    }
}
