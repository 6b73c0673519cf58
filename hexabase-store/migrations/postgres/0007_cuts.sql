-- Who was put out of a workspace at once. Programs that do not know of it leave it alone.
ALTER TABLE workspaces ADD COLUMN cuts json NOT NULL DEFAULT '[]';
