-- What somebody lets a client do on their behalf. Programs that do not know of it make no such sessions.
ALTER TABLE sessions ADD COLUMN grant_to_client json NOT NULL DEFAULT 'null';
-- Tokens name a workspace alone.
CREATE INDEX workspaces_by_id ON workspaces (id);
