//! What a person sees who configures the program wrongly: which variable, and what to do.

#![cfg(feature = "program")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "test code: a failed step must fail the test, at the place where it failed"
)]

mod common;

use common::program;

const URL: (&str, &str) = ("PIERHEAD_URL", "wss://app.example.com");
const MAIN: (&str, &str) = ("PIERHEAD_DB_MAIN", "postgres://10.0.0.5:5432/app?pool_size=20");
const TOKEN: (&str, &str) = ("PIERHEAD_DB_MAIN_AGENT_TOKEN", "hidden-hidden-hidden");

/// Runs `pierhead agent` to its end: nothing it says may be `hidden`.
#[track_caller]
fn refused(variables: &[(&str, &str)], args: &[&str]) -> String {
    let args: Vec<_> = ["agent"].iter().chain(args).copied().collect();
    let output = program(variables, &args).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(!text.contains("hidden"), "{text}");
    text
}

#[track_caller]
fn check(variables: &[(&str, &str)], args: &[&str], expected: &[&str]) {
    let text = refused(variables, args);
    for expected in expected {
        assert!(text.contains(expected), "{expected:?} is not in: {text}");
    }
}

#[test]
fn what_is_missing_is_named() {
    check(&[], &[], &["PIERHEAD_URL", "--url", "wss://host"]);
    check(&[URL], &[], &["PIERHEAD_DB_<NAME>", "--database"]);
    check(&[URL, MAIN], &[], &["PIERHEAD_DB_MAIN_AGENT_TOKEN", "not set"]);
    check(
        &[URL, TOKEN],
        &[],
        &["PIERHEAD_DB_MAIN_AGENT_TOKEN is set, but PIERHEAD_DB_MAIN is not"],
    );
}

#[test]
fn what_is_wrong_is_named_without_its_value() {
    check(&[("PIERHEAD_URL", "https://hidden"), MAIN, TOKEN], &[], &["PIERHEAD_URL", "wss://"]);
    check(&[URL, ("PIERHEAD_DB_MAIN", "hidden"), TOKEN], &[], &["PIERHEAD_DB_MAIN: not a URL"]);
    check(
        &[URL, MAIN, ("PIERHEAD_DB_MAIN_AGENT_TOKEN", "hidden")],
        &[],
        &["_AGENT_TOKEN", "openssl"],
    );
    check(&[URL, MAIN, TOKEN], &["--links", "9"], &["PIERHEAD_AGENT_LINKS", "1 to 8"]);
    check(&[URL, MAIN, TOKEN], &["--park-ttl", "2d"], &["PIERHEAD_PARK_TTL", "500ms"]);
    check(&[URL, MAIN, TOKEN], &["--header", "hidden"], &["--header", "Name: value"]);
    check(&[URL, MAIN, TOKEN, ("PIERHEAD_AGENT_NAME", "two words")], &[], &["--name"]);
    check(&[URL, MAIN, TOKEN], &["--ca", "/nowhere.pem"], &["PIERHEAD_CA", "/nowhere.pem"]);
    check(&[URL, MAIN, TOKEN, ("PIERHEAD_LOG", "pierhead=loud")], &[], &["PIERHEAD_LOG"]);
    check(&[URL, TOKEN], &["--database", "main"], &["--database NAME=URL"]);
}

#[test]
fn a_token_may_be_in_a_file_but_not_in_two_places() {
    let file = ("PIERHEAD_DB_MAIN_AGENT_TOKEN_FILE", "/nowhere/token");
    check(&[URL, MAIN, file], &[], &["PIERHEAD_DB_MAIN_AGENT_TOKEN", "/nowhere/token", "opened"]);
    check(&[URL, MAIN, TOKEN, file], &[], &["are both set"]);
    check(&[URL, MAIN], &["--token-file", "main=/nowhere/token"], &["/nowhere/token"]);
}

#[test]
fn help_has_a_complete_example() {
    let output = program(&[], &["agent", "--help"]).output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    for part in ["export PIERHEAD_URL=", "export PIERHEAD_DB_MAIN=", "_AGENT_TOKEN=", "Exit codes"]
    {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
    let version = program(&[], &["--version"]).output().unwrap();
    assert!(version.stdout.starts_with(b"pierhead "), "{version:?}");
}
