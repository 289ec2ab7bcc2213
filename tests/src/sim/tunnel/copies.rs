//! What is said on links, seen from the whole world: who drives what, and which copy counts.
#![allow(clippy::wildcard_enum_match_arm, reason = "it listens for some of the frames")]

use std::collections::BTreeSet;

use bytes::Bytes;
use pierhead_wire::tunnel::{Frame, Frames, GoAwayReason, GoneReason, StreamId};

use super::World;
use super::conn::Owner;
use super::link::{End, Link};

/// What must ride ahead of the first request after an adoption.
const PURGE: &[u8] = b"Q\0\0\0\x10DISCARD ALL\0";

/// How long an answer to `wake` may be missing before the link is cut, and a late timer.
const HERE_MAX: u64 = 2_000 + 50;

pub(super) fn frames(message: &Bytes) -> Vec<Frame> {
    Frames::new(message.clone()).into_iter().flatten().map_while(Result::ok).collect()
}

impl World {
    pub(super) fn object_says(&mut self, id: u64, message: &Bytes) {
        for frame in frames(message) {
            let Some(link) = self.links.get_mut(&id) else { return };
            if let Err((rule, detail)) = link.monitor.object_says(&frame) {
                return self.broken(rule, format!("link {id}: {detail}"));
            }
            self.cover_object(&frame);
            match &frame {
                Frame::Welcome(welcome) => self.learn_life(id, welcome.object_life),
                Frame::Wake(wake) => self.learn_life(id, wake.object_life),
                Frame::Describe(describe) => self.described(id, describe),
                Frame::Park(park) => {
                    self.check_park(id, park.stream);
                    self.disturb_park(id, park.stream);
                }
                _ => {}
            }
        }
    }

    fn cover_object(&mut self, frame: &Frame) {
        let name = match frame {
            Frame::Adopt(adopt) if adopt.bytes.0.is_empty() => "object: adopts for later",
            Frame::Adopt(_) => "object: adopts with a request",
            Frame::Release(_) => "object: releases",
            Frame::ListParked(_) => "object: lists",
            Frame::Wake(_) => "object: says wake",
            Frame::Park(_) => "object: parks",
            Frame::Cancel(_) => "object: cancels",
            Frame::Reset(_) => "object: resets",
            Frame::Credit(_) => "object: grants",
            Frame::GoAway(bye) if bye.reason == GoAwayReason::Liveness => {
                "object: cuts a link without a sign of life"
            }
            Frame::GoAway(bye) if bye.reason == GoAwayReason::Replaced => {
                "object: ends a replaced link"
            }
            _ => return,
        };
        self.coverage.add(name);
    }

    /// A link's object: bytes of another life than the last begin with the purge of names.
    fn check_purge(&mut self, id: u64, stream: StreamId, bytes: &Bytes) {
        let Some(link) = self.links.get(&id) else { return };
        let name = (link.slot, link.process, stream);
        let Some((_, life)) = link.monitor.agent.copy.filter(|_| self.has(id, stream)) else {
            return;
        };
        let before = self.drivers.insert(name, life);
        // Little credit may tear it.
        let purged = bytes.starts_with(PURGE) || PURGE.starts_with(bytes);
        if before.is_some_and(|before| before != life) && !purged {
            let detail = format!("{stream:?} changes its object, and nothing is purged");
            self.broken("purge", detail);
        }
    }

    pub(super) fn object_hears(&mut self, id: u64, message: &Bytes) {
        let Some(link) = self.links.get_mut(&id) else { return };
        for frame in frames(message) {
            link.monitor.object_hears(&frame);
        }
    }

    pub(super) fn agent_says(&mut self, id: u64, message: &Bytes) {
        for frame in frames(message) {
            let Some(link) = self.links.get_mut(&id) else { return };
            if let Err((rule, detail)) = link.monitor.agent_says(&frame) {
                return self.broken(rule, format!("link {id}: {detail}"));
            }
            match &frame {
                Frame::Offer(offer) => {
                    for offered in offer.streams.iter() {
                        self.check_offer(id, &offered);
                    }
                }
                Frame::Gone(gone) => self.said_gone(id, gone.stream),
                _ => {}
            }
            let name = match &frame {
                Frame::Offer(offer) if !offer.streams.is_empty() => {
                    if offer.number == 0 {
                        "agent: offers"
                    } else {
                        "agent: answers a list"
                    }
                }
                Frame::Gone(gone) => match gone.reason {
                    GoneReason::Unknown => "gone: unknown",
                    GoneReason::Idle => "gone: idle for too long",
                    GoneReason::Expired => "gone: total time over",
                    GoneReason::Database => "gone: ended by the database",
                    GoneReason::Counters => "gone: other counters",
                    GoneReason::Released => "gone: released",
                    GoneReason::Reset => "gone: reset",
                    _ => "gone: for another reason",
                },
                Frame::Refused(_) => "agent: refuses",
                Frame::Cancelled(done) if done.proved => "agent: proves a cancel",
                Frame::Cancelled(_) => "agent: cannot prove a cancel",
                Frame::GoAway(bye) if bye.reason == GoAwayReason::StaleCopy => {
                    "agent: leaves a stale copy"
                }
                Frame::LinkCredit(_) => "agent: grants",
                _ => continue,
            };
            self.coverage.add(name);
        }
    }

