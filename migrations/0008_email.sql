-- Messages by e-mail: where people read theirs, and to whom each message goes.

alter table quarterdeck.users add column email text check (
    char_length(email) <= 254 and email ~ '^[^@[:space:][:cntrl:]]+@[^@[:space:][:cntrl:]]+$'
);

-- One message a person, so that each is tried, taken and given up by itself. The address is the account's when it is sent.
alter table quarterdeck.outbox add column recipient uuid references quarterdeck.users (id);
alter table quarterdeck.outbox add check ((channel = 'email') = (recipient is not null));

-- What was done by other means than an action belongs to none.
alter table quarterdeck.outbox alter column action_id drop not null;
