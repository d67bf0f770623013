-- API tokens: what a person gives a program to act in their name, within scopes and until an end.

create table quarterdeck.api_tokens (
    id uuid primary key,
    user_id uuid not null references quarterdeck.users (id),
    name text not null check (char_length(name) between 1 and 60),
    -- SHA-256 of the token. The token itself is 32 random bytes, and was shown once.
    hash bytea not null unique check (octet_length(hash) = 32),
    -- The token's beginning, to know it by.
    prefix text not null check (prefix ~ '^qd_[A-Za-z0-9_-]{6}$'),
    -- Names of permissions; unknown ones allow nothing.
    scopes text[] not null check (cardinality(scopes) between 1 and 50),
    created_at timestamptz not null,
    expires_at timestamptz not null check (expires_at > created_at),
    -- To the minute: not every use is written down.
    last_used_at timestamptz,
    last_used_address inet,
    revoked_at timestamptz
);
create index api_tokens_user on quarterdeck.api_tokens (user_id, created_at desc);

-- Each use of a token asks the table; open event streams don't, and are told.
create function quarterdeck.api_tokens_announce() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform pg_notify('quarterdeck_identity', json_build_object('kind', 'api_token', 'id', new.id)::text);
    return null;
end
$$;
revoke all on function quarterdeck.api_tokens_announce() from public;

create trigger api_tokens_announce after update of revoked_at on quarterdeck.api_tokens
    for each row when (old.revoked_at is null and new.revoked_at is not null)
    execute function quarterdeck.api_tokens_announce();