    pub(super) fn agent_hears(&mut self, id: u64, message: &Bytes) {
        for frame in frames(message) {
            if let Frame::Open(open) = &frame
                && self.tapes.knows(id, open.stream)
            {
                // An evicted object has forgotten how far it had counted: the link ends here.
                return;
            }
            let Some(link) = self.links.get_mut(&id) else { return };
            link.monitor.agent_hears(&frame);
            match &frame {
                Frame::Open(open) => self.tapes.begin(id, open.stream, 0, &[]),
                Frame::Adopt(adopt) => {
                    self.tapes.begin(id, adopt.stream, adopt.counters.sent, &adopt.bytes.0);
                }
                Frame::Data(data) => self.tapes.data(id, data.stream, &data.bytes.0),
                _ => {}
            }
        }
        self.tapes.said_gone.clear();
        self.tapes.acting = Some(id);
    }

    /// The agent has heard and done what it does: whose streams are they now?
    pub(super) fn agent_heard(&mut self, id: u64, message: &Bytes) {
        self.tapes.acting = None;
        let over = |link: &Link| link.agent != End::Open || link.monitor.agent.is_over();
        if self.links.get(&id).is_none_or(over) {
            return;
        }
        for frame in frames(message) {
            match &frame {
                Frame::Open(open) => self.opened(id, open.stream),
                Frame::Adopt(adopt) if !self.tapes.said_gone.contains(&(id, adopt.stream)) => {
                    self.take_over(id, adopt.stream);
                    if !adopt.bytes.0.is_empty() {
                        self.check_purge(id, adopt.stream, &adopt.bytes.0);
                        self.heard_use(id, adopt.stream);
                    }
                }
                Frame::Data(data) => {
                    self.check_purge(id, data.stream, &data.bytes.0);
                    self.heard_use(id, data.stream);
                }
                Frame::Park(park) => self.heard_park(id, park),
                _ => {}
            }
        }
    }

    /// The copies at the other ends of an agent's open links.
    pub(super) fn copies(&self, slot: usize) -> BTreeSet<(u64, u64)> {
        let process = self.slots[slot].process();
        let open = || {
            self.links.values().filter(|l| {
                l.slot == slot
                    && Some(l.process) == process
                    && l.agent == End::Open
                    && !l.monitor.agent.is_over()
            })
        };
        // A copy that slept says so on one link after the other.
        let slept: BTreeSet<u64> =
            open().flat_map(|l| l.monitor.agent.former.iter().copied()).collect();
        let copies = open().filter_map(|l| l.monitor.agent.copy);
        copies.filter(|(_, life)| !slept.contains(life)).collect()
    }

    /// An agent keeps the links of one copy only, the newest.
    pub(super) fn check_copies(&mut self, slot: usize, before: &BTreeSet<(u64, u64)>) {
        let after = self.copies(slot);
        let newest = before.iter().map(|(epoch, _)| *epoch).max();
        let oldest = after.iter().map(|(epoch, _)| *epoch).min();
        if after.len() > 1 || oldest.is_some_and(|epoch| Some(epoch) < newest) {
            let detail = format!("agent {slot} keeps {after:?} of {before:?}");
            return self.broken("newest copy", detail);
        }
        if before.len() > 1 {
            self.coverage.add("agent: two copies");
        }
    }

    /// The cap of an agent holds at the database, whatever links and copies come and go.
    pub(super) fn check_cap(&mut self, slot: usize) {
        let process = self.slots[slot].process();
        let mine = |owner: &Owner| {
            matches!(owner, Owner::Agent { slot: s, process: p, .. }
                if *s == slot && Some(*p) == process)
        };
        let (now, plan) = (self.now, &self.plan);
        let count =
            self.conns.values().filter(|c| mine(&c.owner) && c.is_counted(now, plan)).count();
        if count > usize::from(self.plan.cap) {
            let detail = format!("{count} sessions of agent {slot}, its cap is {}", self.plan.cap);
            self.broken("5 cap", detail);
        }
    }

    /// A link on which `wake` is not answered is cut.
    pub(super) fn check_here(&mut self, site: usize) {
        let Some(life) = self.sites[site].life() else { return };
        let late = self.links.iter().find(|(_, l)| {
            l.site == site
                && l.known == Some(life)
                && l.object == End::Open
                && l.monitor.woke_at.is_some_and(|at| self.now > at + HERE_MAX)
        });
        if let Some((id, _)) = late {
            let detail = format!("link {id} did not answer `wake`, and is still there");
            self.broken("wake", detail);
        }
    }
}
