//! Who is measured: names, colours, and who is compared with whom.

/// What a contender is to the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A way through Pierhead.
    Pierhead,
    /// What a user would have instead.
    Peer,
    /// What nothing on this machine can be quicker than: it does a part of the work only.
    Floor,
}

/// One of those that are measured side by side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contender {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// On a light and on a dark background; the same in every chart.
    pub(super) colours: [&'static str; 2],
    /// Whether all its requests go through one Durable Object.
    pub(super) object: bool,
}

const fn pierhead(id: &'static str, name: &'static str, colours: [&'static str; 2]) -> Contender {
    Contender { id, name, kind: Kind::Pierhead, colours, object: true }
}

const fn peer(id: &'static str, name: &'static str, colours: [&'static str; 2]) -> Contender {
    Contender { id, name, kind: Kind::Peer, colours, object: false }
}

const fn floor(id: &'static str, name: &'static str, grey: [&'static str; 2]) -> Contender {
    Contender { id, name, kind: Kind::Floor, colours: grey, object: false }
}

const BLUE: [&str; 2] = ["#0969da", "#58a6ff"];
const TEAL: [&str; 2] = ["#0a7d7d", "#39c5cf"];
const VIOLET: [&str; 2] = ["#8250df", "#bc8cff"];
const GREEN: [&str; 2] = ["#1a7f37", "#56d364"];
const OLIVE: [&str; 2] = ["#6b7d00", "#b8cc3c"];
const RED: [&str; 2] = ["#cf222e", "#ff7b72"];
const ORANGE: [&str; 2] = ["#bc4c00", "#ffa657"];
const GOLD: [&str; 2] = ["#9a6700", "#e3b341"];
const DARK: [&str; 2] = ["#424a53", "#d0d7de"];
const GREY: [&str; 2] = ["#6e7781", "#afb8c1"];
const PALE: [&str; 2] = ["#8c959f", "#8b949e"];

/// All, in the order of tables and legends.
pub(super) const ALL: &[Contender] = &[
    pierhead("exchange-agent", "exchange, agent", BLUE),
    pierhead("exchange-cloudflared", "exchange, cloudflared", TEAL),
    pierhead("exchange-direct", "exchange, direct", VIOLET),
    pierhead("socket-pg", "socket, pg", GREEN),
    pierhead("socket-tokio-postgres", "socket, tokio-postgres", OLIVE),
    pierhead("socket-connect", "connect(), with the gateway", GREEN),
    pierhead("socket-websocket", "WebSocket, with the gateway", OLIVE),
    pierhead("object-connect", "connect(), the object alone", BLUE),
    pierhead("object-websocket", "WebSocket, the object alone", TEAL),
    pierhead("agent", "agent", BLUE),
    pierhead("cloudflared", "cloudflared", TEAL),
    pierhead("direct", "direct", VIOLET),
    pierhead("cold", "Pierhead, cold", BLUE),
    pierhead("hibernated", "Pierhead, hibernated", TEAL),
    pierhead("warm", "Pierhead, warm", VIOLET),
    pierhead("pgbench-pierhead", "pgbench, Pierhead", BLUE),
    pierhead("js", "JavaScript and runtime", VIOLET),
    pierhead("buffers", "buffers", TEAL),
    pierhead("wasm", "wasm memory", OLIVE),
    pierhead("isolate", "isolate, together", BLUE),
    pierhead("agent-process", "agent, resident", GREEN),
    pierhead("coordinator", "coordinator", BLUE),
    pierhead("idle", "linked, idle", BLUE),
    pierhead("sessions", "with sessions at rest", TEAL),
    pierhead("queries", "after queries", VIOLET),
    pierhead("engine", "engine", BLUE),
    pierhead("engine (opt-level s)", "engine, opt-level s", VIOLET),
    peer("direct-pg", "pg, connecting", RED),
    peer("direct-postgres", "postgres.js, connecting", ORANGE),
    peer("pgbouncer-pg", "pg through PgBouncer", GOLD),
    peer("pgbench-pgbouncer", "pgbench, PgBouncer", GOLD),
    peer("pgbench-direct", "pgbench, direct", RED),
    peer("pgbouncer", "PgBouncer", GOLD),
    peer("pgbouncer (without I/O)", "PgBouncer, without I/O", ORANGE),
    Contender { object: true, ..floor("rpc", "RPC to an empty object", DARK) },
    Contender { object: true, ..floor("forward", "RPC, forwarded and back", GREY) },
    floor("empty", "an empty object", GREY),
    floor("native", "native, warm session", PALE),
    floor("echo", "echo at that distance", DARK),
];

/// Place in [`ALL`]; behind all others for one that is not in it.
pub(super) fn rank(id: &str) -> usize {
    ALL.iter().position(|contender| contender.id == id).unwrap_or(ALL.len())
}

pub(super) fn find(id: &str) -> Option<&'static Contender> {
    ALL.iter().find(|contender| contender.id == id)
}

/// In words; the id itself of one that is not known.
pub(super) fn name(id: &str) -> &str {
    find(id).map_or(id, |contender| contender.name)
}

/// One whose kind is not said is compared with nobody.
pub(super) fn is(id: &str, kind: Kind) -> bool {
    find(id).is_some_and(|contender| contender.kind == kind)
}

/// Whether two can be compared: what pgbench drives has no Worker in its path.
pub(super) fn comparable(a: &str, b: &str) -> bool {
    a.starts_with("pgbench-") == b.starts_with("pgbench-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_contender_is_listed_once() {
        for (index, contender) in ALL.iter().enumerate() {
            assert_eq!(rank(contender.id), index, "{} is listed twice", contender.id);
        }
        assert_eq!((rank("nobody"), name("nobody")), (ALL.len(), "nobody"));
    }

    #[test]
    fn only_those_on_one_path_are_compared() {
        assert!(comparable("exchange-agent", "direct-pg"));
        assert!(comparable("pgbench-pierhead", "pgbench-direct"));
        assert!(!comparable("pgbench-pgbouncer", "exchange-agent"));
    }
}
