//! What a long run must meet.

/// By name.
pub const MUST_HAPPEN: [&str; 20] = [
    "agent: answers a list",
    "agent: exit",
    "agent: killed",
    "agent: leaves a stale copy",
    "agent: offers",
    "agent: SIGTERM",
    "agent: two copies",
    "fault: link cut with messages under way",
    "gone: ended by the database",
    "object: adopts with a request",
    "object: cuts a link without a sign of life",
    "object: evicted",
    "object: hibernated",
    "object: other configuration",
    "object: parks",
    "object: releases",
    "object: stale copy aborts itself",
    "object: woke",
    "session: outlived an object",
    "session: outlived sleep",
];
