//! Row codec: encoding of bound values and decoding of rows.

use hexabase_core::error::{Error, Result};
use jiff::{SignedDuration, Timestamp};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgRow, PgTypeInfo, PgValueRef};
use sqlx::{Arguments as _, Decode, Encode, Postgres, Row as _, Type};

use super::error;
use crate::sql::{RawRow, Value};

/// Epoch of PostgreSQL: `timestamptz` counts microseconds from the start of the year 2000.
const EPOCH: Timestamp = Timestamp::constant(946_684_800, 0);
/// Type `json`, which stores a text unchanged.
const JSON: PgTypeInfo = PgTypeInfo::with_oid(Oid(114));
/// Type `timestamptz`.
const TIMESTAMPTZ: PgTypeInfo = PgTypeInfo::with_oid(Oid(1184));

/// Timestamp in PostgreSQL's encoding.
struct PgTimestamp(Timestamp);

impl Type<Postgres> for PgTimestamp {
    fn type_info() -> PgTypeInfo {
        TIMESTAMPTZ
    }
}

impl Encode<'_, Postgres> for PgTimestamp {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let microseconds = i64::try_from(self.0.duration_since(EPOCH).as_micros())?;
        Encode::<Postgres>::encode(microseconds, buffer)
    }
}

impl Decode<'_, Postgres> for PgTimestamp {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        let microseconds: i64 = Decode::<Postgres>::decode(value)?;
        Ok(Self(EPOCH.checked_add(SignedDuration::from_micros(microseconds))?))
    }
}

/// Text that contains JSON.
struct Json<'a>(&'a str);

impl Type<Postgres> for Json<'_> {
    fn type_info() -> PgTypeInfo {
        JSON
    }
}

impl Encode<'_, Postgres> for Json<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Postgres>::encode(self.0, buffer)
    }
}

/// Encodes values for the driver.
pub(super) fn arguments(values: &[Value]) -> Result<PgArguments> {
    let mut arguments = PgArguments::default();
    for value in values {
        let added = match value {
            Value::Text(text) => arguments.add(text.as_deref()),
            Value::Int(number) => arguments.add(*number),
            Value::Bool(truth) => arguments.add(*truth),
            Value::Time(time) => arguments.add(time.map(PgTimestamp)),
            Value::Bytes(bytes) => arguments.add(bytes.as_slice()),
            Value::Json(json) => arguments.add(Json(json)),
        };
        added.map_err(|error| Error::unexpected("a value cannot be bound").caused_by(error))?;
    }
    Ok(arguments)
}

/// Decodes a cell. The types of columns are those of the migrations, so they are not checked for every cell.
fn get<'r, T: Decode<'r, Postgres>>(row: &'r PgRow, column: usize) -> Result<T> {
    row.try_get_unchecked(column).map_err(error::from_sqlx)
}

impl RawRow for PgRow {
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
        get::<Option<PgTimestamp>>(self, column).map(|timestamp| timestamp.map(|PgTimestamp(time)| time))
    }

    fn bytes(&self, column: usize) -> Result<&[u8]> {
        get(self, column)
    }
}
