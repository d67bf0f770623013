-- The audit log: an append-only table whose rows are chained by their hashes.
--
-- A writer inserts the event's canonical text into audit_intake, in the transaction that does what the event
-- records. When that transaction commits, a deferred trigger numbers and chains the texts. The lock on the head of
-- the chain is therefore held only while the server commits, never while a client thinks or a network is slow; and
-- a transaction that rolls back leaves no gap, because nothing was numbered yet.

create table quarterdeck.audit_events (
    seq bigint primary key check (seq > 0),
    canonical text not null check (octet_length(canonical) <= 65536),
    prev_hash bytea not null check (octet_length(prev_hash) = 32),
    hash bytea not null check (octet_length(hash) = 32),
    -- What follows is taken out of `canonical` for searching; `quarterdeck audit verify` holds them to it.
    event_id uuid not null unique,
    recorded_at timestamptz not null,
    actor_kind text not null,
    actor_id uuid,
    actor_name text,
    action text not null,
    object_kind text not null,
    object_id text not null,
    outcome text not null
);
comment on table quarterdeck.audit_events is
    'Append-only. hash = SHA-256(prev_hash, seq as 8 bytes big-endian, canonical as UTF-8).';

create index audit_events_recorded_at on quarterdeck.audit_events (recorded_at);
create index audit_events_actor on quarterdeck.audit_events (actor_id, seq desc) where actor_id is not null;
create index audit_events_action on quarterdeck.audit_events (action, seq desc);
create index audit_events_object on quarterdeck.audit_events (object_kind, object_id, seq desc);

-- The last row's number and hash: exactly one row.
create table quarterdeck.audit_head (
    only_row boolean primary key default true check (only_row),
    seq bigint not null,
    hash bytea not null check (octet_length(hash) = 32)
);
insert into quarterdeck.audit_head (seq, hash)
values (0, sha256(convert_to('quarterdeck audit chain v1', 'UTF8')));

-- Events of transactions that have not committed yet. No committed transaction leaves a row here.
create table quarterdeck.audit_intake (
    id bigint generated always as identity primary key,
    -- The writer can't set it: the console's role may insert `canonical` alone.
    transaction_id xid8 not null default pg_current_xact_id(),
    canonical text not null check (octet_length(canonical) <= 65536)
);

-- Every commit leaves a dead row here: vacuum by count, not by share of an empty table.
alter table quarterdeck.audit_intake set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- Runs as the owner, so that the writer needs no right on audit_events at all. The path is fixed, so that the writer
-- can't put functions of its own in front. In a transaction stricter than READ COMMITTED the head may have moved
-- since its snapshot; it then fails with a serialization error (40001) and is to be tried again.
create function quarterdeck.audit_append() returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    head record;
    entry record;
    event json;
    row_hash bytea;
begin
    -- The first firing in a transaction takes all of its events; the later ones find theirs gone.
    perform 1 from quarterdeck.audit_intake where id = new.id;
    if not found then
        return null;
    end if;

    select seq, hash into strict head from quarterdeck.audit_head for update;
    for entry in
        select canonical from quarterdeck.audit_intake
        where id >= new.id and transaction_id = pg_current_xact_id()
        order by id
    loop
        head.seq := head.seq + 1;
        row_hash := sha256(head.hash || int8send(head.seq) || convert_to(entry.canonical, 'UTF8'));
        event := entry.canonical::json;
        insert into quarterdeck.audit_events (
            seq, canonical, prev_hash, hash,
            event_id, recorded_at, actor_kind, actor_id, actor_name, action, object_kind, object_id, outcome
        ) values (
            head.seq, entry.canonical, head.hash, row_hash,
            (event ->> 'id')::uuid, (event ->> 'recorded_at')::timestamptz,
            event #>> '{actor,kind}', (event #>> '{actor,id}')::uuid, event #>> '{actor,name}',
            event ->> 'action', event #>> '{object,kind}', event #>> '{object,id}', event ->> 'outcome'
        );
        head.hash := row_hash;
    end loop;
    update quarterdeck.audit_head set seq = head.seq, hash = head.hash;
    delete from quarterdeck.audit_intake where id >= new.id and transaction_id = pg_current_xact_id();
    return null;
end
$$;
revoke all on function quarterdeck.audit_append() from public;

create constraint trigger audit_append
    after insert on quarterdeck.audit_intake
    deferrable initially deferred
    for each row execute function quarterdeck.audit_append();

-- Nobody changes the record, the owner included. A superuser can switch the triggers off; the chain shows it.
create function quarterdeck.audit_refuse_change() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception '% on %.% is refused: the audit log is append-only', tg_op, tg_table_schema, tg_table_name
        using errcode = 'insufficient_privilege';
end
$$;
revoke all on function quarterdeck.audit_refuse_change() from public;

create trigger audit_events_append_only
    before update or delete or truncate on quarterdeck.audit_events
    for each statement execute function quarterdeck.audit_refuse_change();
alter table quarterdeck.audit_events enable always trigger audit_events_append_only;
alter table quarterdeck.audit_intake enable always trigger audit_append;
