use super::*;
use proptest::prelude::*;
use time::macros::datetime;

fn read(query: &str) -> Search {
    Search::from_query(query).unwrap()
}

#[test]
fn a_form_that_nobody_filled_in_looks_for_everything() {
    let form = "actor=&actor_kind=&action=&object_kind=&object_id=+&outcome=&from=&to=&csrf=x";
    assert_eq!(read(form), Search::default());
    assert!(read(form).filter.is_empty());
    assert_eq!(read(form).to_query(), "");
}

#[test]
fn each_part_is_read() {
    let search = read(
        "actor=ada&actor_kind=user&action=session.*&object_kind=session&object_id=a%26b&outcome=refused\
         &from=2026-11-24T22:00&to=2026-11-25T00:30:00%2B01:00&before=17&limit=5",
    );
    let filter = Filter {
        actor: Some("ada".into()),
        actor_kind: Some(ActorKind::User),
        actions: Some(Actions::Family("session")),
        object_kind: Some("session".into()),
        object_id: Some("a&b".into()),
        outcome: Some(Outcome::Refused),
        from: Some(datetime!(2026-11-24 22:00 UTC)),
        to: Some(datetime!(2026-11-24 23:30 UTC)),
    };
    assert_eq!((search.position, search.limit), (Position::Before(17), 5));
    assert_eq!(search.filter, filter);
    assert_eq!(
        search.at(Position::After(3)).to_query().split('&').rev().nth(1),
        Some("after=3")
    );
}

#[test]
fn nonsense_is_refused_with_what_to_do() {
    for (query, said) in [
        ("actor_kind=robot", "command_line"),
        ("action=session", "session.*"),
        ("action=nothing.*", "session.*"),
        ("outcome=great", "succeeded, refused and failed"),
        ("from=yesterday", "2026-11-24T22:00"),
        ("before=-1", "number of a row"),
        ("after=9223372036854775808", "number of a row"),
        ("limit=501", "1 to 500"),
        ("before=1&after=2", "one of them"),
        ("from=2026-11-25T00:00&to=2026-11-24T00:00", "exchange"),
    ] {
        let error = Search::from_query(query).unwrap_err().to_string();
        assert!(error.contains(said), "{query}: {error}");
    }
    let long = format!("object_id={}", "x".repeat(LONGEST + 1));
    assert!(Search::from_query(&long).is_err());
}

#[test]
fn every_family_has_its_members_and_every_action_one_family() {
    let mut members: Vec<Action> = Actions::families()
        .into_iter()
        .flat_map(|family| Actions::Family(family).members())
        .collect();
    assert!(members.len() > Actions::families().len());
    let mut all = Action::ALL.to_vec();
    members.sort_by_key(|action| action.as_str());
    all.sort_by_key(|action| action.as_str());
    assert_eq!(members, all);
}

fn any_filter() -> impl Strategy<Value = Filter> {
    // Spaces around a text are the form's, not the person's.
    let text = || prop::option::of("[^\u{0}\\s]{1,12}( [^\u{0}\\s]{1,5})?");
    let seconds = || prop::option::of((0_i64..4_000_000_000, 0_i64..1_000_000));
    let families = Actions::families();
    let actions = prop_oneof![
        prop::sample::select(Action::ALL).prop_map(Actions::One),
        prop::sample::select(families).prop_map(Actions::Family),
    ];
    (
        (text(), text(), text(), prop::option::of(actions)),
        prop::option::of(prop::sample::select(&ActorKind::ALL[..])),
        prop::option::of(prop::sample::select(&Outcome::ALL[..])),
        (seconds(), seconds()),
    )
        .prop_map(
            |((actor, object_kind, object_id, actions), actor_kind, outcome, (from, to))| {
                let instant = |(s, micros): (i64, i64)| {
                    OffsetDateTime::from_unix_timestamp(s).unwrap() + time::Duration::microseconds(micros)
                };
                let (mut from, mut to) = (from.map(instant), to.map(instant));
                if from.is_some() && to.is_some() && to < from {
                    std::mem::swap(&mut from, &mut to);
                }
                Filter {
                    actor,
                    actor_kind,
                    actions,
                    object_kind,
                    object_id,
                    outcome,
                    from,
                    to,
                }
            },
        )
}

proptest! {
    #[test]
    fn a_search_reads_back_from_its_address(
        filter in any_filter(),
        position in prop_oneof![
            Just(Position::Newest),
            (0_u64..=i64::MAX as u64).prop_map(Position::Before),
            (0_u64..=i64::MAX as u64).prop_map(Position::After),
        ],
        limit in 1..=LARGEST_PAGE,
    ) {
        let search = Search { filter, position, limit };
        prop_assert_eq!(read(&search.to_query()), search);
    }
}
