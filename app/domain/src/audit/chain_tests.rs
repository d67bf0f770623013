use super::*;
use crate::audit::{Action, Actor, Detail, Object, Outcome};
use proptest::prelude::*;
use time::macros::datetime;

fn chain(length: u64) -> Vec<ChainRow> {
    let mut previous = Sha256Hash::genesis();
    (1..=length)
        .map(|seq| {
            let event = Event {
                id: Uuid::from_u128(u128::from(seq)),
                recorded_at: datetime!(2026-11-24 22:00 UTC),
                actor: Actor::System,
                action: Action::SessionOpened,
                object: Object::new("session", seq),
                outcome: Outcome::Succeeded,
                detail: Detail::none(),
                source: None,
                trace_id: None,
            };
            let canonical = event.canonical().unwrap();
            let hash = Sha256Hash::of_row(previous, seq, &canonical);
            let row = ChainRow {
                seq,
                canonical,
                prev_hash: previous,
                hash,
                columns: Some(Columns::of(&event)),
            };
            previous = hash;
            row
        })
        .collect()
}

fn head(rows: &[ChainRow]) -> Head {
    rows.last().map_or(Head::genesis(), |row| Head {
        seq: row.seq,
        hash: row.hash,
    })
}

/// Makes rows `from` and later consistent again after a change, as a forger with full rights would.
fn rechain(rows: &mut [ChainRow], from: usize) {
    for index in from..rows.len() {
        rows[index].prev_hash = if index == 0 {
            Sha256Hash::genesis()
        } else {
            rows[index - 1].hash
        };
        rows[index].hash = Sha256Hash::of_row(rows[index].prev_hash, rows[index].seq, &rows[index].canonical);
    }
}

#[test]
fn known_hashes() {
    // Computed with `printf 'quarterdeck audit chain v1' | sha256sum`: fixed for as long as there are logs.
    assert_eq!(Sha256Hash::genesis().to_string(), GENESIS_HEX);
}

const GENESIS_HEX: &str = "1648466ea807b3d4cc603c1e651c82cdc64860d98d68f445f9d68841abe1b54b";

#[test]
fn an_untouched_chain_verifies() {
    for length in [0, 1, 2, 50] {
        let rows = chain(length);
        assert_eq!(verify(&rows, []), Ok(head(&rows)));
    }
}

#[test]
fn a_search_column_that_lies_is_named() {
    let mut rows = chain(5);
    rows[3].columns.as_mut().unwrap().outcome = "failed".into();
    assert_eq!(
        verify(&rows, []),
        Err(BadRow {
            seq: 4,
            fault: Fault::Column("outcome")
        })
    );
}

#[test]
fn a_cut_off_end_shows_only_against_a_head_kept_elsewhere() {
    let rows = chain(5);
    let kept = head(&rows);
    assert_eq!(verify(&rows[..3], []), Ok(head(&rows[..3])));
    assert_eq!(
        verify(&rows[..3], [kept]),
        Err(BadRow {
            seq: 4,
            fault: Fault::CutOff { known: 5 }
        })
    );
    assert_eq!(
        verify(&chain(9), [kept]),
        Ok(head(&chain(9))),
        "a log that went on is fine"
    );
}

#[test]
fn a_rewritten_history_shows_against_a_head_kept_elsewhere() {
    let mut rows = chain(5);
    let kept = head(&rows);
    rows[1].canonical = rows[1].canonical.replace("\"succeeded\"", "\"refused\"");
    rows[1].columns = None;
    rechain(&mut rows, 1);
    assert!(verify(&rows, []).is_ok(), "the forger did everything right");
    assert_eq!(
        verify(&rows, [kept]),
        Err(BadRow {
            seq: 5,
            fault: Fault::OtherHistory
        })
    );
}

#[test]
fn a_text_the_console_never_writes_is_found_even_if_hashed_rightly() {
    let mut rows = chain(3);
    rows[2].canonical = rows[2].canonical.replace("\"v\":1", "\"v\": 1");
    rechain(&mut rows, 2);
    let bad = verify(&rows, []).unwrap_err();
    assert!(
        matches!(
            bad,
            BadRow {
                seq: 3,
                fault: Fault::Text(_)
            }
        ),
        "{bad}"
    );
}

#[test]
fn heads_and_hashes_read_back() {
    let kept = head(&chain(3));
    assert_eq!(kept.to_string().parse(), Ok(kept));
    for wrong in ["", "3", "x:00", "3:+1", "3:zz", &format!("3:{}", "é".repeat(32))] {
        assert!(wrong.parse::<Head>().is_err(), "{wrong:?}");
    }
}

#[derive(Debug, Clone)]
enum Tampering {
    Text { at: usize, byte: usize },
    Remove { at: usize },
    Swap { at: usize },
    Hash { at: usize, bit: usize },
    PreviousHash { at: usize, bit: usize },
    Number { at: usize, to: u64 },
}

fn tampering() -> impl Strategy<Value = Tampering> {
    prop_oneof![
        (0..10_usize, 0..400_usize).prop_map(|(at, byte)| Tampering::Text { at, byte }),
        (0..9_usize).prop_map(|at| Tampering::Remove { at }),
        (0..9_usize).prop_map(|at| Tampering::Swap { at }),
        (0..10_usize, 0..256_usize).prop_map(|(at, bit)| Tampering::Hash { at, bit }),
        (0..10_usize, 0..256_usize).prop_map(|(at, bit)| Tampering::PreviousHash { at, bit }),
        (0..10_usize, 11..1000_u64).prop_map(|(at, to)| Tampering::Number { at, to }),
    ]
}

fn flip(hash: &mut Sha256Hash, bit: usize) {
    hash.0[bit / 8] ^= 1 << (bit % 8);
}

proptest! {
    #[test]
    fn any_single_change_is_found_at_its_row(change in tampering()) {
        let mut rows = chain(10);
        let first_bad = match change {
            Tampering::Text { at, byte } => {
                let mut bytes = std::mem::take(&mut rows[at].canonical).into_bytes();
                let index = byte % bytes.len();
                bytes[index] = if bytes[index] == b'a' { b'b' } else { b'a' };
                rows[at].canonical = String::from_utf8(bytes).unwrap();
                at
            }
            Tampering::Remove { at } => { rows.remove(at); at }
            Tampering::Swap { at } => { rows.swap(at, at + 1); at }
            Tampering::Hash { at, bit } => { flip(&mut rows[at].hash, bit); at }
            Tampering::PreviousHash { at, bit } => { flip(&mut rows[at].prev_hash, bit); at }
            Tampering::Number { at, to } => { rows[at].seq = to; at }
        };
        prop_assert_eq!(verify(&rows, []).unwrap_err().seq, first_bad as u64 + 1);
    }
}
