-- One action at a time changes the primary, whatever the consoles saw when they planned theirs.
create unique index actions_changing_primary on quarterdeck.actions ((true))
    where state = 'executing' and kind in ('switchover', 'failover');
