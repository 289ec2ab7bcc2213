//! `docs/states.md`, made from the engine's own tables.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use pierhead_engine::states::{
    CLIENTS, PLACES, SESSIONS, SOCKETS, STAGES, STATES, STREAMS, Transition,
};

const PAGE: &str = "docs/states.md";

/// With `REWRITE_DOCS=1` in the environment the page is brought up to date instead.
#[test]
fn the_page_shows_the_states_as_the_engine_has_them() {
    let path = super::path(PAGE);
    if std::env::var_os("REWRITE_DOCS").is_some() {
        fs::write(&path, page()).unwrap();
    }
    let same = fs::read_to_string(&path).is_ok_and(|text| text == page());
    assert!(same, "REWRITE_DOCS=1 cargo test -p pierhead-tests --lib docs rewrites {PAGE}");
}

#[test]
fn no_transition_is_listed_twice_and_none_leaves_what_is_no_state() {
    let lines: BTreeSet<_> = SESSIONS.iter().map(|t| t.line).collect();
    assert_eq!(lines.len(), SESSIONS.len());
    let is_state = |name| STATES.iter().any(|(state, _)| *state == name);
    assert!(SESSIONS.iter().all(|t| is_state(t.from) && is_state(t.to)));
}

#[test]
fn every_kind_of_client_is_shown_and_no_step_is_listed_twice() {
    let steps: BTreeSet<_> = CLIENTS.iter().map(|s| (s.kind, s.from, s.why, s.to)).collect();
    assert_eq!(steps.len(), CLIENTS.len());
    assert!(CLIENTS.iter().all(|step| KINDS.iter().any(|(kind, _)| *kind == step.kind)));
    let is_place = |name| PLACES.iter().any(|(place, _)| *place == name);
    assert!(CLIENTS.iter().all(|step| is_place(step.from) && is_place(step.to)));
}

#[test]
fn every_stage_of_a_socket_is_reached_and_no_passage_is_listed_twice() {
    let passages: BTreeSet<_> = SOCKETS.iter().map(|p| (p.from, p.why, p.to)).collect();
    assert_eq!(passages.len(), SOCKETS.len());
    let is_stage = |name| STAGES.iter().any(|(stage, _)| *stage == name);
    assert!(SOCKETS.iter().all(|p| is_stage(p.from) && is_stage(p.to)));
    let (_, later) = STAGES.split_first().unwrap();
    assert!(later.iter().all(|(stage, _)| SOCKETS.iter().any(|p| p.to == *stage)));
}

fn page() -> String {
    let mut page = String::from(INTRODUCTION);
    page += &diagram();
    page += SESSION_ENDS;
    for (state, meaning) in STATES {
        writeln!(page, "| **{state}** | {meaning} |").unwrap();
    }
    page += &table();
    page += RARE;
    for t in SESSIONS {
        if let Some(rare) = t.rare {
            writeln!(page, "- `{}`: {rare}.", t.line).unwrap();
        }
    }
    page += CLIENTS_BEGIN;
    for (place, meaning) in PLACES {
        writeln!(page, "| **{place}** | {meaning} |").unwrap();
    }
    for (kind, introduction) in KINDS {
        page += introduction;
        page += &clients(kind);
    }
    page += STAGES_BEGIN;
    for (stage, meaning) in STAGES {
        writeln!(page, "| **{stage}** | {meaning} |").unwrap();
    }
    page += &stages();
    page += STREAMS_BEGIN;
    for (from, why, to) in STREAMS {
        writeln!(page, "| {from} | {why} | {to} |").unwrap();
    }
    page
}

/// Mermaid's notation, which the usual viewers of Markdown draw.
fn diagram() -> String {
    let mut ways: BTreeMap<(usize, usize), Vec<&str>> = BTreeMap::new();
    let number = |name| STATES.iter().position(|(state, _)| *state == name).unwrap();
    for t in SESSIONS {
        ways.entry((number(t.from), number(t.to))).or_default().push(t.why);
    }
    let mut text = String::from("```mermaid\nstateDiagram-v2\n");
    text += "    [*] --> opening: the pool has room\n";
    text += "    [*] --> parked: offered by an agent\n";
    for ((from, to), why) in ways {
        let (from, to) = (STATES[from].0, STATES[to].0);
        writeln!(text, "    {from} --> {to}: {}", why.join(", ")).unwrap();
    }
    text + "    ending --> [*]\n    away --> [*]\n```\n"
}

