//! What the core has done on links.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use pierhead_wire::limits::TUNNEL_DATA_BYTES_MAX;
use pierhead_wire::tunnel::{
    Adopt, Advice, Amount, Blob, Cancel, Counters, Credit, Describe, Finish, LinkCredit, Open,
    Park, Payload, Release, Reset, ResetReason, StreamId as WireId,
};

use super::stream::{Phase, Stream};
use super::{Attachment, Fingerprint, Links, Row};
use crate::ids::{LinkId, StreamId};
use crate::io::Output;
use crate::parts::Parts;
use crate::time::Millis;

/// Credit is granted by a message of its own when this part of a window is due...
const GRANT_DUE: u64 = 2;
/// ... and with a message that is sent anyway when this part is.
const GRANT_RIDE: u64 = 16;

impl Links {
    /// Opens a stream; bytes may be written to it at once.
    pub(crate) fn open(&mut self, id: LinkId, stream: StreamId) {
        if !opens_before_settled() {
            self.settle(id);
        }
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(terms) = &link.terms else { return };
        link.last_index += 1;
        let wire = WireId { link: terms.number, index: link.last_index };
        link.outbox.frame(Open { stream: wire, database: self.name.clone() });
        let counters = Counters { sent: 0, received: 0 };
        let one = Stream::new(id, wire, Phase::Live, counters, terms.send, terms.receive);
        self.streams.insert(stream, one);
        self.by_wire.insert((id, wire), stream);
    }

    /// The session on a stream is open: `cancel` is what cancels its requests.
    pub(crate) fn describe(&mut self, stream: StreamId, cancel: Bytes, blob: Bytes) {
        let Some(s) = self.streams.get(&stream) else { return };
        let Some(link) = self.links.get_mut(&s.link) else { return };
        link.outbox.frame(Describe { stream: s.wire, cancel: Blob(cancel), blob: Blob(blob) });
    }

    /// Takes over a stream that the agent holds parked. With the first bytes that are written to
    /// it, or at once without any if the agent waits for the decision (`offered`).
    pub(crate) fn adopt(
        &mut self,
        id: LinkId,
        stream: StreamId,
        (wire, counters): (WireId, Counters),
        describe: bool,
        offered: bool,
    ) {
        let Some(terms) = self.terms(id) else { return };
        let phase = Phase::Waiting { describe, offered };
        let one = Stream::new(id, wire, phase, counters, terms.send, terms.receive);
        self.streams.insert(stream, one);
        self.by_wire.insert((id, wire), stream);
        if offered && let Some(link) = self.links.get_mut(&id) {
            link.settling.push(stream);
        }
    }

    /// Does not take over a stream that was offered.
    pub(crate) fn decline(&mut self, id: LinkId, wire: WireId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.outbox.frame(Release { stream: wire });
    }

    /// Lets the agent end a parked stream. Answered by [`super::Event::Gone`].
    pub(crate) fn release(&mut self, stream: StreamId) {
        let Some(s) = self.streams.get_mut(&stream) else { return };
        let Some(link) = self.links.get_mut(&s.link) else { return };
        s.given_up = true;
        s.queue.clear();
        link.settling.retain(|&other| other != stream);
        link.outbox.frame(Release { stream: s.wire });
    }

    /// Lets the agent hold a stream that is at rest.
    pub(crate) fn park(&mut self, stream: StreamId, max_idle: Millis, expires_in: Millis) {
        let Some(s) = self.streams.get_mut(&stream) else { return };
        let Some(link) = self.links.get_mut(&s.link) else { return };
        if s.phase() != Phase::Live {
            return;
        }
        debug_assert!(s.queue.is_empty() || super::parks_half_sent(), "nothing is queued");
        s.queue.clear();
        s.enter(Phase::Parked);
        link.outbox.frame(Park {
            stream: s.wire,
            counters: s.counters,
            max_idle_ms: max_idle.as_u32(),
            expires_in_ms: expires_in.as_u32(),
        });
    }

    /// Has the agent cancel what runs on a stream; the number is that of
    /// [`super::Event::Cancelled`].
    pub(crate) fn cancel(&mut self, stream: StreamId) -> Option<u32> {
        let s = self.streams.get(&stream)?;
        let link = self.links.get_mut(&s.link)?;
        self.numbers += 1;
        link.outbox.frame(Cancel { stream: s.wire, request: self.numbers });
        Some(self.numbers)
    }

    /// Gives a stream up. Answered by [`super::Event::Gone`].
    pub(crate) fn reset(&mut self, stream: StreamId) {
        let Some(s) = self.streams.get_mut(&stream) else { return };
        if std::mem::replace(&mut s.given_up, true) {
            return;
        }
        s.queue.clear();
        let Some(link) = self.links.get_mut(&s.link) else { return };
        let (reason, advice) = (ResetReason::Abandoned, Advice::default());
        link.outbox.frame(Reset { stream: s.wire, reason, advice });
    }

