//! The corpus: some two hundred statements (`tests/drivers/statements.sql`), each sent in every way
//! that a client has, and answered through the pool, message by message, as it is directly. What
//! differs is marked in the file, with the reason; a mark that is not needed fails as well.

mod paths;
mod show;
pub(crate) mod statements;

use std::collections::BTreeMap;

use crate::corpus::paths::{Form, Path};
use crate::corpus::statements::{Statement, statements};
use crate::stage::live;
use crate::target::{Mode, Place, Target, Way};

/// What came back for each statement, in the order of the file.
type Answers = Vec<String>;

async fn answers(target: Target, mode: Mode, path: Path, form: Form) -> Answers {
    let place = Place::of(target, mode, 4, paths::ROLE).await;
    paths::answers(&place, path, form, &statements()).await
}

/// Says what differs and is not marked, and what is marked and does not differ.
fn wrong(path: &str, form: Form, directly: &Answers, heard: &Answers) -> Vec<String> {
    let mut wrong = Vec::new();
    for ((statement, directly), heard) in statements().iter().zip(directly).zip(heard) {
        let marked = statement.differs(path, form);
        let place = format!("{path}, {form:?}, line {}: {}", statement.line, statement.sql);
        match (directly == heard, marked) {
            (true, None) | (false, Some(_)) => {}
            (false, None) => {
                wrong.push(format!("{place}\n  directly {directly}\n  pooled   {heard}"));
            }
            (true, Some(_)) => wrong.push(format!("{place}\n  is marked and does not differ")),
        }
    }
    wrong
}

/// Runs the corpus through one path in both forms.
fn is_alike(path: &str, target: Target, mode: Mode, via: Path) {
    live(async {
        let mut all = Vec::new();
        for form in [Form::Text, Form::Binary] {
            let directly = answers(Target::Direct, mode, Path::Socket, form).await;
            let heard = answers(target, mode, via, form).await;
            all.extend(wrong(path, form, &directly, &heard));
        }
        assert!(all.is_empty(), "{} differences:\n{}", all.len(), all.join("\n"));
    });
}

#[test]
fn statements_over_a_socket_in_transaction_mode() {
    is_alike("transaction", Target::Native, Mode::Transaction, Path::Socket);
}

#[test]
fn statements_over_a_socket_in_session_mode() {
    is_alike("session", Target::Native, Mode::Session, Path::Socket);
}

#[test]
fn statements_through_workerd_in_transaction_mode() {
    is_alike("transaction", Target::Workerd(Way::Tcp), Mode::Transaction, Path::Socket);
}

#[test]
fn statements_through_workerd_in_session_mode() {
    is_alike("session", Target::Workerd(Way::Tcp), Mode::Session, Path::Socket);
}

#[test]
fn statements_through_workerd_and_an_agent() {
    is_alike("transaction", Target::Workerd(Way::Agent), Mode::Transaction, Path::Socket);
}

#[test]
fn statements_through_workerd_and_cloudflared() {
    is_alike("transaction", Target::Workerd(Way::Cloudflared), Mode::Transaction, Path::Socket);
}

#[test]
fn statements_in_exchanges() {
    is_alike("exchange", Target::Native, Mode::Transaction, Path::Exchange);
}

/// The calls that Workers make.
#[test]
fn statements_in_exchanges_with_the_object() {
    is_alike("exchange", Target::Workerd(Way::Tcp), Mode::Transaction, Path::Exchange);
}

#[test]
fn statements_in_exchanges_through_an_agent() {
    is_alike("exchange", Target::Workerd(Way::Agent), Mode::Transaction, Path::Exchange);
}

#[test]
fn statements_in_exchanges_through_cloudflared() {
    is_alike("exchange", Target::Workerd(Way::Cloudflared), Mode::Transaction, Path::Exchange);
}

/// All kinds of statements are there, and most succeed: a corpus of errors compares nothing.
#[test]
fn the_corpus_is_wide() {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let all = statements();
    for Statement { sql, .. } in &all {
        let word = sql.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        *kinds.entry(word.to_lowercase()).or_default() += 1;
    }
    assert!(all.len() >= 200, "{} statements", all.len());
    for wanted in [
        "select",
        "values",
        "table",
        "with",
        "insert",
        "update",
        "delete",
        "merge",
        "copy",
        "create",
        "alter",
        "drop",
        "truncate",
        "comment",
        "grant",
        "revoke",
        "begin",
        "commit",
        "rollback",
        "savepoint",
        "release",
        "prepare",
        "execute",
        "deallocate",
        "declare",
        "fetch",
        "move",
        "close",
        "set",
        "reset",
        "show",
        "discard",
        "listen",
        "notify",
        "unlisten",
        "lock",
        "explain",
        "analyze",
        "vacuum",
        "reindex",
        "cluster",
        "checkpoint",
        "do",
        "call",
        "refresh",
        "reassign",
        "start",
        "end",
        "abort",
        "load",
        "security",
        "import",
    ] {
        assert!(kinds.contains_key(wanted), "no {wanted} in the corpus: {kinds:?}");
    }
    live(async {
        let answers = answers(Target::Direct, Mode::Session, Path::Socket, Form::Text).await;
        let failed = answers.iter().filter(|answer| answer.contains("ERROR")).count();
        assert!(failed * 3 < answers.len(), "{failed} of {} statements fail", answers.len());
    });
}
