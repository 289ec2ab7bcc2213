//! Judges one answer: is it what the script must be answered, and is what was told true?

use pierhead_wire::envelope::{Outcome, Retry, Status};

use super::caller::Caller;
use super::coverage::Coverage;
use super::expect::{Expected, sqlstate};
use super::message::{self, Message};
use super::server::database::Database;

/// A rule, and how it was broken.
pub(super) type Broken = (&'static str, String);

/// How an answer compares with the one to expect.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Match {
    /// The same.
    Whole,
    /// It breaks off.
    Part,
    /// It is another one, from this message on.
    Differs(usize),
}

/// The answer of client `number` has ended with `outcome`.
///
/// # Errors
/// The rule it breaks.
pub(super) fn judge(
    client: &Caller,
    number: u64,
    outcome: &Outcome,
    db: &Database,
) -> Result<(), Broken> {
    let own = "1 own bytes";
    if let Some(other) = foreign(&client.data, number) {
        return Err((own, format!("a value of client {other} in its answer")));
    }
    let text = format!("{}{}", outcome.message, outcome.hint);
    if text.contains("geheim") || text.contains("/*c") {
        return Err(("secrets", text));
    }
    let Some(expected) = &client.expected else {
        let right = outcome.status == Status::Refused && client.grants == 0;
        return if right { Ok(()) } else { Err(("refused", "it is not allowed".into())) };
    };
    fits(client, expected, outcome)?;
    effects(client, expected, outcome, db)
}

fn fits(client: &Caller, expected: &Expected, outcome: &Outcome) -> Result<(), Broken> {
    let matched = compare(&client.data, &expected.answer);
    if let Match::Differs(at) = matched {
        return Err(("1 own bytes", format!("message {at} is not the expected one")));
    }
    let whole = matched == Match::Whole;
    let fits = match outcome.status {
        Status::Completed => whole && expected.status == b'I' && expected.errors.is_empty(),
        Status::RolledBack => whole && expected.status != b'I',
        Status::Error => {
            let known = expected.errors.iter().any(|e| e == outcome.sqlstate.as_str());
            whole && expected.status == b'I' && known
        }
        Status::Refused => client.data.is_empty(),
        Status::OutcomeUnknown => true,
    };
    if fits {
        return Ok(());
    }
    Err(("1 well-formed", format!("the outcome does not fit its answer ({matched:?})")))
}

/// What is committed when the outcome is told, or at rest.
fn effects(
    client: &Caller,
    expected: &Expected,
    outcome: &Outcome,
    db: &Database,
) -> Result<(), Broken> {
    let told = matches!(outcome.status, Status::Completed | Status::RolledBack | Status::Error);
    for id in &client.script.inserts {
        let times = db.committed.get(id).copied().unwrap_or_default();
        let wanted = expected.committed.contains(id);
        let wrong = times > 1
            || (told && (times == 1) != wanted)
            || (outcome.status == Status::Refused && times > 0)
            || (outcome.retry == Retry::Safe && times > 0);
        if wrong {
            let detail = format!("insert {id} is committed {times} times (expected: {wanted})");
            return Err(("3 at most once", detail));
        }
    }
    Ok(())
}

/// The check of effects when nothing can change any more.
///
/// # Errors
/// The rule that is broken.
pub(super) fn judge_at_rest(client: &Caller, db: &Database) -> Result<(), Broken> {
    if let (Some(outcome), Some(expected)) = (&client.outcome, &client.expected) {
        return effects(client, expected, outcome, db);
    }
    let outcome = client.outcome.as_ref();
    let refused = client.expected.is_none() || outcome.is_some_and(|o| o.status == Status::Refused);
    let most = u32::from(!refused);
    let times = |id| db.committed.get(id).copied().unwrap_or_default();
    match client.script.inserts.iter().find(|id| times(*id) > most) {
        Some(id) => Err(("3 at most once", format!("insert {id}: {} times", times(id)))),
        None => Ok(()),
    }
}

/// Counts an outcome.
pub(super) fn cover(client: &Caller, outcome: &Outcome, coverage: &mut Coverage) {
    coverage.add(match outcome.status {
        Status::Completed => "outcome: completed",
        Status::RolledBack => "outcome: rolled back",
        Status::Refused => "outcome: refused",
        Status::OutcomeUnknown => "outcome: unknown",
        Status::Error => "outcome: error",
    });
    if matches!(outcome.status, Status::Refused | Status::OutcomeUnknown) {
        coverage.add(match outcome.sqlstate.as_str() {
            "08001" => "outcome: 08001",
            "08006" => "outcome: 08006",
            "08007" => "outcome: 08007",
            "08P01" => "outcome: 08P01",
            "0A000" => "outcome: 0A000",
            "28P01" => "outcome: 28P01",
            "53200" => "outcome: 53200",
            "53300" => "outcome: 53300",
            "53400" => "outcome: 53400",
            "57014" => "outcome: 57014",
            _ => "outcome: another code",
        });
    }
    if client.aborted {
        coverage.add("abort: answered");
    }
}

/// The first value in `data` that belongs to another client than `own`.
fn foreign(data: &[u8], own: u64) -> Option<u64> {
    let mut at = 0;
    while let Some(found) = data.get(at..)?.iter().position(|b| *b == b'c') {
        at += found + 1;
        let digits = data[at..].iter().take_while(|b| b.is_ascii_digit()).count();
        if digits > 0 && data.get(at + digits) == Some(&b'v') {
            let number = std::str::from_utf8(&data[at..at + digits]).ok()?.parse().ok()?;
            if number != own {
                return Some(number);
            }
        }
    }
    None
}

/// Compares messages; what a server says of its own accord does not count.
pub(super) fn compare(data: &[u8], expected: &[u8]) -> Match {
    let mut data = data;
    let mut expected = expected;
    let mut count = 0;
    while let Some(got) = message::take(&mut data) {
        if is_chatter(&got) {
            continue;
        }
        if is_fatal(&got) {
            return if data.is_empty() { Match::Part } else { Match::Differs(count) };
        }
        count += 1;
        match message::take(&mut expected) {
            Some(wanted) if equal(&got, &wanted) => {}
            _ => return Match::Differs(count),
        }
    }
    if expected.is_empty() && data.is_empty() {
        return Match::Whole;
    }
    // A piece of one more message, unless nothing more should have come.
    if expected.is_empty() && data.first().is_some_and(|tag| *tag != b'N' && *tag != b'E') {
        return Match::Differs(count + 1);
    }
    Match::Part
}

fn is_chatter(message: &Message<'_>) -> bool {
    message.tag == b'N' && message::field(message.body, b'M').as_deref() == Some("async")
}

fn is_fatal(message: &Message<'_>) -> bool {
    message.tag == b'E' && message::field(message.body, b'S').as_deref() == Some("FATAL")
}

fn equal(got: &Message<'_>, wanted: &Message<'_>) -> bool {
    // The texts of errors may differ, as the reasons given for ending a COPY do.
    (got.tag == b'E' && wanted.tag == b'E' && sqlstate(got) == sqlstate(wanted)) || got == wanted
}
