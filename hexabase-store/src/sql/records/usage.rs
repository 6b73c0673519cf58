//! Usage of workspaces, usage reports and metered hours.

use hexabase_core::error::Result;
use hexabase_core::model::{Hour, Meter, MeteredHour, PerMeter, Reading, UsageHour, UsageReport};

use crate::sql::cells::Cells;
use crate::sql::table::{Binder, Stored, Table};

/// Reads one value for every meter.
pub(crate) fn per_meter<T: Default>(mut read: impl FnMut() -> Result<T>) -> Result<PerMeter<T>> {
    let mut all = PerMeter::default();
    for meter in Meter::ALL {
        all[*meter] = read()?;
    }
    Ok(all)
}

/// Reads an amount and the number of minutes that were measured.
pub(crate) fn reading(cells: &mut Cells<'_>) -> Result<Reading> {
    Ok(Reading { amount: cells.number()?, minutes: cells.number()? })
}

impl Stored for UsageHour {
    const TABLE: Table = Table {
        name: "usage_hours",
        key: &["organization_id", "hour", "workspace_id"],
        columns: &[
            "cpu",
            "cpu_minutes",
            "memory",
            "memory_minutes",
            "storage",
            "storage_minutes",
            "network_receive",
            "network_receive_minutes",
            "network_transmit",
            "network_transmit_minutes",
            "api_requests",
            "api_requests_minutes",
        ],
    };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        row.text(self.organization_id).time(self.hour.start()).text(self.workspace_id);
        for (_, reading) in self.readings.iter() {
            row.number(reading.amount)?.number(reading.minutes)?;
        }
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            organization_id: cells.parse()?,
            hour: Hour::of(cells.time()?),
            workspace_id: cells.parse()?,
            readings: per_meter(|| reading(cells))?,
        })
    }
}

impl Stored for UsageReport {
    const TABLE: Table = Table {
        name: "usage_reports",
        key: &["organization_id", "hour"],
        columns: &[
            "cpu",
            "memory",
            "storage",
            "network_receive",
            "network_transmit",
            "api_requests",
            "revision",
        ],
    };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        row.text(self.organization_id).time(self.hour.start());
        for (_, reported) in self.reported.iter() {
            row.number(*reported)?;
        }
        row.number(self.revision)?;
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            organization_id: cells.parse()?,
            hour: Hour::of(cells.time()?),
            reported: per_meter(|| cells.number())?,
            revision: cells.number()?,
        })
    }
}

impl Stored for MeteredHour {
    const TABLE: Table =
        Table { name: "metered_hours", key: &["hour"], columns: &["read_at", "next_read_at"] };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        row.time(self.hour.start()).time(self.read_at).time_or_null(self.next_read_at);
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            hour: Hour::of(cells.time()?),
            read_at: cells.time()?,
            next_read_at: cells.time_or_null()?,
        })
    }
}
