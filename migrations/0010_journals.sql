-- How far the local journal of each console is in the audit log: what a console did while this database was away.
create table quarterdeck.journals (
    id uuid primary key,
    -- The number and the hash of the last line that was taken over, in the transaction of its audit events.
    seq bigint not null check (seq >= 0),
    hash bytea not null check (octet_length(hash) = 32),
    merged_at timestamptz not null
);
