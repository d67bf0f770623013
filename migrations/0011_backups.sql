-- Backups: runs that made them, what is known of each copy that is kept, and how far back one could return at each moment. What is
-- stored is the truth; this is what was seen of it.

create table quarterdeck.backup_runs (
    id uuid primary key,
    method text not null check (method in ('base', 'wal', 'dump', 'redis_rdb', 'redis_aof')),
    -- Who wanted it: the schedule, somebody in the console, or a job elsewhere that told of its run.
    origin text not null check (origin in ('schedule', 'request', 'outside')),
    -- Which time of the schedule it is.
    scheduled_for timestamptz check ((origin = 'schedule') = (scheduled_for is not null)),
    -- Who asked for it or told of it; null for the schedule.
    asked_by text,
    -- The console, or the machine elsewhere, that does it.
    host text not null,
    state text not null check (state in ('running', 'succeeded', 'failed', 'cancelled', 'lost')),
    began_at timestamptz not null,
    ended_at timestamptz check ((state = 'running') = (ended_at is null)),
    -- A running one whose console does not renew this is lost.
    alive_until timestamptz not null,
    cancel_asked_by text,
    -- What it does now, in words.
    phase text not null default '',
    done_bytes bigint not null default 0 check (done_bytes >= 0),
    -- How much there will be, where it is known.
    total_bytes bigint check (total_bytes >= 0),
    -- Program and arguments, without secrets.
    command text not null default '',
    exit_code integer,
    -- What programs said, its end if it is long.
    log text not null default '' check (octet_length(log) <= 65536),
    -- What went wrong, what it means and what to do.
    error text check ((state in ('failed', 'lost')) = (error is not null)),
    -- The copy that it made.
    backup text
);
-- One at a time, and each time of the schedule once, whichever replica it is.
create unique index backup_runs_one on quarterdeck.backup_runs (method) where state = 'running' and origin <> 'outside';
create unique index backup_runs_scheduled on quarterdeck.backup_runs (method, scheduled_for) where scheduled_for is not null;
create index backup_runs_recent on quarterdeck.backup_runs (began_at desc);

create table quarterdeck.backups (
    -- Its path in the store, without the ends of its files: dump/skillquest-20261129T020000Z.
    name text primary key,
    method text not null check (method in ('base', 'dump', 'redis_rdb', 'redis_aof')),
    -- What stands beside it in the store; null for what has no manifest, or one that can't be read.
    manifest jsonb,
    -- As it was seen: bytes of all its files, and when the last of them was written.
    bytes bigint not null check (bytes >= 0),
    stored_at timestamptz not null,
    first_seen_at timestamptz not null,
    last_seen_at timestamptz not null,
    -- When it was found to be gone: deleted by a retention that this console did, or by somebody else.
    gone_at timestamptz,
    gone_why text,
    condition text not null default 'unverified' check (condition in ('unverified', 'good', 'damaged')),
    -- What is wrong with it.
    damage text check ((condition = 'damaged') = (damage is not null)),
    verified_at timestamptz,
    pinned_by text,
    pinned_at timestamptz check ((pinned_by is null) = (pinned_at is null)),
    pin_reason text
);
create index backups_kept on quarterdeck.backups (method, stored_at desc) where gone_at is null;

create table quarterdeck.backup_verifications (
    id uuid primary key,
    backup text not null,
    asked_by text,
    began_at timestamptz not null,
    ended_at timestamptz not null,
    condition text not null check (condition in ('good', 'damaged', 'unknown')),
    -- Each check with what it found.
    findings jsonb not null
);
create index backup_verifications_of on quarterdeck.backup_verifications (backup, began_at desc);

-- Where the primary was: what was written until then is safe once the archive reaches that far.
create table quarterdeck.primary_positions (
    at timestamptz primary key,
    timeline bigint not null check (timeline > 0),
    insert_lsn bigint not null check (insert_lsn >= 0),
    -- Goes up with each transaction that wrote and ended: while it stands still, nothing new is there to be lost.
    ended bigint not null
);

-- How far back one could return, as it was at each moment.
create table quarterdeck.recovery_points (
    at timestamptz primary key,
    -- The newest commit that is in what is stored; null if it was not known.
    reachable_at timestamptz,
    -- Of the time since, how much would really be lost, ms; null if it was not known.
    exposed_ms bigint check (exposed_ms >= 0),
    -- What a promotion of the standby would lose, ms; null if it was not known or there is none.
    standby_ms bigint check (standby_ms >= 0),
    -- Why it was not known, or what it is made of.
    note text
);

create table quarterdeck.drills (
    id uuid primary key,
    -- A dump, or a base backup with WAL to an instant.
    backup text not null,
    method text not null check (method in ('base', 'dump')),
    target_at timestamptz,
    origin text not null check (origin in ('schedule', 'request')),
    scheduled_for timestamptz check ((origin = 'schedule') = (scheduled_for is not null)),
    asked_by text,
    host text not null,
    state text not null check (state in ('running', 'succeeded', 'failed', 'cancelled', 'lost')),
    began_at timestamptz not null,
    ended_at timestamptz check ((state = 'running') = (ended_at is null)),
    alive_until timestamptz not null,
    cancel_asked_by text,
    -- Each step with its name, when it began and ended, its bytes and what it said.
    steps jsonb not null default '[]',
    -- Each check with what was expected and what was found.
    checks jsonb not null default '[]',
    -- What was restored: bytes of the backup, of WAL, and of the cluster.
    backup_bytes bigint,
    wal_bytes bigint,
    cluster_bytes bigint,
    log text not null default '' check (octet_length(log) <= 65536),
    error text check ((state in ('failed', 'lost')) = (error is not null))
);
create unique index drills_one on quarterdeck.drills ((true)) where state = 'running';
create unique index drills_scheduled on quarterdeck.drills (method, scheduled_for) where scheduled_for is not null;
create index drills_recent on quarterdeck.drills (began_at desc);
