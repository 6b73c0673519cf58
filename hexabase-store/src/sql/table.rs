use hexabase_core::error::{Error, Result};
use hexabase_core::version::Version;
use jiff::Timestamp;
use serde::Serialize;

use super::cells::Cells;
use super::statement::{Query, Value};

/// Table: its name, its key columns and all other columns, in the order in which records are bound and read.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) key: &'static [&'static str],
    pub(crate) columns: &'static [&'static str],
}

/// Record that is stored in a table.
pub(crate) trait Stored: Sized + Send + Sync + 'static {
    const TABLE: Table;

    /// Binds every column: first the key, then the others.
    fn bind(&self, row: &mut Binder) -> Result<()>;

    /// Reads a row that [`Self::bind`] wrote.
    fn read(cells: &mut Cells<'_>) -> Result<Self>;
}

impl Table {
    fn all_columns(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.key.iter().chain(self.columns).copied()
    }

    fn by_key(&self, first: usize) -> String {
        let terms: Vec<String> = self
            .key
            .iter()
            .enumerate()
            .map(|(index, column)| format!("{column} = ${}", first + index))
            .collect();
        terms.join(" AND ")
    }

    fn list(&self) -> String {
        self.all_columns().collect::<Vec<_>>().join(", ")
    }
}

/// Returns a `SELECT` of whole records; `rest` is the part after the table name.
pub(crate) fn select<T: Stored>(rest: &str) -> Query {
    Query::assembled(format!("SELECT {} FROM {} {rest}", T::TABLE.list(), T::TABLE.name))
}

/// Returns the columns of a record with a table alias, for joins.
pub(crate) fn columns_of<T: Stored>(alias: &str) -> String {
    T::TABLE.all_columns().map(|column| format!("{alias}.{column}")).collect::<Vec<_>>().join(", ")
}

pub(crate) fn insert<T: Stored>(record: &T) -> Result<Query> {
    let table = T::TABLE;
    let values = placeholders(1, table.key.len() + table.columns.len());
    let query = Query::assembled(format!("INSERT INTO {} ({}) VALUES ({values})", table.name, table.list()));
    bind_record(query, record)
}

/// Returns a statement that inserts a record, or replaces the one with the same key.
pub(crate) fn put<T: Stored>(record: &T) -> Result<Query> {
    let Table { key, columns, .. } = T::TABLE;
    let sets: Vec<String> = columns.iter().map(|column| format!("{column} = excluded.{column}")).collect();
    let on_conflict = format!(" ON CONFLICT ({}) DO UPDATE SET {}", key.join(", "), sets.join(", "));
    Ok(insert(record)?.append(&on_conflict))
}

/// Returns `$first, $first+1, …` for `count` values.
fn placeholders(first: usize, count: usize) -> String {
    let list: Vec<String> = (first..first + count).map(|number| format!("${number}")).collect();
    list.join(", ")
}

/// Returns a statement that replaces a record by its key; with `version`, only if the row still has that version.
pub(crate) fn update<T: Stored>(record: &T, version: Option<Version>) -> Result<Query> {
    let table = T::TABLE;
    let first = table.key.len() + 1;
    let sets: Vec<String> = table
        .columns
        .iter()
        .enumerate()
        .map(|(index, column)| format!("{column} = ${}", first + index))
        .collect();
    let mut sql = format!("UPDATE {} SET {} WHERE {}", table.name, sets.join(", "), table.by_key(1));
    if version.is_some() {
        sql.push_str(&format!(" AND version = ${}", first + table.columns.len()));
    }
    let query = bind_record(Query::assembled(sql), record)?;
    Ok(match version {
        Some(version) => query.bind(Value::Int(Some(number(version.number())?))),
        None => query,
    })
}

/// Returns a statement that deletes a record by its key.
pub(crate) fn delete<T: Stored>(key: Vec<Value>) -> Query {
    let query = Query::assembled(format!("DELETE FROM {} WHERE {}", T::TABLE.name, T::TABLE.by_key(1)));
    Query { values: key, ..query }
}

fn bind_record<T: Stored>(mut query: Query, record: &T) -> Result<Query> {
    let mut row = Binder(Vec::with_capacity(T::TABLE.key.len() + T::TABLE.columns.len()));
    record.bind(&mut row)?;
    debug_assert_eq!(row.0.len(), T::TABLE.key.len() + T::TABLE.columns.len(), "{}", T::TABLE.name);
    query.values = row.0;
    Ok(query)
}

fn number<T: TryInto<i64>>(value: T) -> Result<i64> {
    value.try_into().map_err(|_| Error::unexpected("number is too large for the database"))
}

/// Values of a row, in the order of its columns.
pub(crate) struct Binder(Vec<Value>);

impl Binder {
    fn push(&mut self, value: Value) -> &mut Self {
        self.0.push(value);
        self
    }

    pub(crate) fn text(&mut self, value: impl ToString) -> &mut Self {
        self.push(Value::Text(Some(value.to_string())))
    }

    pub(crate) fn text_or_null(&mut self, value: Option<impl ToString>) -> &mut Self {
        self.push(Value::Text(value.map(|value| value.to_string())))
    }

    pub(crate) fn number(&mut self, value: impl TryInto<i64>) -> Result<&mut Self> {
        let value = number(value)?;
        Ok(self.push(Value::Int(Some(value))))
    }

    pub(crate) fn version(&mut self, version: Version) -> Result<&mut Self> {
        self.number(version.number())
    }

    pub(crate) fn bool(&mut self, value: bool) -> &mut Self {
        self.push(Value::Bool(value))
    }

    pub(crate) fn time(&mut self, value: Timestamp) -> &mut Self {
        self.push(Value::Time(Some(value)))
    }

    pub(crate) fn time_or_null(&mut self, value: Option<Timestamp>) -> &mut Self {
        self.push(Value::Time(value))
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.push(Value::Bytes(value.to_vec()))
    }

    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<&mut Self> {
        let text = serde_json::to_string(value)
            .map_err(|error| Error::unexpected("value cannot be serialized as JSON").caused_by(error))?;
        Ok(self.push(Value::Json(text)))
    }
}
