use std::fmt;
use std::str::FromStr;

use hexabase_core::error::{Error, Result};
use hexabase_core::version::Version;
use jiff::Timestamp;
use serde::de::DeserializeOwned;

/// Row of a database driver.
pub(crate) trait RawRow: Send + Sync {
    fn text(&self, column: usize) -> Result<Option<&str>>;
    fn int(&self, column: usize) -> Result<Option<i64>>;
    fn bool(&self, column: usize) -> Result<bool>;
    fn time(&self, column: usize) -> Result<Option<Timestamp>>;
    fn bytes(&self, column: usize) -> Result<&[u8]>;
}

/// Cells of a row, read one by one in the order of the columns.
pub(crate) struct Cells<'a> {
    row: &'a dyn RawRow,
    next: usize,
}

/// Returns the error for a cell with an unexpected value: another program wrote to the database, or there is a bug.
fn unreadable(column: usize, reason: impl fmt::Display) -> Error {
    Error::unexpected("the database contains a value that cannot be read")
        .with("column", column)
        .with("reason", reason)
}

impl<'a> Cells<'a> {
    pub(crate) fn new(row: &'a dyn RawRow) -> Self {
        Self { row, next: 0 }
    }

    fn advance(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    /// Skips a column that is only searched, because it follows from the others.
    pub(crate) const fn skip(&mut self) {
        self.next += 1;
    }

    pub(crate) fn text(&mut self) -> Result<&'a str> {
        let column = self.advance();
        self.row.text(column)?.ok_or_else(|| unreadable(column, "null"))
    }

    pub(crate) fn string(&mut self) -> Result<String> {
        self.text().map(str::to_owned)
    }

    pub(crate) fn string_or_null(&mut self) -> Result<Option<String>> {
        let column = self.advance();
        Ok(self.row.text(column)?.map(str::to_owned))
    }

    pub(crate) fn parse<T: FromStr<Err: fmt::Display>>(&mut self) -> Result<T> {
        let column = self.next;
        self.text()?.parse().map_err(|error| unreadable(column, error))
    }

    pub(crate) fn parse_or_null<T: FromStr<Err: fmt::Display>>(&mut self) -> Result<Option<T>> {
        let column = self.advance();
        self.row.text(column)?.map(|text| text.parse().map_err(|error| unreadable(column, error))).transpose()
    }

    pub(crate) fn json<T: DeserializeOwned>(&mut self) -> Result<T> {
        let column = self.next;
        serde_json::from_str(self.text()?).map_err(|error| unreadable(column, error))
    }

    pub(crate) fn json_or_null<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        let column = self.advance();
        let parse = |text| serde_json::from_str(text).map_err(|error| unreadable(column, error));
        self.row.text(column)?.map(parse).transpose()
    }

    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>> {
        let column = self.advance();
        self.row.bytes(column).map(<[u8]>::to_vec)
    }

    pub(crate) fn bool(&mut self) -> Result<bool> {
        let column = self.advance();
        self.row.bool(column)
    }

    pub(crate) fn number<T: TryFrom<i64, Error: fmt::Display>>(&mut self) -> Result<T> {
        let column = self.advance();
        let number = self.row.int(column)?.ok_or_else(|| unreadable(column, "null"))?;
        T::try_from(number).map_err(|error| unreadable(column, error))
    }

    pub(crate) fn version(&mut self) -> Result<Version> {
        self.number().map(Version::new)
    }

    pub(crate) fn time(&mut self) -> Result<Timestamp> {
        let column = self.next;
        self.time_or_null()?.ok_or_else(|| unreadable(column, "null"))
    }

    pub(crate) fn time_or_null(&mut self) -> Result<Option<Timestamp>> {
        let column = self.advance();
        self.row.time(column)
    }
}
