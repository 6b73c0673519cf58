//! Users, their identities and credentials, and signing keys.

use hexabase_core::changeset::SpentRefresh;
use hexabase_core::error::Result;
use hexabase_core::model::{ApiToken, Identity, SecurityEvent, Session, SigningKey, User};

use crate::sql::cells::Cells;
use crate::sql::table::{Binder, Stored, Table};

impl Stored for User {
    const TABLE: Table = Table {
        name: "users",
        key: &["id"],
        columns: &["kind", "email", "name", "created_at", "updated_at", "version", "search_text"],
    };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        row.text(self.id).text(self.kind).text_or_null(self.email.as_ref()).text(&self.name);
        row.time(self.created_at).time(self.updated_at).version(self.version)?.text(self.searchable());
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let user = Self {
            id: cells.parse()?,
            kind: cells.parse()?,
            email: cells.parse_or_null()?,
            name: cells.parse()?,
            created_at: cells.time()?,
            updated_at: cells.time()?,
            version: cells.version()?,
        };
        cells.skip();
        Ok(user)
    }
}

impl Stored for Identity {
    const TABLE: Table = Table {
        name: "identities",
        key: &["provider", "subject"],
        columns: &["user_id", "email", "created_at"],
    };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        row.text(&self.provider).text(&self.subject).text(self.user_id);
        row.text_or_null(self.email.as_ref()).time(self.created_at);
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            provider: cells.parse()?,
            subject: cells.string()?,
            user_id: cells.parse()?,
            email: cells.parse_or_null()?,
            created_at: cells.time()?,
        })
    }
}

impl Stored for Session {
    const TABLE: Table = Table {
        name: "sessions",
        key: &["id"],
        columns: &[
            "user_id",
            "parent_id",
            "provider",
            "refresh_hash",
            "cookie_hash",
            "grant_to_client",
            "device",
            "address",
            "authenticated_at",
            "created_at",
            "used_at",
            "expires_at",
            "revoked_at",
            "version",
        ],
    };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        row.text(self.id).text(self.user_id).text_or_null(self.parent_id).text(&self.provider);
        row.text_or_null(self.refresh_hash).text_or_null(self.cookie_hash);
        row.json(&self.grant)?;
        row.text(&self.device).text_or_null(self.address.as_ref());
        row.time_or_null(self.authenticated_at).time(self.created_at).time(self.used_at);
        row.time(self.expires_at).time_or_null(self.revoked_at);
        row.version(self.version)?;
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            id: cells.parse()?,
            user_id: cells.parse()?,
            parent_id: cells.parse_or_null()?,
            provider: cells.parse()?,
            refresh_hash: cells.parse_or_null()?,
            cookie_hash: cells.parse_or_null()?,
            grant: cells.json()?,
            device: cells.string()?,
            address: cells.string_or_null()?,
            authenticated_at: cells.time_or_null()?,
            created_at: cells.time()?,
            used_at: cells.time()?,
            expires_at: cells.time()?,
            revoked_at: cells.time_or_null()?,
            version: cells.version()?,
        })
    }
}

impl Stored for SpentRefresh {
    const TABLE: Table =
        Table { name: "spent_refresh_tokens", key: &["session_id", "hash"], columns: &["spent_at"] };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        row.text(self.session_id).text(self.hash).time(self.spent_at);
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self { session_id: cells.parse()?, hash: cells.parse()?, spent_at: cells.time()? })
    }
}

impl Stored for ApiToken {
    const TABLE: Table = Table {
        name: "api_tokens",
        key: &["id"],
        columns: &[
            "user_id",
            "organization_id",
            "name",
            "scopes",
            "hash",
            "created_at",
            "expires_at",
            "used_at",
        ],
    };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        row.text(self.id).text(self.user_id).text_or_null(self.organization_id).text(&self.name);
        row.json(&self.scopes)?.text(self.hash);
        row.time(self.created_at).time_or_null(self.expires_at).time_or_null(self.used_at);
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            id: cells.parse()?,
            user_id: cells.parse()?,
            organization_id: cells.parse_or_null()?,
            name: cells.parse()?,
            scopes: cells.json()?,
            hash: cells.parse()?,
            created_at: cells.time()?,
            expires_at: cells.time_or_null()?,
            used_at: cells.time_or_null()?,
        })
    }
}

impl Stored for SecurityEvent {
    const TABLE: Table = Table {
        name: "security_events",
        key: &["user_id", "id"],
        columns: &["kind", "session_id", "address", "device", "at"],
    };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        row.text(self.user_id).text(self.id).text(self.kind).text_or_null(self.session_id);
        row.text_or_null(self.address.as_ref()).text(&self.device).time(self.at);
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            user_id: cells.parse()?,
            id: cells.parse()?,
            kind: cells.parse()?,
            session_id: cells.parse_or_null()?,
            address: cells.string_or_null()?,
            device: cells.string()?,
            at: cells.time()?,
        })
    }
}

impl Stored for SigningKey {
    const TABLE: Table = Table {
        name: "signing_keys",
        key: &["kid"],
        columns: &["algorithm", "public_jwk", "sealed_private", "created_at", "retires_at"],
    };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        row.text(&self.kid).text(self.algorithm).json(&self.public_jwk)?.bytes(&self.sealed_private);
        row.time(self.created_at).time_or_null(self.retires_at);
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            kid: cells.string()?,
            algorithm: cells.parse()?,
            public_jwk: cells.json()?,
            sealed_private: cells.bytes()?,
            created_at: cells.time()?,
            retires_at: cells.time_or_null()?,
        })
    }
}
