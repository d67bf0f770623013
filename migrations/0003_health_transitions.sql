-- Every change of a metric's band, so that "since when" and the history survive a restart. Written once, never changed.
create table quarterdeck.health_transitions (
    id bigint generated always as identity primary key,
    metric_id text not null,
    from_band text not null,
    to_band text not null,
    -- The reading that made the change, in the metric's own unit; none when there was no reading.
    value double precision,
    -- The worst member of a vector, such as a pod's name.
    subject text,
    reason text not null,
    at timestamptz not null,
    -- When the reading was first out of the old band; `at` is later by the debounce.
    observed_since timestamptz not null
);
create index health_transitions_metric on quarterdeck.health_transitions (metric_id, at desc);
