-- Notes that this version could not read, in hexadecimal digits: those of a later version are counted once it runs.
CREATE TABLE usage_aside (
    outbox TEXT NOT NULL,
    position TEXT NOT NULL,
    reason TEXT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (outbox, position)
);
