-- Whoever signs in is shown where they are invited to: by their own address, which the policy looks up by itself.
CREATE INDEX invitations_by_email ON invitations (email);
CREATE POLICY of_user ON invitations FOR SELECT
    USING (email = (SELECT users.email FROM users WHERE users.id = current_setting('hexabase.user_id', true)));
