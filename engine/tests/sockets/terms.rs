//! On whose terms a client is served: of the shell, of the terms packet, of its own, of the
//! configuration.

use pierhead_engine::{Input, Mode, Terms};
use pierhead_wire::pg::startup::TermsPacket;

use crate::story::{Story, contains, kinds};

/// A session mode shows in a session that stays with its client.
fn pinned(story: &Story) -> usize {
    story.status().pinned
}

/// A client on these terms, which starts with these parameters.
fn starts_on(
    story: &mut Story,
    terms: TermsPacket<'_>,
    parameters: &[(&str, &str)],
) -> pierhead_engine::ids::ClientId {
    let client = story.opens(None);
    story.tells(client, &terms.encode());
    story.starts_as(client, parameters);
    client
}

#[test]
fn a_client_chooses_its_mode_where_nobody_has() {
    let mut story = Story::with(|s| s.pool_size = 4);
    let plain = story.starts_with(None, &[]);
    story.logs_in();
    assert_eq!((kinds(&story.hears(plain)).as_str(), pinned(&story)), ("RSSKZ", 0));
    story.starts_with(None, &[("pierhead.mode", "session")]);
    assert_eq!(pinned(&story), 1);
    story.starts_with(None, &[("options", "-c pierhead.mode=session -c work_mem=1MB")]);
    assert_eq!(pinned(&story), 2);
    story.starts_with(None, &[("pierhead.mode", "transaction")]);
    assert_eq!(pinned(&story), 2);
}

#[test]
fn the_configuration_says_what_nobody_says() {
    let mut story = Story::with(|s| {
        s.mode = Mode::Session;
        s.pool_size = 4;
    });
    story.starts_with(None, &[]);
    story.logs_in();
    assert_eq!(pinned(&story), 1);
    story.starts_with(None, &[("PierHead.Mode", "transaction")]);
    let terms = TermsPacket { mode: Some(Mode::Transaction), ..TermsPacket::default() };
    starts_on(&mut story, terms, &[]);
    assert_eq!(pinned(&story), 1);
}

#[test]
fn a_mode_that_was_fixed_can_be_named_but_not_changed() {
    let mut story = Story::with(|s| s.pool_size = 4);
    let terms = TermsPacket { mode: Some(Mode::Session), ..TermsPacket::default() };
    starts_on(&mut story, terms, &[("pierhead.mode", "session")]);
    story.logs_in();
    assert_eq!(pinned(&story), 1);
    let other = starts_on(&mut story, terms, &[("pierhead.mode", "transaction")]);
    let heard = story.hears(other);
    assert!(contains(&heard, "C22023") && contains(&heard, "pierhead.mode is session"));
    assert_eq!(story.closed, [other]);
    let port = story.starts_with(Mode::Transaction, &[("pierhead.mode", "session")]);
    assert!(contains(&story.hears(port), "C22023"));
}

#[test]
fn parameters_of_ours_that_are_wrong_are_refused_by_name() {
    let mut story = Story::with(|_| {});
    for (name, value, code, says) in [
        ("pierhead.mode", "Session", "C22023", "it is transaction or session"),
        ("pierhead.mode", "", "C22023", "it is transaction or session"),
        ("pierhead.role", "reader", "C42704", "pierhead.role"),
        ("options", "-c pierhead.class=a", "C42704", "pierhead.class"),
    ] {
        let client = story.starts_with(None, &[(name, value)]);
        let heard = story.hears(client);
        assert!(contains(&heard, code) && contains(&heard, says), "{name}={value}");
    }
    assert_eq!(story.opened.len(), 0);
}

#[test]
fn the_terms_packet_names_a_client_to_whom_the_shell_gave_no_name() {
    let mut story = Story::with(|s| s.pool_size = 4);
    let terms = TermsPacket { caller: Some("checkout"), mode: None };
    let client = starts_on(&mut story, terms, &[]);
    let stream = story.logs_in();
    story.queries(client, "select 1");
    story.completes(stream, "SELECT 1", 'I');
    assert_eq!(leases(&story, "checkout"), 1);

    let shell = Terms { class: "port".into(), mode: None };
    let named = story.next_client();
    story.happens(Input::SocketOpened { client: named, terms: shell });
    story.tells(named, &terms.encode());
    story.starts_as(named, &[]);
    story.queries(named, "select 1");
    story.completes(stream, "SELECT 1", 'I');
    assert_eq!((leases(&story, "checkout"), leases(&story, "port")), (1, 1));
}

