//! What sessions have in common, and what a world can make of them.

use super::{query, tags};
use crate::sim::message::{self, client};
use crate::sim::server::database::Database;
use crate::sim::server::{Backend, Trip};

fn enter(db: &mut Database, parameters: &[(&str, &str)]) -> (Backend, Vec<u8>) {
    let process = db.next_process();
    let mut backend = Backend::new(process, [7; 16]);
    let mut bytes = Vec::new();
    client::startup(&mut bytes, &[&[("user", "sim")], parameters].concat());
    backend.receive(db, 0, &bytes);
    let greeting = backend.take_output();
    (backend, greeting)
}

fn extended(out: &mut Vec<u8>, sql: &str) {
    client::parse(out, "", sql, &[]);
    client::bind(out, "", "", &[]);
    client::execute(out, "", 0);
}

#[test]
fn a_notification_reaches_the_other_session_when_it_is_idle() {
    let mut db = Database::new();
    let (mut one, _) = enter(&mut db, &[]);
    let (mut other, _) = enter(&mut db, &[]);
    assert_eq!(query(&mut db, &mut other, "listen c"), "CZ");
    assert_eq!(query(&mut db, &mut other, "begin"), "CZ");
    assert_eq!(query(&mut db, &mut one, "notify c, 'p'"), "CZ");
    assert!(db.mail.contains_key(&other.process));
    other.deliver(&mut db);
    assert_eq!(tags(&other.take_output()), "");
    assert_eq!(query(&mut db, &mut other, "commit"), "CAZ");
    query(&mut db, &mut one, "notify c");
    other.deliver(&mut db);
    assert_eq!(tags(&other.take_output()), "A");
}

#[test]
fn what_was_notified_in_a_transaction_that_ends_the_listening_is_not_told() {
    let mut db = Database::new();
    let (mut one, _) = enter(&mut db, &[]);
    let (mut other, _) = enter(&mut db, &[]);
    query(&mut db, &mut other, "listen c; listen d");
    query(&mut db, &mut other, "begin");
    query(&mut db, &mut one, "notify c; notify d");
    query(&mut db, &mut other, "unlisten c");
    assert_eq!(query(&mut db, &mut other, "commit"), "CAZ", "d is still listened to");
    assert_eq!(db.notified.get("c"), None);
    query(&mut db, &mut other, "begin");
    query(&mut db, &mut one, "notify d");
    query(&mut db, &mut other, "unlisten d; listen d");
    assert_eq!(query(&mut db, &mut other, "commit"), "CAZ");
    query(&mut db, &mut other, "begin");
    query(&mut db, &mut one, "notify d");
    query(&mut db, &mut other, "unlisten *");
    assert_eq!(query(&mut db, &mut other, "rollback"), "CAZ", "it never stopped listening");
}

#[test]
fn a_session_that_ends_listens_no_more_and_holds_no_lock() {
    let mut db = Database::new();
    let (mut one, _) = enter(&mut db, &[]);
    let (mut other, _) = enter(&mut db, &[]);
    query(&mut db, &mut other, "listen c; select pg_advisory_lock(5)");
    assert_eq!(query(&mut db, &mut one, "select pg_advisory_lock(5)"), "TEZ");
    other.crash(&mut db);
    assert_eq!(query(&mut db, &mut one, "select pg_advisory_lock(5)"), "TDCZ");
    query(&mut db, &mut one, "notify c");
    assert!(db.mail.is_empty());
}

#[test]
fn a_plan_goes_stale_when_another_session_alters_its_table() {
    let mut db = Database::new();
    let (mut one, _) = enter(&mut db, &[]);
    let (mut other, _) = enter(&mut db, &[]);
    let mut bytes = Vec::new();
    client::parse(&mut bytes, "s", "star v", &[]);
    client::sync(&mut bytes);
    one.receive(&mut db, 0, &bytes);
    one.take_output();
    query(&mut db, &mut other, "alter");
    let mut bytes = Vec::new();
    client::bind(&mut bytes, "", "s", &[]);
    client::sync(&mut bytes);
    one.receive(&mut db, 0, &bytes);
    let reply = one.take_output();
    let (messages, _) = message::split(&reply);
    assert_eq!(message::field(messages[0].body, b'R').as_deref(), Some("RevalidateCachedQuery"));
}

