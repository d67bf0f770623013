-- Nodes that were the primary and must not take writes any more, until each is a standby again. One open order a node.
create table quarterdeck.fences (
    id uuid primary key,
    node text not null,
    -- The action that made another node the primary.
    action_id uuid not null references quarterdeck.actions,
    new_primary text not null,
    ordered_at timestamptz not null,
    -- Where the new primary began, as bytes of WAL; null until it is promoted, or if it did not say.
    promoted_at bigint,
    -- The timeline of the new primary: below it the node must not take writes. Null until that is promoted.
    timeline integer,
    -- When the node was found taking writes and was kept from it.
    enforced_at timestamptz,
    -- What only this node has: bytes of WAL after that place, and transactions that were committed there.
    lost_bytes bigint,
    lost_transactions bigint,
    measured_at timestamptz,
    lifted_at timestamptz,
    -- Why it was lifted.
    lifted text
);
create unique index fences_open on quarterdeck.fences (node) where lifted_at is null;
