-- Everything that belongs to an organization leads with organization_id, in keys and in indexes, so that
-- rows of one tenant lie together and no statement reaches another tenant's by accident.
-- Ids are compared byte by byte (COLLATE "C"): so they are as old as they look, whatever the language of the
-- database. Columns that hold JSON are read whole and never searched.

CREATE TABLE users (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    kind text NOT NULL,
    email text UNIQUE,
    name text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL
);

CREATE TABLE identities (
    provider text NOT NULL,
    subject text NOT NULL,
    user_id text COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    email text,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (provider, subject)
);
CREATE INDEX identities_of_user ON identities (user_id);

CREATE TABLE sessions (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    user_id text COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    provider text NOT NULL,
    refresh_hash text,
    cookie_hash text,
    device text NOT NULL,
    address text,
    created_at timestamptz NOT NULL,
    used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    version bigint NOT NULL
);
CREATE INDEX sessions_of_user ON sessions (user_id, id);
CREATE INDEX sessions_by_end ON sessions (expires_at);
CREATE INDEX sessions_revoked ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE spent_refresh_tokens (
    session_id text COLLATE "C" NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    hash text NOT NULL,
    spent_at timestamptz NOT NULL,
    PRIMARY KEY (session_id, hash)
);

CREATE TABLE api_tokens (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    user_id text COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    organization_id text COLLATE "C",
    name text NOT NULL,
    scopes json NOT NULL,
    hash text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    used_at timestamptz
);
CREATE INDEX api_tokens_of_user ON api_tokens (user_id, id);

CREATE TABLE security_events (
    user_id text COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    id text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    session_id text COLLATE "C",
    address text,
    device text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (user_id, id)
);

CREATE TABLE signing_keys (
    kid text COLLATE "C" NOT NULL PRIMARY KEY,
    algorithm text NOT NULL,
    public_jwk json NOT NULL,
    sealed_private bytea NOT NULL,
    created_at timestamptz NOT NULL,
    retires_at timestamptz
);

CREATE TABLE organizations (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    name text NOT NULL UNIQUE,
    display_name text NOT NULL,
    personal boolean NOT NULL,
    plan_id text COLLATE "C" NOT NULL,
    deletion_requested_at timestamptz,
    created_by text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL
);

CREATE TABLE members (
    organization_id text COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    user_id text COLLATE "C" NOT NULL,
    role text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (organization_id, user_id)
);
CREATE INDEX members_by_user ON members (user_id, organization_id);

CREATE TABLE invitations (
    organization_id text COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    id text COLLATE "C" NOT NULL,
    email text NOT NULL,
    role text NOT NULL,
    hash text NOT NULL,
    invited_by text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id)
);

CREATE TABLE service_accounts (
    organization_id text COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, name)
);

CREATE TABLE workspaces (
    organization_id text COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    display_name text,
    plan_id text COLLATE "C" NOT NULL,
    region text,
    kubernetes_version text NOT NULL,
    power text NOT NULL,
    deletion_requested_at timestamptz,
    host_cluster text NOT NULL,
    generation bigint NOT NULL,
    access_version bigint NOT NULL,
    status json NOT NULL,
    reconcile_at timestamptz,
    created_by text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, name)
);
CREATE INDEX workspaces_due ON workspaces (reconcile_at) WHERE reconcile_at IS NOT NULL;
CREATE INDEX workspaces_on_host ON workspaces (host_cluster);

CREATE TABLE workspace_groups (
    organization_id text COLLATE "C" NOT NULL,
    workspace_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    parent_id text COLLATE "C",
    preset text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (organization_id, workspace_id, id),
    UNIQUE (organization_id, workspace_id, name),
    FOREIGN KEY (organization_id, workspace_id) REFERENCES workspaces (organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, workspace_id, parent_id)
        REFERENCES workspace_groups (organization_id, workspace_id, id)
);
CREATE INDEX workspace_groups_by_parent ON workspace_groups (organization_id, workspace_id, parent_id);

CREATE TABLE group_members (
    organization_id text COLLATE "C" NOT NULL,
    workspace_id text COLLATE "C" NOT NULL,
    group_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    added_by text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, workspace_id, group_id, user_id),
    FOREIGN KEY (organization_id, workspace_id, group_id)
        REFERENCES workspace_groups (organization_id, workspace_id, id) ON DELETE CASCADE
);
CREATE INDEX group_members_by_user ON group_members (organization_id, user_id, workspace_id, group_id);
CREATE INDEX group_members_of_workspace ON group_members (organization_id, workspace_id, user_id);

