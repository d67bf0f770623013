-- Accounts, their sessions, and the keys that sign access tokens.

create table quarterdeck.users (
    id uuid primary key,
    username text not null unique check (username ~ '^[a-z0-9][a-z0-9._@-]{0,63}$'),
    display_name text not null check (char_length(display_name) between 1 and 100),
    -- PHC string: algorithm, parameters, salt and hash.
    password_hash text not null check (password_hash like '$argon2id$%'),
    role text not null check (role in ('viewer', 'operator', 'approver', 'admin', 'auditor')),
    -- Raised with each change that has to reach access tokens at once: role, password, disabling.
    token_epoch bigint not null default 1,
    created_at timestamptz not null,
    password_changed_at timestamptz not null,
    disabled_at timestamptz
);

-- A session is a family of refresh tokens that began with one sign-in.
create table quarterdeck.sessions (
    id uuid primary key,
    user_id uuid not null references quarterdeck.users (id),
    created_at timestamptz not null,
    last_seen_at timestamptz not null,
    -- The end that no refreshing moves.
    expires_at timestamptz not null,
    user_agent text not null check (char_length(user_agent) <= 300),
    address inet,
    revoked_at timestamptz,
    revoked_reason text check (
        revoked_reason in ('signed_out', 'revoked', 'reuse_detected', 'password_changed', 'account_disabled')
    ),
    check ((revoked_at is null) = (revoked_reason is null))
);
create index sessions_user on quarterdeck.sessions (user_id, last_seen_at desc);
create index sessions_revoked_at on quarterdeck.sessions (revoked_at) where revoked_at is not null;
create index sessions_expires_at on quarterdeck.sessions (expires_at);

create table quarterdeck.refresh_tokens (
    -- SHA-256 of the token. The token itself is 32 random bytes and only in the browser.
    hash bytea primary key check (octet_length(hash) = 32),
    session_id uuid not null references quarterdeck.sessions (id) on delete cascade,
    issued_at timestamptz not null,
    expires_at timestamptz not null,
    -- When it was exchanged for a newer one. Coming back later than the grace allows means that there is a copy.
    rotated_at timestamptz
);
create index refresh_tokens_session on quarterdeck.refresh_tokens (session_id);

create table quarterdeck.signing_keys (
    kid text primary key,
    secret bytea not null check (octet_length(secret) = 32),
    created_at timestamptz not null,
    -- Until when tokens signed with it may still be accepted.
    verify_until timestamptz not null
);

-- What makes a revocation effective at once in every replica, whoever made it (the command line included).
create function quarterdeck.identity_announce() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    case tg_table_name
        when 'users' then
            perform pg_notify('quarterdeck_identity',
                json_build_object('kind', 'user', 'id', new.id, 'epoch', new.token_epoch)::text);
        when 'sessions' then
            perform pg_notify('quarterdeck_identity',
                json_build_object('kind', 'session', 'id', new.id)::text);
        when 'signing_keys' then
            perform pg_notify('quarterdeck_identity', json_build_object('kind', 'keys')::text);
    end case;
    return null;
end
$$;
revoke all on function quarterdeck.identity_announce() from public;

create trigger users_announce after update of token_epoch on quarterdeck.users
    for each row when (old.token_epoch is distinct from new.token_epoch)
    execute function quarterdeck.identity_announce();
create trigger sessions_announce after update of revoked_at on quarterdeck.sessions
    for each row when (old.revoked_at is null and new.revoked_at is not null)
    execute function quarterdeck.identity_announce();
create trigger signing_keys_announce after insert on quarterdeck.signing_keys
    for each row execute function quarterdeck.identity_announce();
