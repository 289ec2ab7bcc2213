//! The coordinator's end of our own tunnel (`docs/protocol.md`, section 2): links, the streams on
//! them, credit, parking. Knows frames and nothing of pools: what to open, park, adopt or release
//! is told by [`crate::core`], which reads [`Event`]s.

mod attachment;
mod blob;
mod event;
mod one;
mod receive;
mod send;
mod stream;

use std::collections::VecDeque;

use bytes::Bytes;
use pierhead_wire::limits::TUNNEL_CREDIT_MAX;
use pierhead_wire::tunnel::{
    Advice, Amount, Counters, GoAway, GoAwayReason, ListParked, Name, Options, StreamId as WireId,
    Wake, Welcome,
};

pub(crate) use self::attachment::{Attachment, Row, Terms, Windows};
pub(crate) use self::blob::{Fingerprint, Portrait};
pub(crate) use self::event::{Event, Lost};
use self::one::{Link, Phase as LinkPhase};
pub use self::stream::STREAMS;
use self::stream::Stream;
use crate::ids::{LinkId, StreamId};
use crate::io::Output;
use crate::limits::{HELLO_TIMEOUT, HERE_TIMEOUT, LINKS_MAX, READ_WINDOW};
use crate::settings::Settings;
use crate::table::Table;

/// What the coordinator says of itself.
const RELEASE: &str = concat!("coordinator ", env!("CARGO_PKG_VERSION"));

/// Messages exchanged with agents.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

/// All links of one coordinator.
#[derive(Debug)]
pub(crate) struct Links {
    name: Name,
    object_life: u64,
    windows: Windows,
    /// Offers that are kept; more than the pool can use are released.
    offers_kept: usize,
    links: Table<LinkId, Link>,
    streams: Table<StreamId, Stream>,
    by_wire: Table<(LinkId, WireId), StreamId>,
    /// The epoch is being raised.
    raising: bool,
    /// Numbers of `wake` and `list`.
    numbers: u32,
    /// Who was asked what it holds parked, and has not answered.
    listing: Option<LinkId>,
    events: VecDeque<Event>,
    /// What must be done before what is flushed: ends of links.
    outputs: VecDeque<Output>,
    traffic: Traffic,
}

/// What ends a link.
pub(super) struct Fault {
    reason: GoAwayReason,
    advice: String,
}

impl Links {
    pub(crate) fn new(settings: &Settings, object_life: u64) -> Self {
        // A reader that stands still holds its stream's window. The link's is the sum of all, so
        // that it never holds up its neighbours.
        let pool = u32::try_from(settings.pool_size.max(1)).unwrap_or(u32::MAX);
        let stream = (TUNNEL_CREDIT_MAX / pool).min(READ_WINDOW as u32).max(1);
        let link = stream.saturating_mul(pool).clamp(stream, TUNNEL_CREDIT_MAX);
        Self {
            name: Name::cut(&settings.name),
            object_life,
            windows: Windows { stream, link },
            offers_kept: settings.pool_size.saturating_mul(2),
            links: Table::default(),
            streams: Table::default(),
            by_wire: Table::default(),
            raising: false,
            numbers: 0,
            listing: None,
            events: VecDeque::new(),
            outputs: VecDeque::new(),
            traffic: Traffic::default(),
        }
    }

