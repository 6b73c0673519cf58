CREATE TABLE usage_hours (
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    hour INTEGER NOT NULL,
    workspace_id TEXT NOT NULL,
    cpu INTEGER NOT NULL,
    cpu_minutes INTEGER NOT NULL,
    memory INTEGER NOT NULL,
    memory_minutes INTEGER NOT NULL,
    storage INTEGER NOT NULL,
    storage_minutes INTEGER NOT NULL,
    network_receive INTEGER NOT NULL,
    network_receive_minutes INTEGER NOT NULL,
    network_transmit INTEGER NOT NULL,
    network_transmit_minutes INTEGER NOT NULL,
    api_requests INTEGER NOT NULL,
    api_requests_minutes INTEGER NOT NULL,
    PRIMARY KEY (organization_id, hour, workspace_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_hours_by_hour ON usage_hours (hour, organization_id, workspace_id);

CREATE TABLE usage_reports (
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    hour INTEGER NOT NULL,
    cpu INTEGER NOT NULL,
    memory INTEGER NOT NULL,
    storage INTEGER NOT NULL,
    network_receive INTEGER NOT NULL,
    network_transmit INTEGER NOT NULL,
    api_requests INTEGER NOT NULL,
    round INTEGER NOT NULL,
    PRIMARY KEY (organization_id, hour)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_reports_by_hour ON usage_reports (hour);

CREATE TABLE metered_hours (
    hour INTEGER NOT NULL PRIMARY KEY,
    read_at INTEGER NOT NULL,
    again_at INTEGER
) STRICT, WITHOUT ROWID;

ALTER TABLE billing_accounts ADD COLUMN budget TEXT NOT NULL DEFAULT 'null';
ALTER TABLE billing_accounts ADD COLUMN warned TEXT NOT NULL DEFAULT '{"month":null,"of":[]}';
