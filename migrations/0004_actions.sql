-- Guarded actions: what was asked for, who agreed, how far it is, and who is to be told.

-- Who an account belongs to. Two accounts of one person have the same text here, and then one vote.
alter table quarterdeck.users add column identity text;
update quarterdeck.users set identity = username;
alter table quarterdeck.users alter column identity set not null;
alter table quarterdeck.users add check (char_length(identity) between 1 and 200);

-- Every policy that was ever in force, with all defaults written out. Consent names the version it was given under.
create table quarterdeck.policy_versions (
    version bigint generated always as identity primary key,
    document jsonb not null,
    -- SHA-256 of the document's canonical text.
    digest bytea not null check (octet_length(digest) = 32),
    since timestamptz not null
);

create table quarterdeck.actions (
    id uuid primary key,
    -- For people: "action 12".
    number bigint generated always as identity unique,
    kind text not null,
    -- What is acted on, in few words.
    object text not null,
    -- The plan that consent is given to, and the SHA-256 of all that consent rests on.
    plan jsonb not null,
    digest bytea not null check (octet_length(digest) = 32),
    -- The plan as it was when it was started.
    started_plan jsonb,
    policy_version bigint not null references quarterdeck.policy_versions (version),
    rule jsonb not null,
    reason text not null check (char_length(reason) <= 2000),
    requester uuid not null references quarterdeck.users (id),
    requester_identity text not null,
    requester_name text not null,
    requested_at timestamptz not null,
    expires_at timestamptz not null,
    -- Why it goes without approvals, if it does; and the look at that afterwards.
    break_glass jsonb,
    review jsonb,
    state text not null check (
        state in ('requested', 'approved', 'rejected', 'expired', 'cancelled', 'executing', 'succeeded', 'failed',
                  'outcome_unknown')
    ),
    state_data jsonb not null check (state_data ->> 'state' = state),
    -- Goes up with each change: whoever changes it names the one that they saw.
    revision bigint not null default 1,
    changed_at timestamptz not null,
    -- Until when the worker that has it is taken to be alive.
    lease_until timestamptz
);
create index actions_open on quarterdeck.actions (state, requested_at desc)
    where state in ('requested', 'approved', 'executing');
create index actions_to_review on quarterdeck.actions (requested_at desc)
    where break_glass is not null and review is null;
create index actions_number on quarterdeck.actions (number desc);

create table quarterdeck.action_votes (
    action_id uuid not null references quarterdeck.actions (id),
    voter uuid not null references quarterdeck.users (id),
    voter_identity text not null,
    voter_name text not null,
    agreement text not null check (agreement in ('approve', 'reject')),
    comment text not null check (char_length(comment) <= 2000),
    digest bytea not null check (octet_length(digest) = 32),
    policy_version bigint not null,
    at timestamptz not null,
    primary key (action_id, voter),
    unique (action_id, voter_identity)
);

create table quarterdeck.action_steps (
    action_id uuid not null references quarterdeck.actions (id),
    position int not null,
    name text not null,
    state text not null check (state in ('running', 'done', 'failed', 'unknown')),
    started_at timestamptz not null,
    ended_at timestamptz,
    -- What was seen, in a sentence; and the same for programs.
    detail text not null default '',
    data jsonb not null default 'null',
    primary key (action_id, position),
    check ((state = 'running') = (ended_at is null))
);

-- What people are to be told, written in the transaction of what happened, and sent from here.
create table quarterdeck.outbox (
    id bigint generated always as identity primary key,
    action_id uuid not null references quarterdeck.actions (id),
    topic text not null,
    channel text not null check (channel in ('webhook', 'email')),
    payload jsonb not null,
    created_at timestamptz not null,
    attempts int not null default 0,
    next_attempt_at timestamptz not null,
    delivered_at timestamptz,
    -- Given up.
    dead_at timestamptz,
    last_error text,
    check (delivered_at is null or dead_at is null)
);
create index outbox_due on quarterdeck.outbox (next_attempt_at) where delivered_at is null and dead_at is null;
create index outbox_action on quarterdeck.outbox (action_id);

-- Consoles hear of every change at once, whoever made it.
create function quarterdeck.actions_announce() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- Steps and votes name their action; an action is itself.
    perform pg_notify('quarterdeck_actions', coalesce(to_jsonb(new) ->> 'action_id', to_jsonb(new) ->> 'id'));
    return null;
end
$$;
revoke all on function quarterdeck.actions_announce() from public;
create trigger actions_announce after insert or update on quarterdeck.actions
    for each row execute function quarterdeck.actions_announce();
create trigger action_steps_announce after insert or update on quarterdeck.action_steps
    for each row execute function quarterdeck.actions_announce();
create trigger action_votes_announce after insert on quarterdeck.action_votes
    for each row execute function quarterdeck.actions_announce();