    /// True if there is no link.
    pub(crate) fn is_empty(&self) -> bool {
        self.links.len() == 0
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub(crate) fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Links that were welcomed and carry streams.
    pub(crate) fn count(&self) -> usize {
        self.links.values().filter(|link| link.epoch.is_some()).count()
    }

    /// The epoch of this copy, while a link carries it.
    pub(crate) fn epoch(&self) -> Option<u64> {
        self.links.values().filter_map(|link| link.epoch).max()
    }

    // ---- What happens to links -----------------------------------------------------------------

    pub(crate) fn opened(&mut self, id: LinkId) {
        self.links.insert(id, Link::new());
        if self.links.len() > LINKS_MAX {
            let advice = format!("at most {LINKS_MAX} links at a time");
            self.fail(id, &Fault { reason: GoAwayReason::TooMany, advice });
        } else {
            self.events.push_back(Event::Await { link: id, within: HELLO_TIMEOUT });
        }
    }

    /// The object woke; what it noted of this link's streams is handed to the core.
    pub(crate) fn restored(&mut self, id: LinkId, attachment: Bytes, wanted: Fingerprint) {
        self.links.insert(id, Link::new());
        let Some(attachment) = Attachment::decode(attachment) else {
            let advice = "the coordinator slept before it knew this link: dial again".to_owned();
            return self.fail(id, &Fault { reason: GoAwayReason::Protocol, advice });
        };
        self.numbers += 1;
        let number = self.numbers;
        let Attachment { fingerprint, epoch, terms, last_index, more, rows } = attachment;
        let Some(link) = self.links.get_mut(&id) else { return };
        link.terms = Some(terms);
        link.epoch = Some(epoch);
        link.last_index = last_index;
        link.refresh_credit();
        link.enter(LinkPhase::Waking { number });
        link.outbox.frame(Wake { number, epoch, object_life: self.object_life });
        if more {
            self.numbers += 1;
            link.outbox.frame(ListParked { number: self.numbers });
        }
        self.events.push_back(Event::Await { link: id, within: HERE_TIMEOUT });
        let usable = fingerprint == wanted;
        self.events.push_back(Event::Noted { link: id, rows, usable });
    }

    /// The WebSocket is gone.
    pub(crate) fn closed(&mut self, id: LinkId, detail: &str) {
        if self.links.contains_key(&id) {
            self.drop_link(id, detail);
        }
    }

    /// What was awaited on this link did not come in time.
    pub(crate) fn overdue(&mut self, id: LinkId) {
        let Some(link) = self.links.get(&id) else { return };
        let advice = match link.phase() {
            LinkPhase::Opened => "no hello in time",
            LinkPhase::Greeted { .. } => "the offers or the epoch took too long",
            LinkPhase::Waking { .. } => "no sign of life after a wake",
            LinkPhase::Up | LinkPhase::Draining => return,
        };
        let fault = Fault { reason: GoAwayReason::Liveness, advice: advice.to_owned() };
        self.fail(id, &fault);
    }

    /// The new epoch is stored.
    pub(crate) fn epoch_raised(&mut self, epoch: u64) {
        self.raising = false;
        self.welcome_all(epoch);
    }

    /// Welcomes every link whose offers are here, as soon as may be, if the epoch is known; else asks for one.
    fn welcome_ready(&mut self) {
        match self.epoch() {
            Some(epoch) => self.welcome_all(epoch),
            None if self.raising => {}
            None => {
                self.raising = true;
                self.outputs.push_back(Output::RaiseEpoch);
            }
        }
    }

    fn welcome_all(&mut self, epoch: u64) {
        let ready = |(&id, link): (&LinkId, &Link)| {
            (link.phase() == LinkPhase::Greeted { left: 0 } && !self.slept_beside(link))
                .then_some(id)
        };
        let ready: Vec<LinkId> = self.links.iter().filter_map(ready).collect();
        for id in ready {
            self.welcome(id, epoch);
        }
    }

    /// True while the agent of this link has others that it takes for another copy's: it has not
    /// heard yet that the object woke. Welcomed now, it would end them, with what runs there.
    fn slept_beside(&self, link: &Link) -> bool {
        let life = |link: &Link| link.terms.as_ref().map(|terms| terms.life);
        let wakes = |other: &Link| matches!(other.phase(), LinkPhase::Waking { .. });
        self.links.values().any(|other| wakes(other) && life(other) == life(link))
    }

    /// A link does not wake any more: what waited for that is welcomed.
    fn woke(&mut self) {
        let greeted = |link: &Link| link.phase() == LinkPhase::Greeted { left: 0 };
        if self.links.values().any(greeted) {
            self.welcome_ready();
        }
    }

    fn welcome(&mut self, id: LinkId, epoch: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.epoch = Some(epoch);
        link.refresh_credit();
        link.enter(LinkPhase::Up);
        link.outbox.frame(Welcome {
            version: pierhead_wire::tunnel::VERSION,
            epoch,
            object_life: self.object_life,
            stream_credit: Amount(self.windows.stream),
            link_credit: Amount(self.windows.link),
            options: Options::named(RELEASE),
        });
        let offers = std::mem::take(&mut link.offers);
        let surplus = std::mem::take(&mut link.surplus);
        self.events.push_back(Event::Up { link: id, offers, surplus });
    }

    /// Ends a link for a reason that its agent is told.
    fn fail(&mut self, id: LinkId, fault: &Fault) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.outbox.frame(GoAway {
            reason: fault.reason,
            retry_after_ms: 0,
            advice: Advice::cut(&fault.advice),
        });
        self.end(id, &fault.advice);
    }

    /// Closes a link after what is to be sent on it.
    fn end(&mut self, id: LinkId, detail: &str) {
        if let Some(link) = self.links.get_mut(&id) {
            let messages = link.outbox.take();
            self.traffic.sent += messages.len() as u64;
            let send = |message| Output::SendLink { link: id, message };
            self.outputs.extend(messages.into_iter().map(send));
            self.outputs.push_back(Output::CloseLink { link: id, reason: "go-away" });
        }
        self.drop_link(id, detail);
    }

