-- Searching the audit log, fast at ten million rows.
--
-- Rows are looked for by their number, from the newest down or up from some place: each index ends in it, so that a
-- search reads its rows in the order of the page. Rare values only where the common one is nearly every row.

drop index quarterdeck.audit_events_recorded_at;
drop index quarterdeck.audit_events_actor;
drop index quarterdeck.audit_events_object;

create index audit_events_actor_name on quarterdeck.audit_events (actor_name, seq desc) where actor_name is not null;
create index audit_events_actor_kind on quarterdeck.audit_events (actor_kind, seq desc) where actor_kind <> 'user';
create index audit_events_object_kind on quarterdeck.audit_events (object_kind, seq desc);
-- An id may be as long as a path that somebody asked for, and an entry of an index must not.
create index audit_events_object_id on quarterdeck.audit_events (left(object_id, 200), seq desc);
create index audit_events_outcome on quarterdeck.audit_events (outcome, seq desc) where outcome <> 'succeeded';

-- Which times lie in which thousand rows, so that a range of time is a range of numbers: the times of rows are those of
-- the consoles' clocks when things happened, and are not in the order of the numbers. Written with the last row of a
-- thousand; `quarterdeck audit verify` holds them to the rows.
create table quarterdeck.audit_spans (
    last_seq bigint primary key check (last_seq > 0 and last_seq % 1000 = 0),
    earliest timestamptz not null,
    latest timestamptz not null check (latest >= earliest)
);
comment on table quarterdeck.audit_spans is
    'Earliest and latest recorded_at of the thousand rows of audit_events that end with last_seq.';

insert into quarterdeck.audit_spans (last_seq, earliest, latest)
select (seq + 999) / 1000 * 1000, min(recorded_at), max(recorded_at)
from quarterdeck.audit_events
where seq <= (select max(seq) / 1000 * 1000 from quarterdeck.audit_events)
group by 1;

create trigger audit_spans_append_only
    before update or delete or truncate on quarterdeck.audit_spans
    for each statement execute function quarterdeck.audit_refuse_change();
alter table quarterdeck.audit_spans enable always trigger audit_spans_append_only;

-- As before, and with the last row of each thousand the times of that thousand.
create or replace function quarterdeck.audit_append() returns trigger
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
        if head.seq % 1000 = 0 then
            insert into quarterdeck.audit_spans (last_seq, earliest, latest)
            select head.seq, min(recorded_at), max(recorded_at)
            from quarterdeck.audit_events where seq > head.seq - 1000 and seq <= head.seq;
        end if;
    end loop;
    update quarterdeck.audit_head set seq = head.seq, hash = head.hash;
    delete from quarterdeck.audit_intake where id >= new.id and transaction_id = pg_current_xact_id();
    return null;
end
$$;
