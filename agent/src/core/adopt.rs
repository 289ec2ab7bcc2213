//! Parked streams change hands: once per offer.

use pierhead_wire::tunnel::{Adopt, Describe, Gone, GoneReason, StreamId};

use super::Agent;
use super::io::LinkNo;
use super::links::Fault;
#[cfg(sabotage)]
use super::sabotage::{self, Bug};
use super::shutdown;
use super::stream::Phase;
use super::streams::{length, unknown};
use super::timers::Timer;
use super::window::{Allowance, Window};

impl Agent {
    pub(super) fn adopt(&mut self, no: LinkNo, adopt: Adopt) -> Result<(), Fault> {
        let id = adopt.stream;
        self.take_link_credit(no, adopt.bytes.0.len())?;
        if let Some(link) = self.links.get_mut(&no) {
            link.unsettled.remove(&id);
        }
        if let Some(gone) = self.no_adoption(no, &adopt) {
            self.give_back(no, length(&adopt.bytes.0));
            self.say_gone(no, gone, false);
            return Ok(());
        }
        self.take_over(no, id);
        if adopt.describe {
            self.describe_again(no, id);
        }
        if adopt.bytes.0.is_empty() {
            return Ok(());
        }
        self.take_in(id, adopt.bytes.0)
    }

    /// The answer, if the stream cannot be adopted. Nothing of the adopter's bytes is delivered
    /// then; the flag is false only for a coordinator that adopts what it uses already.
    fn no_adoption(&mut self, no: LinkNo, adopt: &Adopt) -> Option<Gone> {
        let id = adopt.stream;
        if self.phase != shutdown::Phase::Running {
            let reason = GoneReason::Draining;
            return Some(Gone { stream: id, nothing_delivered: true, reason });
        }
        let in_use = self.owns(no, id)
            && self.streams.get(&id).is_some_and(|stream| stream.phase == Phase::Open);
        if !self.adoptable(no, id) {
            if in_use {
                self.end_stream(id, GoneReason::Unknown);
            }
            return Some(unknown(id, !in_use));
        }
        let same = |stream: &super::stream::Stream| stream.counters == adopt.counters;
        if !self.streams.get(&id).is_some_and(same) {
            self.end_stream(id, GoneReason::Counters);
            let reason = GoneReason::Counters;
            return Some(Gone { stream: id, nothing_delivered: true, reason });
        }
        None
    }

    /// True if the stream is parked, and this link's or offered here and nobody's.
    fn adoptable(&self, no: LinkNo, id: StreamId) -> bool {
        let Some(stream) = self.streams.get(&id) else { return false };
        let offered = self.links.get(&no).is_some_and(|link| link.offered.contains(&id));
        #[cfg(sabotage)]
        if sabotage::active(Bug::OfferTwice) && offered {
            return !matches!(stream.phase, Phase::Ending(_));
        }
        stream.parked().is_some()
            && match stream.owner {
                Some(owner) => owner == no,
                None => offered,
            }
    }

    /// The stream is this link's from here on, with fresh credit.
    fn take_over(&mut self, no: LinkNo, id: StreamId) {
        let Some(link) = self.links.get_mut(&no) else { return };
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let database = stream.database;
        stream.owner = Some(no);
        stream.window = Window::new(self.settings.stream_window);
        stream.allowance = Allowance::new(link.peer_stream_window);
        link.streams.insert(id);
        link.offered.remove(&id);
        #[cfg(not(sabotage))]
        let offered_once = true;
        #[cfg(sabotage)]
        let offered_once = !sabotage::active(Bug::OfferTwice);
        if offered_once {
            for other in self.links.values_mut().filter(|link| link.no != no) {
                other.offered.remove(&id);
            }
        }
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if let Phase::Parked(parked) = &mut stream.phase {
            parked.lost_until = None;
            let (at, _) = parked.end();
            self.timers.set(Timer::Stream(id), at);
        }
        self.changed.stream(id);
        self.log_stream(id, || "adopted".to_owned());
        self.count(database, |totals| totals.adopted = totals.adopted.saturating_add(1));
    }

    fn describe_again(&mut self, no: LinkNo, id: StreamId) {
        let Some(stream) = self.streams.get(&id) else { return };
        let kept = stream.description.clone().unwrap_or_default();
        self.put(no, Describe { stream: id, cancel: kept.cancel, blob: kept.blob });
    }

    /// True if the stream is nobody's, and may be adopted on another link.
    fn offered_elsewhere(&self, no: LinkNo, id: StreamId) -> bool {
        self.links.values().any(|link| link.no != no && link.offered.contains(&id))
    }

    /// The coordinator has no use for a parked stream.
    pub(super) fn release(&mut self, no: LinkNo, id: StreamId) {
        let Some(link) = self.links.get_mut(&no) else { return };
        link.unsettled.remove(&id);
        if self.owns(no, id) {
            self.end_stream(id, GoneReason::Released);
        } else if self.offered_elsewhere(no, id) {
            // The coordinator may have adopted it there, and the release overtaken the adoption.
            let reason = GoneReason::Released;
            self.say_gone(no, Gone { stream: id, nothing_delivered: true, reason }, false);
        } else if self.adoptable(no, id) {
            self.take_over(no, id);
            self.end_stream(id, GoneReason::Released);
        } else {
            self.say_gone(no, unknown(id, true), false);
        }
    }
}
