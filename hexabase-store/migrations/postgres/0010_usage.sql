-- What workspaces used, hour by hour, in thousandths of each meter's unit, and for how many minutes it was measured. A
-- workspace's usage outlives the workspace, so that it is not bound to it.
CREATE TABLE usage_hours (
    organization_id text COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    hour timestamptz NOT NULL,
    workspace_id text COLLATE "C" NOT NULL,
    cpu bigint NOT NULL,
    cpu_minutes bigint NOT NULL,
    memory bigint NOT NULL,
    memory_minutes bigint NOT NULL,
    storage bigint NOT NULL,
    storage_minutes bigint NOT NULL,
    network_receive bigint NOT NULL,
    network_receive_minutes bigint NOT NULL,
    network_transmit bigint NOT NULL,
    network_transmit_minutes bigint NOT NULL,
    api_requests bigint NOT NULL,
    api_requests_minutes bigint NOT NULL,
    PRIMARY KEY (organization_id, hour, workspace_id)
);
CREATE INDEX usage_hours_by_hour ON usage_hours (hour, organization_id, workspace_id);

-- What the billing provider was told of an organization's hour.
CREATE TABLE usage_reports (
    organization_id text COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    hour timestamptz NOT NULL,
    cpu bigint NOT NULL,
    memory bigint NOT NULL,
    storage bigint NOT NULL,
    network_receive bigint NOT NULL,
    network_transmit bigint NOT NULL,
    api_requests bigint NOT NULL,
    round bigint NOT NULL,
    PRIMARY KEY (organization_id, hour)
);
CREATE INDEX usage_reports_by_hour ON usage_reports (hour);

-- For which hours the meters of all workspaces were read.
CREATE TABLE metered_hours (
    hour timestamptz NOT NULL PRIMARY KEY,
    read_at timestamptz NOT NULL,
    again_at timestamptz
);

GRANT SELECT, INSERT, UPDATE, DELETE ON usage_hours, usage_reports, metered_hours TO hexabase_app;
ALTER TABLE usage_hours ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON usage_hours
    USING (organization_id = current_setting('hexabase.organization_id', true));
ALTER TABLE usage_reports ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON usage_reports
    USING (organization_id = current_setting('hexabase.organization_id', true));

-- What the work between requests may know of everybody: of whom there is usage, and how old it is.
CREATE VIEW usage_schedule AS SELECT hour, organization_id, workspace_id FROM usage_hours;
GRANT SELECT, DELETE ON usage_schedule TO hexabase_app;
CREATE VIEW usage_report_ages AS SELECT hour FROM usage_reports;
GRANT SELECT, DELETE ON usage_report_ages TO hexabase_app;

ALTER TABLE billing_accounts ADD COLUMN budget json NOT NULL DEFAULT 'null';
ALTER TABLE billing_accounts ADD COLUMN warned json NOT NULL DEFAULT '{"month":null,"of":[]}';