    /// Answers the agent's `finish`: what was written has arrived.
    pub(super) fn finish(&mut self, stream: StreamId) {
        let Some(s) = self.streams.get_mut(&stream) else { return };
        if std::mem::replace(&mut s.given_up, true) {
            return;
        }
        s.queue.clear();
        let Some(link) = self.links.get_mut(&s.link) else { return };
        link.outbox.frame(Finish { stream: s.wire });
    }

    /// The core waits no longer for a stream's end.
    pub(crate) fn forget(&mut self, stream: StreamId) {
        if let Some(s) = self.remove(stream)
            && let Some(link) = self.links.get_mut(&s.link)
        {
            link.given_up.insert(s.wire);
        }
    }

    /// Takes a stream out of the tables; what it held of the link's credit is given back.
    pub(super) fn remove(&mut self, stream: StreamId) -> Option<Stream> {
        let s = self.streams.remove(&stream)?;
        self.by_wire.remove(&(s.link, s.wire));
        if let Some(link) = self.links.get_mut(&s.link) {
            if !leaks_credit() {
                link.owed += s.held;
            }
            link.owing.remove(&stream);
            link.blocked.retain(|&other| other != stream);
            link.settling.retain(|&other| other != stream);
        }
        Some(s)
    }

    // ---- Bytes -----------------------------------------------------------------------------------

    /// Sends bytes as far as credit allows, and the rest when it comes. Un-parks the stream.
    pub(crate) fn write(&mut self, stream: StreamId, bytes: Parts) {
        let Some(s) = self.streams.get_mut(&stream) else { return };
        if s.given_up {
            return;
        }
        s.queue.extend(bytes.into_iter().filter(|bytes| !bytes.is_empty()));
        self.pump(stream);
    }

    /// Sends what is queued for a stream, as far as credit allows.
    pub(super) fn pump(&mut self, stream: StreamId) {
        while self.send_chunk(stream) {}
        let Some(s) = self.streams.get(&stream) else { return };
        let Some(link) = self.links.get_mut(&s.link) else { return };
        let waits_for_link = !s.queue.is_empty() && s.send_credit > 0;
        if waits_for_link && !link.blocked.contains(&stream) {
            link.blocked.push_back(stream);
        }
    }

    /// Shares new credit of a link among the streams that wait for it, a frame each in turn.
    pub(super) fn pump_link(&mut self, id: LinkId) {
        loop {
            let Some(link) = self.links.get_mut(&id) else { return };
            if link.send_credit == 0 {
                return;
            }
            let Some(stream) = link.blocked.pop_front() else { return };
            self.send_chunk(stream);
            let more = self.streams.get(&stream);
            if more.is_some_and(|s| !s.queue.is_empty() && s.send_credit > 0)
                && let Some(link) = self.links.get_mut(&id)
            {
                link.blocked.push_back(stream);
            }
        }
    }

    /// Sends one frame of a stream's data. False if there is none, or no credit.
    fn send_chunk(&mut self, stream: StreamId) -> bool {
        let Some(s) = self.streams.get_mut(&stream) else { return false };
        let Some(link) = self.links.get_mut(&s.link) else { return false };
        let credit = usize::try_from(s.send_credit.min(link.send_credit)).unwrap_or(usize::MAX);
        let Some(chunk) = next_chunk(&mut s.queue, credit.min(TUNNEL_DATA_BYTES_MAX)) else {
            return false;
        };
        let length = chunk.len() as u64;
        s.send_credit -= length;
        link.send_credit -= length;
        if let Phase::Waiting { describe, .. } = s.phase() {
            let (stream, counters, bytes) = (s.wire, s.counters, Payload(chunk));
            link.outbox.frame(Adopt { stream, counters, describe, bytes });
        } else {
            link.outbox.data(s.wire, chunk);
        }
        s.enter(Phase::Live);
        s.counters.sent += length;
        true
    }

    /// So many bytes of a stream have left the engine's buffers.
    pub(crate) fn grant(&mut self, stream: StreamId, bytes: usize) {
        let Some(s) = self.streams.get_mut(&stream) else { return };
        let Some(link) = self.links.get_mut(&s.link) else { return };
        let bytes = s.held.min(bytes as u64);
        s.held -= bytes;
        s.owed += bytes;
        link.owed += bytes;
        link.owing.insert(stream);
        if s.owed >= u64::from(s.window) / GRANT_DUE {
            self.grant_stream(stream);
        }
    }

