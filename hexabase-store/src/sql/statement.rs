use std::fmt;

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

/// A statement with its values. Placeholders are `$1`, `$2`, … in every dialect.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) sql: SqlStr,
    pub(crate) values: Vec<Value>,
}

impl Query {
    pub(crate) fn new(sql: &'static str) -> Self {
        Self { sql: sql.into_sql_str(), values: Vec::new() }
    }

    /// A statement whose text was put together from parts of this crate. What callers bring is always bound.
    pub(crate) fn assembled(sql: String) -> Self {
        Self { sql: AssertSqlSafe(sql).into_sql_str(), values: Vec::new() }
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

    pub(crate) fn time(self, value: Timestamp) -> Self {
        self.bind(Value::Time(Some(value)))
    }
}

/// `$first, $first+1, …` for `count` values.
pub(crate) fn placeholders(first: usize, count: usize) -> String {
    let list: Vec<String> = (first..first + count).map(|number| format!("${number}")).collect();
    list.join(", ")
}
