// Rows of an audit log as a console might have written them over two years, made by the database.

/** When the first happened, Unix ms: 1 January 2025. */
export const BEGIN_MS = 1_735_689_600_000;
/** From one to the next; ten million are not quite two years. */
export const STEP_MS = 6_000;

/**
 * The procedure `bench_fill(from, to)` that writes rows of these numbers; `from` = 1 empties the log first.
 *
 * Forty accounts, `user1` with a fifth of all rows and each next one with less, and `rare` with five rows; 5 % are the console's
 * own, 3 % nobody's. Six in ten are sign-ins and sign-outs. 3 % are refused, never of `user1`; one in 400 fails. Each session is
 * named once, accounts often. Clocks differ by up to half a minute, so times are not in the order of the numbers.
 */
export const FILL = `
create or replace function bench_event(n bigint, out canonical text, out event_id uuid, out recorded_at timestamptz,
    out actor_kind text, out actor_id uuid, out actor_name text, out action text, out object_kind text, out object_id text,
    out outcome text)
language plpgsql immutable as $$
declare
    -- A hash of the number instead of chance: each run makes the same rows.
    a int := abs(hashint8(n)) % 1000;
    b int := abs(hashint8(n * 31 + 7)) % 1000;
    c int := abs(hashint8(n * 17 + 3)) % 100000;
    number int;
    actor json;
begin
    recorded_at := to_timestamp(${BEGIN_MS / 1_000}) + n * interval '${STEP_MS} milliseconds' + (c % 60000 - 30000) * interval '1 millisecond';
    event_id := (lpad(to_hex(${BEGIN_MS}::bigint + n * ${STEP_MS}), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid;
    if a < 50 then
        actor_kind := 'system';
    elsif a < 80 then
        actor_kind := 'anonymous';
    elsif a = 80 then
        actor_kind := 'command_line'; actor_name := 'cli:root';
    else
        actor_kind := 'user';
        number := case when a < 281 then 1 else 2 + (power(39, b / 1000.0) - 1)::int end;
        actor_name := 'user' || number;
        if n % 2000000 = 1234567 then actor_name := 'rare'; end if;
        actor_id := md5(actor_name)::uuid;
    end if;
    case
        when actor_kind = 'system' then
            action := 'signing_key.rotated'; object_kind := 'signing_key'; object_id := md5(n::text); outcome := 'succeeded';
        when actor_kind = 'anonymous' then
            action := 'session.refused'; object_kind := 'account'; object_id := 'user' || (1 + b % 40); outcome := 'refused';
        when b < 30 and number <> 1 then
            action := 'access.refused'; object_kind := 'permission'; object_id := 'audit.view'; outcome := 'refused';
        when b < 660 then
            action := case when b % 2 = 0 then 'session.opened' else 'session.closed' end;
            object_kind := 'session'; object_id := md5(n::text)::uuid; outcome := 'succeeded';
        when b < 990 then
            action := 'session.revoked'; object_kind := 'session'; object_id := md5(n::text)::uuid; outcome := 'succeeded';
        else
            action := 'account.role_changed'; object_kind := 'account'; object_id := 'user' || (1 + c % 40); outcome := 'succeeded';
    end case;
    if c % 400 = 0 and outcome = 'succeeded' then outcome := 'failed'; end if;
    canonical := '{"action":"' || action || '","actor":{'
        || coalesce('"id":"' || actor_id || '",', '') || '"kind":"' || actor_kind || '"' || coalesce(',"name":"' || actor_name || '"', '')
        || '},"detail":{"account":"user' || (1 + c % 40) || '","from":"viewer","reason":"role","to":"operator","user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"},"id":"'
        || event_id || '","object":{"id":"' || object_id || '","kind":"' || object_kind || '"},"outcome":"' || outcome
        || '","recorded_at":"' || to_char(recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        || '","source":"10.20.' || (c % 250) || '.' || (b % 250) || '","trace_id":"' || md5('t' || n) || '","v":1}';
end $$;

create or replace procedure bench_fill(first bigint, last bigint) language plpgsql as $$
declare
    previous bytea;
    made record;
    row_hash bytea;
begin
    if first = 1 then
        alter table quarterdeck.audit_events disable trigger all;
        alter table quarterdeck.audit_spans disable trigger all;
        delete from quarterdeck.audit_events;
        delete from quarterdeck.audit_spans;
        alter table quarterdeck.audit_events enable always trigger audit_events_append_only;
        alter table quarterdeck.audit_spans enable always trigger audit_spans_append_only;
        update quarterdeck.audit_head set seq = 0, hash = sha256(convert_to('quarterdeck audit chain v1', 'UTF8'));
    end if;
    select hash into previous from quarterdeck.audit_head for update;
    for made in select n, e.* from generate_series(first, last) n, lateral bench_event(n) e order by n loop
        row_hash := sha256(previous || int8send(made.n) || convert_to(made.canonical, 'UTF8'));
        insert into quarterdeck.audit_events values (
            made.n, made.canonical, previous, row_hash, made.event_id, made.recorded_at, made.actor_kind, made.actor_id,
            made.actor_name, made.action, made.object_kind, made.object_id, made.outcome);
        previous := row_hash;
    end loop;
    update quarterdeck.audit_head set seq = last, hash = previous;
    insert into quarterdeck.audit_spans
    select (seq + 999) / 1000 * 1000, min(recorded_at), max(recorded_at) from quarterdeck.audit_events
    where seq between first and last / 1000 * 1000 group by 1;
end $$;
`;