#[test]
fn start_up_chooses_what_reset_goes_back_to() {
    let mut db = Database { greets_fully: true, ..Database::new() };
    let options = [("application_name", "app"), ("options", "-c app.a=b -c statement_timeout=5s")];
    let (mut backend, greeting) = enter(&mut db, &options);
    assert_eq!(tags(&greeting), "RSSSSSSSSSSSSSKZ");
    assert!(greeting.windows(20).any(|w| w == b"application_name\0app"));
    query(&mut db, &mut backend, "set app.a = 'c'; reset all");
    let mut bytes = Vec::new();
    client::query(&mut bytes, "show app.a; show statement_timeout");
    backend.receive(&mut db, 0, &bytes);
    let reply = backend.take_output();
    let (messages, _) = message::split(&reply);
    let rows = messages.iter().filter(|m| m.tag == b'D').map(|m| &m.body[6..]);
    assert_eq!(rows.collect::<Vec<_>>(), [b"b".as_slice(), b"5s"]);
}

#[test]
fn start_up_refuses_settings_that_cannot_be() {
    let mut db = Database::new();
    let (backend, greeting) = enter(&mut db, &[("options", "-c nosuch=1")]);
    assert_eq!(message::field(&greeting[5..], b'C').as_deref(), Some("42704"));
    assert!(backend.ended());
    assert_eq!(db.connections, 0);
}

#[test]
fn a_later_minor_version_is_negotiated_and_kerberos_declined() {
    let mut db = Database::new();
    let mut backend = Backend::new(1, [7; 16]);
    backend.receive(&mut db, 0, &[0, 0, 0, 8, 4, 210, 22, 48]);
    assert_eq!(backend.take_output(), b"N");
    let mut bytes = Vec::new();
    client::startup(&mut bytes, &[("user", "sim")]);
    bytes[7] = 2;
    backend.receive(&mut db, 0, &bytes);
    assert_eq!(tags(&backend.take_output()), "vRSSSKZ");
}

#[test]
fn replies_wait_for_flush_if_the_world_wants_it() {
    let mut db = Database { holds_replies: true, ..Database::new() };
    let mut backend = Backend::ready();
    let mut bytes = Vec::new();
    extended(&mut bytes, "echo v");
    backend.receive(&mut db, 0, &bytes);
    assert_eq!(backend.take_output(), b"");
    let mut bytes = Vec::new();
    client::flush(&mut bytes);
    backend.receive(&mut db, 0, &bytes);
    assert_eq!(tags(&backend.take_output()), "12DC");
    let mut bytes = Vec::new();
    extended(&mut bytes, "rows 20 1000 v");
    backend.receive(&mut db, 0, &bytes);
    assert_eq!(backend.take_output().len(), 2 * 8192);
}

#[test]
fn any_message_can_fail_or_end_the_session() {
    let mut bytes = Vec::new();
    extended(&mut bytes, "insert 1");
    client::sync(&mut bytes);
    for (messages, fatal, wanted) in [
        (0, false, "EZ"),
        (1, false, "1EZ"),
        (2, false, "12EZ"),
        (3, false, "12CEZ"),
        (0, true, "E"),
        (3, true, "12CE"),
    ] {
        let mut db = Database::new();
        let mut backend = Backend::ready();
        backend.trip(Trip { messages, fatal });
        backend.receive(&mut db, 0, &bytes);
        assert_eq!(tags(&backend.take_output()), wanted);
        assert_eq!(backend.ended(), fatal);
        assert!(db.committed.is_empty());
    }
}

#[test]
fn bytes_may_come_one_by_one() {
    let mut db = Database::new();
    let mut backend = Backend::ready();
    let mut bytes = Vec::new();
    extended(&mut bytes, "insert 1");
    client::sync(&mut bytes);
    client::query(&mut bytes, "copy t from stdin");
    client::data(&mut bytes, b"a\n");
    client::copy_done(&mut bytes);
    client::call(&mut bytes, 3062, &["abc"]);
    for byte in bytes {
        backend.receive(&mut db, 0, &[byte]);
    }
    assert_eq!(tags(&backend.take_output()), "12CZGCZVZ");
}

#[test]
fn a_cancel_with_the_key_of_the_greeting_names_the_session() {
    let mut db = Database::new();
    let (one, greeting) = enter(&mut db, &[]);
    let (messages, _) = message::split(&greeting);
    let key = messages.iter().find(|message| message.tag == b'K').unwrap().body;
    let number = |at: usize| i32::from_be_bytes(key[at..at + 4].try_into().unwrap());
    let mut request = Vec::new();
    client::cancel(&mut request, number(0), number(4));
    let mut canceller = Backend::new(db.next_process(), [8; 16]);
    canceller.receive(&mut db, 0, &request);
    assert_eq!(canceller.cancel, Some((one.process, one.secret)));
    assert!(canceller.ended());
}
