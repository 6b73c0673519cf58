ALTER TABLE sessions ADD COLUMN grant_to_client TEXT NOT NULL DEFAULT 'null';
CREATE INDEX workspaces_by_id ON workspaces (id);
