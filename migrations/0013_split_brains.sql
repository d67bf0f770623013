-- Times at which several nodes of the watched database took writes at once: people are told of each once. One open at a time.
create table quarterdeck.split_brains (
    id uuid primary key,
    -- The nodes, by their names in the configuration.
    primaries text[] not null,
    began_at timestamptz not null,
    -- When that had been over for a while; null while it lasts.
    ended_at timestamptz
);
create unique index split_brains_open on quarterdeck.split_brains ((true)) where ended_at is null;
