//! The scripted server behaves as the real one does where the engine depends on it.

mod sessions;

use bytes::BytesMut;
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use postgres_protocol::message::frontend;

use super::auth::Method;
use super::database::Database;
use super::{Backend, Mischief};
use crate::sim::message;

fn tags(bytes: &[u8]) -> String {
    message::split(bytes).0.iter().map(|m| char::from(m.tag)).collect()
}

fn send(db: &mut Database, backend: &mut Backend, write: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
    let mut out = BytesMut::new();
    write(&mut out);
    backend.receive(db, 0, &out);
    backend.take_output()
}

fn query(db: &mut Database, backend: &mut Backend, sql: &str) -> String {
    tags(&send(db, backend, |out| frontend::query(sql, out).unwrap()))
}

fn extended(out: &mut BytesMut, sql: &str) {
    frontend::parse("", sql, [], out).unwrap();
    message_bytes(out, b'B', &[0; 8]);
    message_bytes(out, b'E', &[0; 5]);
}

fn message_bytes(out: &mut BytesMut, tag: u8, body: &[u8]) {
    let mut bytes = Vec::new();
    message::put(&mut bytes, tag, |bytes| bytes.extend(body));
    out.extend_from_slice(&bytes);
}

fn greet(db: &mut Database) -> (Backend, Vec<u8>) {
    let mut backend = Backend::new(db.next_process(), [7; 16]);
    let parameters = [("user", "sim"), ("database", "sim")];
    let reply = send(db, &mut backend, |out| frontend::startup_message(parameters, out).unwrap());
    (backend, reply)
}

#[test]
fn trust_welcomes_everybody() {
    let mut db = Database::new();
    let (backend, reply) = greet(&mut db);
    assert_eq!(tags(&reply), "RSSSKZ");
    assert!(backend.is_idle());
    assert_eq!(db.connections, 1);
}

#[test]
fn passwords_are_checked() {
    for (method, right) in [(Method::Cleartext, "geheim"), (Method::Md5, "geheim")] {
        for password in [right, "falsch"] {
            let mut db = Database { auth: method, ..Database::new() };
            let (mut backend, reply) = greet(&mut db);
            let answer = if method == Method::Md5 {
                let salt = reply[9..13].try_into().unwrap();
                let (user, password) = (b"sim", password.as_bytes());
                postgres_protocol::authentication::md5_hash(user, password, salt)
            } else {
                password.to_owned()
            };
            let reply = send(&mut db, &mut backend, |out| {
                frontend::password_message(answer.as_bytes(), out).unwrap();
            });
            let expected = if password == right { "RSSSKZ" } else { "E" };
            assert_eq!(tags(&reply), expected, "{method:?}");
            assert_eq!(backend.ended(), password != right);
        }
    }
}

#[test]
fn scram_convinces_an_independent_client_and_is_convinced_only_by_the_password() {
    for password in ["geheim", "falsch"] {
        let mut db = Database { auth: Method::Scram(5), ..Database::new() };
        let (mut backend, _) = greet(&mut db);
        let mut client = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        let first = send(&mut db, &mut backend, |out| {
            frontend::sasl_initial_response("SCRAM-SHA-256", client.message(), out).unwrap();
        });
        client.update(&first[9..]).unwrap();
        let last = send(&mut db, &mut backend, |out| {
            frontend::sasl_response(client.message(), out).unwrap();
        });
        if password == "geheim" {
            let (messages, _) = message::split(&last);
            client.finish(&messages[0].body[4..]).unwrap();
            assert_eq!(tags(&last), "RRSSSKZ");
        } else {
            assert_eq!(tags(&last), "E");
        }
    }
}

#[test]
fn one_session_too_many_is_refused() {
    let mut db = Database { max_connections: 1, ..Database::new() };
    let (mut first, _) = greet(&mut db);
    let (_, reply) = greet(&mut db);
    assert_eq!(message::field(&reply[5..], b'C').as_deref(), Some("53300"));
    send(&mut db, &mut first, frontend::terminate);
    assert_eq!(db.connections, 0);
}

#[test]
fn transactions_commit_and_roll_back() {
    let mut db = Database::new();
    let mut backend = Backend::ready();
    assert_eq!(query(&mut db, &mut backend, "insert 1; insert 2"), "CCZ");
    assert_eq!(query(&mut db, &mut backend, "insert 3; fail 23505; insert 4"), "CEZ");
    assert_eq!(query(&mut db, &mut backend, "begin; insert 5"), "CCZ");
    assert_eq!(query(&mut db, &mut backend, "fail 40001"), "EZ");
    assert_eq!(query(&mut db, &mut backend, "insert 6"), "EZ");
    assert_eq!(query(&mut db, &mut backend, "rollback"), "CZ");
    assert_eq!(query(&mut db, &mut backend, "deferred 7"), "EZ");
    assert_eq!(query(&mut db, &mut backend, ";"), "IZ");
    assert_eq!(db.committed.keys().copied().collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn an_error_skips_to_sync_and_undoes_the_segment() {
    let mut db = Database::new();
    let mut backend = Backend::ready();
    let reply = send(&mut db, &mut backend, |out| {
        extended(out, "insert 1");
        extended(out, "fail 22012");
        extended(out, "insert 2");
        frontend::sync(out);
        extended(out, "insert 3");
        frontend::sync(out);
    });
    assert_eq!(tags(&reply), "12C12EZ12CZ");
    assert_eq!(db.committed.keys().copied().collect::<Vec<_>>(), [3]);
}

#[test]
fn copy_in_swallows_sync_and_needs_another() {
    let mut db = Database::new();
    let mut backend = Backend::ready();
    let reply = send(&mut db, &mut backend, |out| {
        extended(out, "copy t from stdin");
        frontend::sync(out);
    });
    assert_eq!(tags(&reply), "12G");
    let reply = send(&mut db, &mut backend, |out| frontend::copy_fail("no", out).unwrap());
    assert_eq!(tags(&reply), "E");
    assert_eq!(tags(&send(&mut db, &mut backend, frontend::sync)), "Z");
}

#[test]
fn state_outlives_a_transaction_until_it_is_discarded() {
    let mut db = Database::new();
    let mut backend = Backend::ready();
    query(&mut db, &mut backend, "set x c1v1");
    let reply = send(&mut db, &mut backend, |out| frontend::query("show x", out).unwrap());
    assert!(reply.windows(4).any(|w| w == b"c1v1"));
    assert_eq!(query(&mut db, &mut backend, "DISCARD ALL"), "CZ");
    let reply = send(&mut db, &mut backend, |out| frontend::query("show x", out).unwrap());
    assert!(!reply.windows(4).any(|w| w == b"c1v1"));
}

#[test]
fn a_slow_statement_can_be_cancelled() {
    let mut db = Database::new();
    let mut backend = Backend::ready();
    assert_eq!(query(&mut db, &mut backend, "slow 100 c1v1"), "T");
    assert_eq!(backend.busy_until(), Some(100));
    assert!(backend.cancelled(&mut db, 50));
    assert_eq!(tags(&backend.take_output()), "EZ");
    assert!(!backend.cancelled(&mut db, 60));
    assert_eq!(query(&mut db, &mut backend, "slow 100 c1v1"), "T");
    backend.wake(&mut db, 100);
    assert_eq!(tags(&backend.take_output()), "DCZ");
}

#[test]
fn mischief_is_visible() {
    for mischief in Mischief::ALL {
        let mut backend = Backend::ready();
        backend.misbehave(&mut Database::new(), mischief);
        assert!(!backend.take_output().is_empty(), "{mischief:?}");
    }
}
