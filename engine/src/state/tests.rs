//! Settings that follow a client.

use super::*;
use crate::limits::{SETTING_BYTES_MAX, SETTINGS_BYTES_MAX, SETTINGS_MAX};
use crate::sql::{Change, Signs, read};

/// What these statements leave.
fn followed(sql: &str) -> Followed {
    Followed::default().after(&changes(sql)).unwrap()
}

fn changes(sql: &str) -> Vec<Change> {
    let facts = read(sql.as_bytes());
    assert_eq!(facts.signs, Signs::default(), "{sql}");
    facts.changes
}

#[test]
fn what_is_reset_is_followed_no_more() {
    for (sql, names) in [
        ("select 1", vec![]),
        ("set b = 1; set a = 2; set b = 3", vec!["a", "b"]),
        ("set b = 1; reset b", vec![]),
        ("set b = 1; set b to default", vec![]),
        ("set b = 1; set role bob; reset all", vec!["role"]),
        ("set role bob; set role none", vec![]),
        ("reset b; reset all", vec![]),
    ] {
        let followed = followed(sql);
        assert_eq!(followed.names().collect::<Vec<_>>(), names, "{sql}");
        assert_eq!(followed.is_empty(), names.is_empty(), "{sql}");
    }
    let followed = followed("set b = 1; set role bob").after(&changes("discard all")).unwrap();
    assert!(followed.is_empty());
}

#[test]
fn followed_settings_are_equal_if_their_values_are() {
    let a = followed("set a = 1; set b = 'x'");
    assert_eq!(a, followed("set b = x; set a = 2; set a = 1"));
    assert_eq!(a, a.clone());
    assert_ne!(a, followed("set a = 1"));
    assert_ne!(a, Followed::default());
    assert_eq!(a.bytes(), "a".len() + "1".len() + "b".len() + "'x'".len());
    assert_eq!(Followed::default().bytes(), 0);
}

#[test]
fn what_changes_nothing_keeps_the_same_memory() {
    let a = followed("set a = 1");
    for sql in ["select 1", "set a = 1", "set b = 1; reset b", "reset c"] {
        let b = a.after(&changes(sql)).unwrap();
        assert!(a.shares_with(&b), "{sql}");
    }
}

