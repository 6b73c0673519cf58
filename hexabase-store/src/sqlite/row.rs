//! Decoding of SQLite's rows.

use hexabase_core::error::{Error, Result};
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row as _, Sqlite, Type};

use super::error;
use crate::sql::RawRow;

fn get<'r, T: Decode<'r, Sqlite> + Type<Sqlite>>(row: &'r SqliteRow, column: usize) -> Result<T> {
    row.try_get(column).map_err(error::from_sqlx)
}

impl RawRow for SqliteRow {
    fn text(&self, column: usize) -> Result<Option<&str>> {
        get(self, column)
    }

    fn int(&self, column: usize) -> Result<Option<i64>> {
        get(self, column)
    }

    fn bool(&self, column: usize) -> Result<bool> {
        get(self, column)
    }

    fn time(&self, column: usize) -> Result<Option<Timestamp>> {
        let out_of_range =
            |error| Error::unexpected("timestamp in the database is out of range").caused_by(error);
        let microseconds: Option<i64> = get(self, column)?;
        microseconds
            .map(Timestamp::from_microsecond)
            .transpose()
            .map_err(|error: jiff::Error| out_of_range(error))
    }

    fn bytes(&self, column: usize) -> Result<&[u8]> {
        get(self, column)
    }
}