fn leases(story: &Story, class: &str) -> u64 {
    let found = story.engine.class_accounts().find(|account| account.name == class);
    found.map_or(0, |account| account.times.lease.count())
}

#[test]
fn terms_are_believed_as_the_first_packet_only() {
    let mut story = Story::with(|_| {});
    let terms = TermsPacket { caller: Some("admin"), mode: None }.encode();
    for first in [&b"\0\0\0\x08\x04\xd2\x16\x2f"[..], &terms] {
        let client = story.opens(None);
        story.tells(client, first);
        story.tells(client, &terms);
        let heard = story.hears(client);
        assert!(contains(&heard, "C08P01") && contains(&heard, "not the first packet"));
        assert_eq!(story.closed.last(), Some(&client));
    }
    assert_eq!(story.status().sockets, 0);
}

#[test]
fn a_packet_that_comes_in_pieces_is_one_packet() {
    let mut story = Story::with(|_| {});
    let terms = TermsPacket { caller: Some("a"), mode: Some(Mode::Session) }.encode();
    let client = story.opens(None);
    for byte in &terms {
        story.tells(client, &[*byte]);
    }
    story.starts_as(client, &[]);
    story.logs_in();
    assert_eq!(pinned(&story), 1);
}

#[test]
fn a_cancel_may_follow_the_terms() {
    let mut story = Story::with(|_| {});
    let client = story.opens(None);
    story.tells(client, &TermsPacket::default().encode());
    story.tells(client, b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x07\0\0\0\x09");
    assert_eq!(story.closed, [client]);
    assert_eq!(story.status().counters.cancel_requests, 1);
}

#[test]
fn what_leads_elsewhere_is_refused_before_anything_is_asked_of_the_database() {
    let mut story = Story::with(|_| {});
    for (parameters, code, says) in [
        (&[("user", "")][..], "C28000", "no PostgreSQL user name"),
        (&[("user", "app"), ("user", "root")], "C08P01", "\"user\" is given twice"),
        (&[("database", "shop"), ("database", "x")], "C08P01", "\"database\" is given twice"),
        (&[("host", "evil.example")], "C08P01", "\"host\" is no setting"),
        (&[("hostaddr", "10.0.0.1")], "C08P01", "\"hostaddr\" is no setting"),
        (&[("dbname", "other")], "C08P01", "\"dbname\" is no setting"),
        (&[("options", "-c session_authorization=root")], "C08P01", "session_authorization"),
        (&[("options", "-c user=root")], "C08P01", "\"user\" is no setting"),
        (&[("database", "shop host=evil")], "C3D000", "shop host=evil"),
        (&[("database", "shop/../x")], "C3D000", "shop/../x"),
        (&[("user", "app' OR 1=1")], "C28000", "app' OR 1=1"),
        (&[("replication", "database")], "C0A000", "replication"),
    ] {
        let client = story.starts_with(None, parameters);
        let heard = story.hears(client);
        assert!(contains(&heard, code) && contains(&heard, says), "{parameters:?}");
        assert_eq!(story.closed.last(), Some(&client));
    }
    assert_eq!((story.opened.len(), story.status().sockets), (0, 0));
}

#[test]
fn a_database_has_pierheads_name_and_its_own() {
    let mut story = Story::with(|s| s.name = "main".into());
    for name in ["main", "shop"] {
        let client = story.starts_with(None, &[("database", name)]);
        if story.status().idle == 0 {
            story.logs_in();
        }
        assert_eq!(kinds(&story.hears(client)), "RSSKZ", "{name}");
    }
}

#[test]
fn a_client_that_dribbles_does_not_lengthen_its_start_up() {
    let mut story = Story::with(|_| {});
    let client = story.opens(None);
    for _ in 0..5 {
        story.later(2_500);
        story.tells(client, b"\0\0\0\x08\x04\xd2\x16\x2f");
    }
    assert_eq!(story.closed, [client]);
    assert!(contains(&story.hears(client), "C57P05"));
}
