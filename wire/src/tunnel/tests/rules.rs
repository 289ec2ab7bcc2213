//! The specification's tables are those of the code.

use super::super::{
    DrainReason, GoAwayReason, GoneReason, Kind, LinkState, Mode, RefusedReason, ResetReason,
    Sender,
};
use super::specification;

/// The cells of the specification's table rows that begin with this cell.
fn rows(text: &str, first: &str) -> Vec<Vec<String>> {
    let row = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    text.lines()
        .filter(|line| line.starts_with('|'))
        .map(row)
        .filter(|cells| cells.first().is_some_and(|cell| cell == first))
        .collect()
}

fn cell(kind: Kind, state: LinkState) -> String {
    let agent = kind.allowed(Sender::Agent, state);
    let coordinator = kind.allowed(Sender::Coordinator, state);
    match (agent, coordinator) {
        (true, true) => "A C",
        (true, false) => "A",
        (false, true) => "C",
        (false, false) => "",
    }
    .to_owned()
}

#[test]
fn the_table_of_senders_and_states_is_the_code() {
    let text = specification();
    let section = text.split("### 2.10 ").nth(1).unwrap();
    for kind in Kind::ALL {
        let mut expected = vec![format!("{kind}"), format!("`0x{:02x}`", kind.code())];
        expected.extend(LinkState::ALL.map(|state| cell(*kind, state)));
        assert_eq!(rows(section, kind.name()), vec![expected], "{kind}");
    }
}

#[test]
fn the_tables_of_reasons_have_every_code() {
    let text = specification();
    let section = text.split("### 2.6 ").nth(1).unwrap().split("### 2.7").next().unwrap();
    let codes = |name: &str| -> Vec<u8> {
        let row = rows(section, name).pop().unwrap();
        let parts = row[1].split(" · ");
        parts.map(|part| part.split(' ').next().unwrap().parse().unwrap()).collect()
    };
    assert_eq!(codes("refused"), RefusedReason::NAMED.iter().map(|r| r.code()).collect::<Vec<_>>());
    assert_eq!(codes("reset"), ResetReason::NAMED.iter().map(|r| r.code()).collect::<Vec<_>>());
    assert_eq!(codes("gone"), GoneReason::NAMED.iter().map(|r| r.code()).collect::<Vec<_>>());
    assert_eq!(codes("drain"), DrainReason::NAMED.iter().map(|r| r.code()).collect::<Vec<_>>());
    assert_eq!(codes("go-away"), GoAwayReason::NAMED.iter().map(|r| r.code()).collect::<Vec<_>>());
    assert_eq!(codes("mode"), Mode::NAMED.iter().map(|r| r.code()).collect::<Vec<_>>());
}