    /// Forgets a link; the core hears what became of its streams.
    fn drop_link(&mut self, id: LinkId, detail: &str) {
        let Some(link) = self.links.remove(&id) else { return };
        let mine = |(&stream, s): (&StreamId, &Stream)| (s.link == id).then_some(stream);
        let ids: Vec<StreamId> = self.streams.iter().filter_map(mine).collect();
        let mut lost = Vec::new();
        for stream in ids {
            let Some(gone) = self.streams.remove(&stream) else { continue };
            self.by_wire.remove(&(id, gone.wire));
            lost.push(Lost {
                stream,
                wire: gone.wire,
                counters: gone.counters,
                parked: gone.is_parked(),
                accepted: gone.accepted(false),
            });
        }
        let terms = link.terms.filter(|_| link.epoch.is_some());
        let detail = detail.to_owned();
        self.events.push_back(Event::Down { link: id, terms, lost, detail });
        self.woke();
    }

    // ---- Looking ---------------------------------------------------------------------------------

    /// Asks an agent what it holds parked: its offers describe sessions that this life has not seen.
    pub(crate) fn list(&mut self) {
        if self.listing.is_some_and(|asked| self.links.contains_key(&asked)) {
            return;
        }
        let holder = self.streams.values().find(|stream| stream.is_parked()).map(|s| s.link);
        let Some(link) = holder.and_then(|id| self.links.get_mut(&id)) else { return };
        self.listing = holder;
        self.numbers += 1;
        link.outbox.frame(ListParked { number: self.numbers });
    }

    /// The link on which a stream is to be opened: the one with the fewest, of those that take any.
    pub(crate) fn best(&self) -> Option<LinkId> {
        let load = |id: LinkId| self.streams.values().filter(|s| s.link == id).count();
        let able = self.links.iter().filter(|(_, link)| link.takes_streams());
        able.map(|(&id, _)| id).min_by_key(|&id| (load(id), id))
    }

    /// True if the stream is there and its agent holds it parked.
    pub(crate) fn is_parked(&self, stream: StreamId) -> bool {
        self.streams.get(&stream).is_some_and(Stream::is_parked)
    }

    /// What a link's agent may still send, what will be granted again, and the whole window.
    pub(crate) fn credit(&self, id: LinkId) -> Option<[u64; 3]> {
        let link = self.links.get(&id)?;
        let window = link.terms.as_ref()?.receive.link;
        let held = self.streams.values().filter(|s| s.link == id).map(|s| s.held);
        Some([link.receive_credit, link.owed + held.sum::<u64>(), window.into()])
    }

    /// The link that carries a stream.
    pub(crate) fn link_of(&self, stream: StreamId) -> Option<LinkId> {
        self.streams.get(&stream).map(|s| s.link)
    }

    /// A link's agent: its life, and what names it across restarts.
    pub(crate) fn terms(&self, link: LinkId) -> Option<&Terms> {
        self.links.get(&link)?.terms.as_ref()
    }

    /// True if any link is of this life of an agent.
    pub(crate) fn has_life(&self, life: pierhead_wire::tunnel::AgentLife) -> bool {
        self.links.values().any(|l| l.terms.as_ref().is_some_and(|t| t.life == life))
    }

    /// A stream's name and counters on the wire.
    pub(crate) fn wire_of(&self, stream: StreamId) -> Option<(WireId, Counters)> {
        self.streams.get(&stream).map(|s| (s.wire, s.counters))
    }

    /// True if the agent of a stream's link wants no new work.
    pub(crate) fn drains(&self, stream: StreamId) -> bool {
        let link = self.streams.get(&stream).and_then(|s| self.links.get(&s.link));
        link.is_some_and(|link| link.phase() == LinkPhase::Draining)
    }

    /// True if something written to the stream waits for credit.
    pub(crate) fn has_queued(&self, stream: StreamId) -> bool {
        self.streams.get(&stream).is_some_and(|s| !s.queue.is_empty())
    }

    /// Bytes written to the stream that wait for credit.
    pub(crate) fn queued(&self, stream: StreamId) -> usize {
        let bytes = |s: &Stream| s.queue.iter().map(Bytes::len).sum();
        self.streams.get(&stream).map_or(0, bytes)
    }

    /// The stream of this name on this link.
    pub(crate) fn knows(&self, link: LinkId, wire: WireId) -> bool {
        self.by_wire.contains_key(&(link, wire))
    }

    /// True if another link of the same agent carries the stream of this name.
    pub(crate) fn is_elsewhere(&self, link: LinkId, wire: WireId) -> bool {
        let Some(life) = self.terms(link).map(|terms| terms.life) else { return false };
        self.by_wire.keys().any(|&(other, name)| {
            other != link && name == wire && self.terms(other).is_some_and(|t| t.life == life)
        })
    }

    /// Every link that was welcomed.
    pub(crate) fn welcomed(&self) -> Vec<LinkId> {
        let welcomed = |(&id, link): (&LinkId, &Link)| link.epoch.map(|_| id);
        self.links.iter().filter_map(welcomed).collect()
    }
}

#[cfg(sabotage)]
pub(crate) fn parks_half_sent() -> bool {
    crate::sabotage::active(crate::sabotage::Bug::ParkHalfSent)
}

#[cfg(not(sabotage))]
const fn parks_half_sent() -> bool {
    false
}