#[test]
fn a_session_is_brought_from_one_client_to_the_next() {
    for (has, wants, expected) in [
        ("", "", None),
        ("set a = 1", "set a = 1", None),
        ("", "set a = 1; set b = x, y", Some(r#"SET "a" TO 1; SET "b" TO 'x', 'y'"#)),
        ("set a = 1", "", Some(r#"RESET "a""#)),
        (
            "set a = 1; set c.d = 1",
            "set b = 2; set a = 3",
            Some(r#"RESET "c"."d"; SET "a" TO 3; SET "b" TO 2"#),
        ),
        ("", "set time zone interval '1' hour", Some("SET TIME ZONE INTERVAL '1' HOUR")),
        // What the role may not set is set without it.
        ("set role x; set a = 1", "", Some(r#"RESET "role"; RESET "a""#)),
        ("", "set role x; set z = 1", Some(r#"SET "z" TO 1; SET "role" TO 'x'"#)),
        ("set role x", "set role y", Some(r#"SET "role" TO 'y'"#)),
        (
            "set role x",
            "set role x; set a = 1",
            Some(r#"RESET "role"; SET "a" TO 1; SET "role" TO 'x'"#),
        ),
        (
            "set role x; set a = 1",
            "set role y",
            Some(r#"RESET "role"; RESET "a"; SET "role" TO 'y'"#),
        ),
    ] {
        assert_eq!(followed(has).to(&followed(wants)).as_deref(), expected, "{has} | {wants}");
    }
}

#[test]
fn values_are_replayed_as_what_they_say_and_nothing_more() {
    for (sql, expected) in [
        ("set a = 'x''; drop table t; --'", r#"SET "a" TO 'x''; drop table t; --'"#),
        (r"set a = E'\\\'; drop table t; --'", r#"SET "a" TO E'\\''; drop table t; --'"#),
        ("set a = $$'$$", r#"SET "a" TO ''''"#),
        (r#"set a = "b""'c""#, r#"SET "a" TO 'b"''c'"#),
        ("set time zone interval '1''; x' hour", "SET TIME ZONE INTERVAL '1''; x' HOUR"),
    ] {
        let wanted = followed(sql);
        let replay = Followed::default().to(&wanted).unwrap();
        assert_eq!(replay, expected, "{sql}");
        assert_eq!(followed(&replay), wanted, "{sql}");
    }
}

#[test]
fn a_start_up_message_sets_plain_values() {
    let from = |pairs: &[(&str, &str)]| {
        let wanted = Followed::from_start_up(pairs.iter().copied()).unwrap();
        Followed::default().to(&wanted).unwrap_or_default()
    };
    for (pairs, expected) in [
        (&[][..], ""),
        (&[("DateStyle", "ISO, DMY")], r#"SET "datestyle" TO 'ISO, DMY'"#),
        (&[("application_name", r"it's \ me")], r#"SET "application_name" TO E'it''s \\ me'"#),
        (&[("search_path", r#" Foo , "Bar,""s" "#)], r#"SET "search_path" TO 'foo', 'Bar,"s'"#),
        (&[("search_path", "a,")], r#"SET "search_path" TO 'a,'"#),
        (&[("search_path", r#""a"#)], r#"SET "search_path" TO '"a'"#),
        (&[("search_path", "a b")], r#"SET "search_path" TO 'a b'"#),
        (&[("search_path", "")], r#"SET "search_path" TO ''"#),
        (&[("a\"; x", "1")], r#"SET "a""; x" TO '1'"#),
        (&[("b", "1"), ("a", "2"), ("b", "3")], r#"SET "a" TO '2'; SET "b" TO '3'"#),
    ] {
        assert_eq!(from(pairs), expected, "{pairs:?}");
    }
}

#[test]
fn a_reset_leads_a_client_to_what_its_start_up_said() {
    let defaults =
        Followed::from_start_up([("application_name", "app"), ("role", "bob"), ("a.b", "1")]);
    let defaults = defaults.unwrap();
    let after = |sql| defaults.after_with(&defaults, &changes(sql)).unwrap();
    for sql in [
        "select 1",
        "set application_name = x; reset application_name",
        "set a.b to default; set c.d = 1; reset all",
        "set role alice; reset role",
        "set c.d = 2; set role none; discard all",
    ] {
        assert_eq!(after(sql), defaults, "{sql}");
    }
    let alice = defaults.after(&changes("set role alice")).unwrap();
    assert_eq!(after("set role alice; reset all"), alice);
    // The server knows nothing of it.
    assert!(defaults.after(&changes("discard all")).unwrap().is_empty());
}

#[test]
fn more_than_may_be_followed_is_refused() {
    let one = |name: &str, value: &str| Change::Set { name: name.into(), value: value.into() };
    let many: Vec<_> = (0..=SETTINGS_MAX).map(|n| one(&format!("a{n}"), "1")).collect();
    let most = Followed::default().after(&many[1..]).unwrap();
    assert_eq!(Followed::default().after(&many), Err(TooMany));
    assert_eq!(most.after(&many[..1]), Err(TooMany));
    assert!(most.after(&[one("a1", "2")]).is_ok());

    let large = "x".repeat(SETTING_BYTES_MAX);
    let enough: Vec<_> =
        (0..=SETTINGS_BYTES_MAX / SETTING_BYTES_MAX).map(|n| one(&n.to_string(), &large)).collect();
    assert!(Followed::default().after(&enough[..7]).is_ok());
    assert_eq!(Followed::default().after(&enough), Err(TooMany));
    assert_eq!(Followed::from_start_up([("a", &*large)]), Err(TooMany));
}
