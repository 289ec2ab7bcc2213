//! Cancel requests: connections that carry one packet.

use bytes::BytesMut;
use pierhead_engine::ids::{ClientId, StreamId};
use pierhead_engine::io::{Input, Terms};

use super::World;
use super::events::Event;
use super::stream::Life as StreamLife;
use crate::sim::message::put_untagged;
use crate::sim::rng::Rng;
use crate::sim::server::CANCEL_CODE;

/// One cancel request.
#[derive(Debug)]
pub(super) struct Errand {
    pub(super) id: ClientId,
    outgoing: BytesMut,
    pub(super) granted: u64,
    handing: bool,
    pub(super) open: bool,
    /// Whose, if its key is the right one.
    pub(super) aims_at: Option<usize>,
    noise: Rng,
}

impl World {
    /// A driver sends a cancel request.
    pub(super) fn send_cancel(&mut self, index: usize, right: bool) {
        let driver = &mut self.drivers[index];
        let Some(mut key) = driver.model.key.clone() else { return };
        if right {
            driver.cancels += 1;
            driver.cancelled = true;
            driver.aimed_at += 1;
        } else {
            key.iter_mut().for_each(|byte| *byte ^= 0x5a);
        }
        self.coverage.add(if right { "cancel: asked" } else { "cancel: wrong key" });
        let mut packet = Vec::new();
        put_untagged(&mut packet, |out| {
            out.extend(CANCEL_CODE.to_be_bytes());
            out.extend(&key);
        });
        let noise = self.rng_of(3, self.errands.len() as u64);
        let id = self.next_client(super::Who::Errand(self.errands.len()));
        let errand = Errand {
            id,
            outgoing: BytesMut::from(&packet[..]),
            granted: 0,
            handing: false,
            open: true,
            aims_at: right.then_some(index),
            noise,
        };
        self.errands.push(errand);
        self.feed(Input::SocketOpened { client: id, terms: Terms::default() });
    }

    pub(super) fn pump_errand(&mut self, index: usize) {
        let near = self.plan.net.near;
        let errand = &mut self.errands[index];
        if errand.handing || !errand.open || errand.granted == 0 || errand.outgoing.is_empty() {
            return;
        }
        errand.handing = true;
        let lag = errand.noise.within(0, near);
        self.after(lag, Event::HandErrand(index));
    }

    pub(super) fn hand_errand(&mut self, index: usize) {
        let crumbs = self.plan.net.crumbs;
        let errand = &mut self.errands[index];
        errand.handing = false;
        if !errand.open {
            return;
        }
        let most = errand.outgoing.len().min(usize::try_from(errand.granted).unwrap_or(0));
        let count = super::net::piece(&mut errand.noise, crumbs, most);
        let bytes = errand.outgoing.split_to(count).freeze();
        errand.granted -= count as u64;
        let (client, done) = (errand.id, errand.outgoing.is_empty());
        self.feed(Input::SocketData { client, bytes });
        if done {
            // Some wait for the end, as they should; others are gone at once.
            let lag = self.errands[index].noise.pick(&[0, 5, 5_000]);
            self.after(lag, Event::ErrandGone(index));
        }
        self.pump_errand(index);
    }

    pub(super) fn errand_gone(&mut self, index: usize) {
        let errand = &mut self.errands[index];
        if errand.open {
            errand.open = false;
            let client = errand.id;
            self.feed(Input::ClientGone { client });
        }
    }

    /// A cancel request reached the server.
    pub(super) fn cancelled_at_server(&mut self, process: i32, secret: i32) {
        let found = self
            .streams
            .iter()
            .find(|(_, s)| s.backend.process == process && s.backend.secret == secret)
            .map(|(id, _)| *id);
        let Some(id) = found else {
            return self.broken("7 cancel", "a cancel request names a process that never was");
        };
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let victim = stream.backend.busy_with().and_then(super::obey::marked_client);
        let hit = stream.backend.cancelled(&mut self.db, self.now);
        self.coverage.add(if hit { "cancel: hit" } else { "cancel: missed" });
        self.note(|_| format!("  cancel reached {:?}, hit {hit}: {victim:?}", StreamId(id)));
        let alive = self.streams.get(&id).is_some_and(|s| s.life != StreamLife::Finished);
        if let Some(number) = victim.filter(|_| hit && alive) {
            self.check_victim(number);
        }
        self.after_backend(id);
    }
}