CREATE TABLE projects (
    organization_id text COLLATE "C" NOT NULL,
    workspace_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    display_name text,
    parent_id text COLLATE "C",
    quota json NOT NULL,
    generation bigint NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (organization_id, workspace_id, id),
    UNIQUE (organization_id, workspace_id, name),
    FOREIGN KEY (organization_id, workspace_id) REFERENCES workspaces (organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, workspace_id, parent_id)
        REFERENCES projects (organization_id, workspace_id, id)
);
CREATE INDEX projects_by_parent ON projects (organization_id, workspace_id, parent_id);

CREATE TABLE project_roles (
    organization_id text COLLATE "C" NOT NULL,
    workspace_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    project_id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    rules json NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (organization_id, workspace_id, id),
    UNIQUE (organization_id, workspace_id, project_id, name),
    FOREIGN KEY (organization_id, workspace_id, project_id)
        REFERENCES projects (organization_id, workspace_id, id) ON DELETE CASCADE
);

CREATE TABLE role_assignments (
    organization_id text COLLATE "C" NOT NULL,
    workspace_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    project_id text COLLATE "C",
    group_id text COLLATE "C" NOT NULL,
    role text NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, workspace_id, id),
    FOREIGN KEY (organization_id, workspace_id, group_id)
        REFERENCES workspace_groups (organization_id, workspace_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, workspace_id, project_id)
        REFERENCES projects (organization_id, workspace_id, id) ON DELETE CASCADE
);
-- One group has one role once in one place; the workspace as a whole is a place, too.
CREATE UNIQUE INDEX role_assignments_once
    ON role_assignments (organization_id, workspace_id, COALESCE(project_id, ''), group_id, role);
CREATE INDEX role_assignments_by_group ON role_assignments (organization_id, workspace_id, group_id);
CREATE INDEX role_assignments_by_project ON role_assignments (organization_id, workspace_id, project_id);

CREATE TABLE tasks (
    organization_id text COLLATE "C" NOT NULL,
    workspace_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    generation bigint NOT NULL,
    steps json NOT NULL,
    attempts bigint NOT NULL,
    last_error text NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    finished_at timestamptz,
    version bigint NOT NULL,
    PRIMARY KEY (organization_id, workspace_id, id),
    FOREIGN KEY (organization_id, workspace_id) REFERENCES workspaces (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX tasks_open ON tasks (organization_id, workspace_id, id) WHERE finished_at IS NULL;

CREATE TABLE live_events (
    organization_id text COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    id text COLLATE "C" NOT NULL,
    workspace_id text COLLATE "C",
    kind text NOT NULL,
    data json NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX live_events_by_age ON live_events (at);

-- The audit log outlives what it tells about: it refers to nothing.
CREATE TABLE audit_events (
    organization_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    actor_user_id text COLLATE "C",
    actor_session_id text COLLATE "C",
    actor_token_id text COLLATE "C",
    action text NOT NULL,
    resource text NOT NULL,
    before json NOT NULL,
    after json NOT NULL,
    address text,
    device text NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX audit_events_by_resource ON audit_events (organization_id, resource, id);

CREATE TABLE outbox (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    topic text NOT NULL,
    organization_id text COLLATE "C" NOT NULL,
    workspace_id text COLLATE "C",
    payload bytea NOT NULL,
    claimed_until timestamptz NOT NULL
);

CREATE TABLE idempotency (
    user_id text COLLATE "C" NOT NULL,
    key text NOT NULL,
    fingerprint text NOT NULL,
    reply bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_by_end ON idempotency (expires_at);

CREATE TABLE leases (
    name text NOT NULL PRIMARY KEY,
    holder text NOT NULL,
    token bigint NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX outbox_by_workspace ON outbox (workspace_id, id);

-- The oldest program that still works with these tables, by the newest migration it knows. Migrations that only
-- add leave it alone, so that programs of both ages run side by side; one that takes something away raises it.
CREATE TABLE schema_compatibility (
    only_row boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (only_row),
    least_migration bigint NOT NULL
);
INSERT INTO schema_compatibility (least_migration) VALUES (2);