/// The places of one kind of client, drawn, and every reason: where it leads.
fn clients(kind: &str) -> String {
    let steps = || CLIENTS.iter().filter(|step| step.kind == kind);
    let mut text = String::from("```mermaid\nstateDiagram-v2\n    [*] --> resting\n");
    for step in steps() {
        writeln!(text, "    {} --> {}: {}", step.from, step.to, step.why).unwrap();
    }
    text += "```\n\n|  |";
    for (place, _) in PLACES {
        write!(text, " {place} |").unwrap();
    }
    writeln!(text, "  |\n|---|{}---|", "---|".repeat(PLACES.len())).unwrap();
    let mut shown = BTreeSet::new();
    for reason in steps().filter(|step| shown.insert(step.why)) {
        write!(text, "| **{}** |", reason.why).unwrap();
        for (place, _) in PLACES {
            let ways = steps().filter(|step| step.why == reason.why && step.from == *place);
            let to: Vec<_> = ways.map(|step| step.to).collect();
            write!(text, " {} |", to.join(" or ")).unwrap();
        }
        writeln!(text, " {} |", reason.meaning).unwrap();
    }
    text
}

/// The stages of a socket, drawn, and what leads from each to the next.
fn stages() -> String {
    let mut text = String::from("\n```mermaid\nstateDiagram-v2\n    [*] --> start_up\n");
    for passage in SOCKETS {
        writeln!(text, "    {} --> {}: {}", passage.from, passage.to, passage.why).unwrap();
    }
    text += "```\n\n|  |";
    for (stage, _) in STAGES {
        write!(text, " {stage} |").unwrap();
    }
    writeln!(text, "  |\n|---|{}---|", "---|".repeat(STAGES.len())).unwrap();
    let mut shown = BTreeSet::new();
    for reason in SOCKETS.iter().filter(|passage| shown.insert(passage.why)) {
        write!(text, "| **{}** |", reason.why).unwrap();
        for (stage, _) in STAGES {
            let to = SOCKETS.iter().find(|p| p.why == reason.why && p.from == *stage);
            write!(text, " {} |", to.map_or("", |passage| passage.to)).unwrap();
        }
        writeln!(text, " {} |", reason.meaning).unwrap();
    }
    text
}

/// Every state and every reason: where it leads, or nothing where it cannot occur.
fn table() -> String {
    let mut reasons: Vec<&Transition> = Vec::new();
    for t in SESSIONS {
        if reasons.iter().all(|known| known.why != t.why) {
            reasons.push(t);
        }
    }
    let mut text = String::from("\n|  |");
    for (state, _) in STATES {
        write!(text, " {state} |").unwrap();
    }
    writeln!(text, "  |\n|---|{}---|", "---|".repeat(STATES.len())).unwrap();
    for reason in reasons {
        write!(text, "| **{}** |", reason.why).unwrap();
        for (state, _) in STATES {
            let ways = SESSIONS.iter().filter(|t| t.why == reason.why && t.from == *state);
            let to: Vec<_> = ways.map(|t| t.to).collect();
            write!(text, " {} |", to.join(" or ")).unwrap();
        }
        writeln!(text, " {} |", reason.meaning).unwrap();
    }
    text
}

const INTRODUCTION: &str = "\
# States

<!-- Made from the engine's tables: REWRITE_DOCS=1 cargo test -p pierhead-tests --lib docs -->

What the engine keeps is always in exactly one state, and there is one door from each to the next. The
tables here are the engine's own: a build with assertions, as tests and fuzzers are, stops at a
transition that is not in them, and the simulation must meet each of them in its usual run.

## Sessions

A session is one authenticated connection to the database. `engine/src/pool/transitions.rs` holds the
table, `Session::enter` is the door, and a verbose log says each transition as `idle -> leased: Granted`.

";

const SESSION_ENDS: &str = "
From every state the far end may end the session: it is gone, and its place is free. So is a session
that is ending, or away, when nothing was heard of it for as long as its end may take.

| state | meaning |
|---|---|
";

const RARE: &str = "
An empty field cannot occur. The simulation does not reliably meet:

";

const CLIENTS_BEGIN: &str = "
## Clients

A client is an exchange, a socket or a lease. `engine/src/pool/places.rs` holds the table, `Client::enter`
is the door. An empty field cannot occur; and a client may leave from any place.

| place | meaning |
|---|---|
";

const KINDS: [(&str, &str); 3] = [
    (
        "exchange",
        "
### Exchanges

One request and its answer. A request of a lease rests behind the one before it, and then runs on the
lease's session.

",
    ),
    (
        "socket",
        "
### Sockets

A driver's byte stream: it asks again and again, and is released after each transaction. One that is
pinned keeps its session in between, and stays running.

",
    ),
    (
        "lease",
        "
### Leases

A transaction over several requests. It has no place in the queue: its first request waits for both.

",
    ),
];

const STAGES_BEGIN: &str = "
### Stages of a socket

Until it is open a socket only rests. `engine/src/pool/stages.rs` holds the table, `Socket::enter` is the
door. An empty field cannot occur; and a socket may end at any stage.

| stage | meaning |
|---|---|
";

const STREAMS_BEGIN: &str = "
## Streams of a link

A stream is what a session runs over, here one of the many that a link carries
(`engine/src/link/stream.rs`). One that the engine opens begins live; one that an agent offers begins
waiting, and is its own again when the agent says that it is gone.

| phase | event | next |
|---|---|---|
";
