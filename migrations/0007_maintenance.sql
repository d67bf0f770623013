-- Maintenance mode: what is known of it, in one row, since there is one service. Every change is in the audit log besides.
create table quarterdeck.maintenance (
    one boolean primary key default true check (one),
    -- As it was seen last.
    mode text not null default 'unknown' check (mode in ('unknown', 'off', 'mixed', 'on')),
    since timestamptz,
    -- Whether it was brought about by other means than the console.
    elsewhere boolean not null default false,
    -- The maintenance that is on, if the console switched it on: who, why, until when, what is silenced.
    held jsonb,
    -- An action that is about to switch it, written down before it does.
    switching jsonb,
    changed_at timestamptz,
    -- When people were told that the expected end is near, and that it is over.
    end_told_at timestamptz,
    overrun_told_at timestamptz,
    -- What was seen at the last look, for the consoles that do not look themselves.
    look jsonb
);
insert into quarterdeck.maintenance default values;
