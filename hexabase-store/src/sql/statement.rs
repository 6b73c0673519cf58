use std::fmt;

use hexabase_core::id::{OrganizationId, UserId};
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

/// A value bound to a statement. Each says its type even when it is null: some databases want to know.
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
    /// What it says, if it is a text.
    #[cfg(feature = "postgres")]
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => text.as_deref(),
            _ => None,
        }
    }
}

impl fmt::Debug for Value {
    /// Values can be hashes and sealed secrets: only their types are shown.
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

/// Whose rows a statement is about, for databases that make sure of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Rows that belong to no organization, or what the platform itself may see of all of them.
    Platform,
    /// The rows of the organization whose id is the first value.
    Organization,
    /// The organizations of the user whose id is the first value.
    User,
}

/// A statement with its values. Placeholders are `$1`, `$2`, … in every dialect.
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

    /// A statement whose text was put together from parts of this crate. What callers bring is always bound.
    pub(crate) fn assembled(sql: String) -> Self {
        Self { sql: AssertSqlSafe(sql).into_sql_str(), values: Vec::new(), scope: Scope::Platform }
    }

    /// Binds `$1` to an organization, and keeps the statement to its rows.
    pub(crate) fn of(self, organization: OrganizationId) -> Self {
        self.scoped(Scope::Organization, organization)
    }

    /// Binds `$1` to a user, and keeps the statement to the organizations of that user.
    pub(crate) fn of_user(self, user: UserId) -> Self {
        self.scoped(Scope::User, user)
    }

    fn scoped(self, scope: Scope, id: impl ToString) -> Self {
        debug_assert!(self.values.is_empty(), "the scope is bound first");
        Self { scope, ..self.text(id) }
    }

    /// The same statement with more text after it.
    pub(crate) fn followed_by(self, rest: &str) -> Self {
        let sql = AssertSqlSafe(format!("{}{rest}", self.sql.as_str())).into_sql_str();
        Self { sql, ..self }
    }

    /// Whether it differs from another one in its values alone.
    #[cfg(feature = "postgres")]
    pub(crate) fn is_like(&self, other: &Self) -> bool {
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

    /// Binds any number of values as one, for [`Engine::listed`](super::Engine::listed).
    pub(crate) fn list(self, values: &[impl ToString]) -> Self {
        let values: Vec<_> = values.iter().map(ToString::to_string).collect();
        self.bind(Value::Json(serde_json::Value::from(values).to_string()))
    }

    pub(crate) fn time(self, value: Timestamp) -> Self {
        self.bind(Value::Time(Some(value)))
    }
}
