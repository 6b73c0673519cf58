//! Organizations, members, invitations and service accounts.

use hexabase_core::error::Result;
use hexabase_core::model::{Inventory, Invitation, Member, Organization, ServiceAccount};

use crate::sql::cells::Cells;
use crate::sql::table::{Binder, Stored, Table};

impl Stored for Organization {
    const TABLE: Table = Table {
        name: "organizations",
        key: &["id"],
        columns: &[
            "name",
            "display_name",
            "personal",
            "plan_id",
            "deletion_requested_at",
            "suspension",
            "created_by",
            "created_at",
            "updated_at",
            "version",
            "search_text",
        ],
    };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        row.text(self.id).text(&self.name).text(&self.display_name).bool(self.personal).text(&self.plan_id);
        row.time_or_null(self.deletion_requested_at).json(&self.suspension)?.text(self.created_by);
        row.time(self.created_at).time(self.updated_at).version(self.version)?.text(self.searchable());
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let organization = Self {
            id: cells.parse()?,
            name: cells.parse()?,
            display_name: cells.parse()?,
            personal: cells.bool()?,
            plan_id: cells.parse()?,
            deletion_requested_at: cells.time_or_null()?,
            suspension: cells.json()?,
            created_by: cells.parse()?,
            created_at: cells.time()?,
            updated_at: cells.time()?,
            version: cells.version()?,
        };
        cells.skip();
        Ok(organization)
    }
}

impl Stored for Member {
    const TABLE: Table = Table {
        name: "members",
        key: &["organization_id", "user_id"],
        columns: &["role", "created_at", "updated_at", "version"],
    };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        row.text(self.organization_id).text(self.user_id).text(self.role);
        row.time(self.created_at).time(self.updated_at).version(self.version)?;
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            organization_id: cells.parse()?,
            user_id: cells.parse()?,
            role: cells.parse()?,
            created_at: cells.time()?,
            updated_at: cells.time()?,
            version: cells.version()?,
        })
    }
}

impl Stored for Invitation {
    const TABLE: Table = Table {
        name: "invitations",
        key: &["organization_id", "id"],
        columns: &["email", "role", "hash", "invited_by", "created_at", "expires_at"],
    };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        row.text(self.organization_id).text(self.id).text(&self.email).text(self.role).text(self.hash);
        row.text(self.invited_by).time(self.created_at).time(self.expires_at);
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            organization_id: cells.parse()?,
            id: cells.parse()?,
            email: cells.parse()?,
            role: cells.parse()?,
            hash: cells.parse()?,
            invited_by: cells.parse()?,
            created_at: cells.time()?,
            expires_at: cells.time()?,
        })
    }
}

impl Stored for ServiceAccount {
    const TABLE: Table = Table {
        name: "service_accounts",
        key: &["organization_id", "id"],
        columns: &["name", "created_by", "created_at", "version"],
    };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        row.text(self.organization_id).text(self.id).text(&self.name).text(self.created_by);
        row.time(self.created_at).version(self.version)?;
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            organization_id: cells.parse()?,
            id: cells.parse()?,
            name: cells.parse()?,
            created_by: cells.parse()?,
            created_at: cells.time()?,
            version: cells.version()?,
        })
    }
}

impl Stored for Inventory {
    const TABLE: Table = Table {
        name: "inventories",
        key: &["organization_id", "name"],
        columns: &["objects", "updated_by", "created_at", "updated_at", "version"],
    };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        row.text(self.organization_id).text(&self.name).json(&self.objects)?.text(self.updated_by);
        row.time(self.created_at).time(self.updated_at).version(self.version)?;
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            organization_id: cells.parse()?,
            name: cells.parse()?,
            objects: cells.json()?,
            updated_by: cells.parse()?,
            created_at: cells.time()?,
            updated_at: cells.time()?,
            version: cells.version()?,
        })
    }
}