    fn grant_stream(&mut self, stream: StreamId) {
        let Some(s) = self.streams.get_mut(&stream) else { return };
        let Some(link) = self.links.get_mut(&s.link) else { return };
        let owed = std::mem::take(&mut s.owed);
        link.owing.remove(&stream);
        s.receive_credit += owed;
        if let Some(bytes) = amount(owed) {
            link.outbox.frame(Credit { stream: s.wire, bytes });
        }
    }

    fn grant_link(&mut self, id: LinkId, part: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let window = link.terms.as_ref().map_or(0, |terms| terms.receive.link);
        if link.owed > 0 && link.owed >= u64::from(window) / part {
            let owed = std::mem::take(&mut link.owed);
            link.receive_credit += owed;
            if let Some(bytes) = amount(owed) {
                link.outbox.frame(LinkCredit { bytes });
            }
        }
    }

    // ---- Messages --------------------------------------------------------------------------------

    /// Tells the agent which of the streams it offered are taken without a request to send.
    fn settle(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        for stream in std::mem::take(&mut link.settling) {
            let Some(s) = self.streams.get_mut(&stream) else { continue };
            if let Phase::Waiting { describe, .. } = s.phase() {
                let (stream, counters, bytes) = (s.wire, s.counters, Payload::default());
                link.outbox.frame(Adopt { stream, counters, describe, bytes });
                s.enter(Phase::Parked);
            }
        }
    }

    /// Puts what is to be sent into messages, at the end of each input.
    pub(crate) fn flush(&mut self, out: &mut VecDeque<Output>) {
        if !self.outputs.is_empty() {
            out.append(&mut self.outputs);
        }
        let mut next = 0;
        while let Some(id) = self.links.nth(next) {
            next += 1;
            self.settle(id);
            self.grant_link(id, GRANT_DUE);
            self.ride(id);
            let Some(link) = self.links.get_mut(&id) else { continue };
            for message in link.outbox.take() {
                self.traffic.sent += 1;
                out.push_back(Output::SendLink { link: id, message });
            }
        }
    }

    /// Grants ride on what is sent anyway.
    fn ride(&mut self, id: LinkId) {
        let Some(link) = self.links.get(&id) else { return };
        if link.outbox.is_empty() {
            return;
        }
        let due = |stream: &&StreamId| {
            let s = self.streams.get(stream);
            s.is_some_and(|s| s.owed >= u64::from(s.window) / GRANT_RIDE)
        };
        let due: Vec<StreamId> = link.owing.iter().filter(due).copied().collect();
        for stream in due {
            self.grant_stream(stream);
        }
        self.grant_link(id, GRANT_RIDE);
    }

    /// Keeps with a link what a later life of the object needs: its parked sessions.
    pub(crate) fn attach(
        &mut self,
        id: LinkId,
        fingerprint: Fingerprint,
        rows: Vec<Row>,
        out: &mut VecDeque<Output>,
    ) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let (Some(terms), Some(epoch)) = (link.terms.clone(), link.epoch) else { return };
        let last_index = link.last_index;
        let attachment =
            Attachment { fingerprint, epoch, terms, last_index, more: false, rows }.encode();
        if attachment != link.attached {
            link.attached = attachment.clone();
            out.push_back(Output::Attach { link: id, attachment });
        }
    }
}

/// The next bytes of a queue, at most `most`; small pieces are joined.
fn next_chunk(queue: &mut VecDeque<Bytes>, most: usize) -> Option<Bytes> {
    if most == 0 {
        return None;
    }
    let mut first = queue.pop_front()?;
    if first.len() > most {
        let chunk = first.split_to(most);
        queue.push_front(first);
        return Some(chunk);
    }
    if first.len() == most || queue.is_empty() {
        return Some(first);
    }
    let mut joined = BytesMut::from(first.as_ref());
    while joined.len() < most
        && let Some(mut next) = queue.pop_front()
    {
        let room = (most - joined.len()).min(next.len());
        joined.extend_from_slice(&next.split_to(room));
        if !next.is_empty() {
            queue.push_front(next);
        }
    }
    Some(joined.freeze())
}

/// A grant on the wire. Windows are within its limit, so what is owed of one is.
fn amount(owed: u64) -> Option<Amount> {
    u32::try_from(owed).ok().filter(|&owed| owed > 0).map(Amount)
}

#[cfg(sabotage)]
pub(super) fn leaks_credit() -> bool {
    crate::sabotage::active(crate::sabotage::Bug::CreditLeak)
}

#[cfg(not(sabotage))]
pub(super) const fn leaks_credit() -> bool {
    false
}

#[cfg(sabotage)]
fn opens_before_settled() -> bool {
    crate::sabotage::active(crate::sabotage::Bug::OpenBeforeSettled)
}

#[cfg(not(sabotage))]
const fn opens_before_settled() -> bool {
    false
}
