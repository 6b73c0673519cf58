-- Every message is claimed once before it goes. With room for the claimed version on the same page, no index has to
-- be told of it. Pages that are full already stay as they are until they are emptied, which is soon.
ALTER TABLE outbox SET (fillfactor = 45);
