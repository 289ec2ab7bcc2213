//! What a long run must meet, so that a simulation that has gone stale is noticed.

/// What every long run of this world must meet.
pub const MUST_HAPPEN: [&str; 41] = [
    "cancel: asked",
    "cancel: hit",
    "cancel: missed",
    "cancel: wrong key",
    "engine: cures",
    "engine: drained",
    "engine: pins",
    "engine: retries",
    "fault: chatter",
    "fault: cut",
    "fault: ghost",
    "fault: hang",
    "fault: killed (57P01)",
    "fault: migration",
    "fault: mischief",
    "fault: mischief at rest",
    "fault: password changed",
    "fault: restart",
    "fault: road",
    "lease: answered",
    "lease: disposed",
    "lease: refused",
    "open: hangs",
    "open: refused",
    "server: discard",
    "server: login",
    "server: refused (53300)",
    "server: rollback",
    "socket: cancelled",
    "socket: cut",
    "socket: gone in the middle",
    "socket: plan broken",
    "socket: ready",
    "told: 08001",
    "told: 08007",
    "told: 25P03",
    "told: 25P04",
    "told: 53000",
    "told: 53300",
    "told: 53400",
    "told: 57P05",
];

/// What every long run of the crowd must meet.
pub const CROWD_MEETS: [&str; 8] = [
    "crowd: a single waiter",
    "crowd: before another class",
    "crowd: even",
    "crowd: in order",
    "crowd: uneven",
    "lease: answered",
    "outcome: completed",
    "socket: ready",
];

/// What every long run with an agent must meet.
pub const AGENTS_MEET: [&str; 8] = [
    "lease: answered",
    "link: cut",
    "object: aborted",
    "object: slept",
    "object: woke with a link",
    "socket: ready",
    "told: 08006",
    "told: 08007",
];

/// What every long run of the medley must meet.
pub const MEDLEY_MEETS: [&str; 8] = [
    "leap: a day",
    "leap: a minute",
    "leap: an hour",
    "pool: keeps min_idle",
    "server: function called",
    "socket: may not pin",
    "socket: notified",
    "socket: state refused",
];

/// What every long run of neighbours must meet.
pub const NEIGHBOURS_MEET: [&str; 4] =
    ["allowance: evicted with a share", "allowance: exceeded", "socket: ready", "told: 53200"];
