//! What agents say.

use bytes::Bytes;
use pierhead_wire::limits::{TUNNEL_CREDIT_MAX, TUNNEL_MESSAGE_BYTES_MAX};
use pierhead_wire::tunnel::{
    Advice, Data, Frame, Frames, GoAwayReason, Gone, Hello, LinkState, Offer, Offered, Reset,
    ResetReason, Sender, StreamId as WireId, agree,
};

use super::one::Phase as LinkPhase;
use super::stream::Phase;
use super::{Event, Fault, Links, Terms, Windows};
use crate::ids::{LinkId, StreamId};
use crate::limits::GIVEN_UP_MAX;
use crate::time::Millis;

impl Links {
    /// A message has come: each frame is acted on, up to the first that is wrong.
    pub(crate) fn message(&mut self, id: LinkId, message: Option<Bytes>) {
        if !self.links.contains_key(&id) {
            return;
        }
        self.traffic.received += 1;
        let frames = match message.map(Frames::new) {
            Some(Ok(frames)) => frames,
            Some(Err(error)) => return self.fail(id, &protocol(error.to_string())),
            None => {
                let advice =
                    format!("a text message, or more than {TUNNEL_MESSAGE_BYTES_MAX} bytes");
                return self.fail(id, &protocol(advice));
            }
        };
        for frame in frames {
            let done = frame.map_err(|e| protocol(e.to_string())).and_then(|f| self.frame(id, f));
            if let Err(fault) = done {
                return self.fail(id, &fault);
            }
            if !self.links.contains_key(&id) {
                return;
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "what may be sent is checked before")]
    fn frame(&mut self, id: LinkId, frame: Frame) -> Result<(), Fault> {
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let kind = frame.kind();
        let allowed = |state: &LinkState| kind.allowed(Sender::Agent, *state);
        if !link.phase().seen_by_agent().iter().any(allowed) {
            return Err(protocol(format!("frame {kind} must not be sent now")));
        }
        if let LinkPhase::Waking { number } = link.phase() {
            match &frame {
                Frame::Here(here) if here.number == number => {
                    link.enter(LinkPhase::Up);
                    self.events.push_back(Event::Came { link: id });
                    self.woke();
                    return Ok(());
                }
                Frame::GoAway(_) | Frame::Drain(_) => {}
                // Meant for what this object has forgotten.
                _ => return Ok(()),
            }
        }
        match frame {
            Frame::Hello(hello) => return self.hello(id, hello),
            Frame::Offer(offer) => return self.offer(id, offer),
            Frame::GoAway(away) => {
                let detail =
                    format!("the agent ended it: {:?}, {}", away.reason, away.advice.as_str());
                self.end(id, &detail);
            }
            Frame::Drain(_) => {
                link.enter(LinkPhase::Draining);
                self.events.push_back(Event::Draining { link: id });
                self.woke();
            }
            Frame::LinkCredit(credit) => {
                link.send_credit += u64::from(credit.bytes.0);
                check_credit(link.send_credit)?;
                self.pump_link(id);
            }
            Frame::Data(data) => return self.data(id, data),
            Frame::Gone(gone) => self.gone(id, &gone),
            frame => return self.stream_frame(id, frame),
        }
        Ok(())
    }

    fn hello(&mut self, id: LinkId, hello: Hello) -> Result<(), Fault> {
        if agree(hello.newest, hello.oldest).is_none() {
            let advice = format!(
                "the agent speaks versions {} to {}, this coordinator 1: update the older one",
                hello.oldest, hello.newest
            );
            return Err(Fault { reason: GoAwayReason::Version, advice });
        }
        if !hello.databases.iter().any(|database| database.name == self.name) {
            let advice = format!("this coordinator is that of {:?}", self.name.as_str());
            return Err(Fault { reason: GoAwayReason::NotConfigured, advice });
        }
        let instance = hello.options.instance().unwrap_or_default().to_owned();
        let terms = Terms {
            life: hello.life,
            number: hello.link,
            instance,
            park_ttl: Millis(hello.options.park_ttl_ms().unwrap_or(u32::MAX).into()),
            send: Windows { stream: hello.stream_credit.0, link: hello.link_credit.0 },
            receive: self.windows,
        };
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        link.terms = Some(terms);
        link.enter(LinkPhase::Greeted { left: hello.parked.0 });
        self.replace(id, &hello);
        if hello.parked.0 == 0 {
            self.welcome_ready();
        }
        Ok(())
    }

    /// Ends the older links that a new one of the same agent takes over.
    fn replace(&mut self, id: LinkId, hello: &Hello) {
        for number in hello.replaces.iter() {
            let replaced = self.links.iter().find(|&(&other, link)| {
                let same = |t: &Terms| t.life == hello.life && t.number == number;
                other != id && link.terms.as_ref().is_some_and(same)
            });
            if let Some((&other, _)) = replaced {
                let advice = "a newer link takes its place".to_owned();
                self.fail(other, &Fault { reason: GoAwayReason::Replaced, advice });
            }
        }
    }

    fn offer(&mut self, id: LinkId, offer: Offer) -> Result<(), Fault> {
        let keep = self.offers_kept;
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let LinkPhase::Greeted { left } = link.phase() else {
            self.listing = self.listing.filter(|&asked| asked != id);
            let streams = offer.streams.iter().map(own).collect();
            self.events.push_back(Event::Listed { link: id, streams });
            return Ok(());
        };
        let count = u16::try_from(offer.streams.len()).unwrap_or(u16::MAX);
        let Some(left) = left.checked_sub(count).filter(|_| offer.number == 0) else {
            return Err(protocol("more parked streams than announced".to_owned()));
        };
        for offered in offer.streams.iter() {
            if link.offers.len() < keep {
                link.offers.push(own(offered));
            } else {
                link.surplus.push(offered.stream);
            }
        }
        link.enter(LinkPhase::Greeted { left });
        if left == 0 {
            self.welcome_ready();
        }
        Ok(())
    }

    /// A frame of one stream other than data.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what may be sent is checked before")]
    fn stream_frame(&mut self, id: LinkId, frame: Frame) -> Result<(), Fault> {
        let Some((stream, wire)) = self.named(id, &frame) else { return Ok(()) };
        let Some(s) = self.streams.get_mut(&stream) else { return Ok(()) };
        match frame {
            Frame::Credit(credit) => {
                s.send_credit += u64::from(credit.bytes.0);
                check_credit(s.send_credit)?;
                self.pump(stream);
            }
            Frame::Refused(refused) => {
                self.remove(stream);
                let (reason, advice) = (refused.reason, refused.advice.as_str().to_owned());
                self.events.push_back(Event::Refused { stream, reason, advice });
            }
            Frame::Describe(describe) => {
                let blob = Bytes::copy_from_slice(&describe.blob.0);
                self.events.push_back(Event::Described { stream, blob });
            }
            Frame::Cancelled(cancelled) => {
                let (request, proved) = (cancelled.request, cancelled.proved);
                self.events.push_back(Event::Cancelled { stream, request, proved });
            }
            Frame::Finish(_) => {
                let accepted = s.accepted(false);
                self.finish(stream);
                let detail = "the database closed the connection".to_owned();
                self.events.push_back(Event::Broken { stream, accepted, detail });
            }
            Frame::Reset(reset) => {
                let accepted = s.accepted(false);
                s.given_up = true;
                s.queue.clear();
                let detail = format!(
                    "the agent gave {wire:?} up: {:?}, {}",
                    reset.reason,
                    reset.advice.as_str()
                );
                self.events.push_back(Event::Broken { stream, accepted, detail });
            }
            _ => {}
        }
        Ok(())
    }

    /// The stream that a frame names, if it is there.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what may be sent is checked before")]
    fn named(&self, id: LinkId, frame: &Frame) -> Option<(StreamId, WireId)> {
        let wire = match frame {
            Frame::Opened(f) => f.stream,
            Frame::Refused(f) => f.stream,
            Frame::Credit(f) => f.stream,
            Frame::Finish(f) => f.stream,
            Frame::Reset(f) => f.stream,
            Frame::Describe(f) => f.stream,
            Frame::Cancelled(f) => f.stream,
            _ => return None,
        };
        self.by_wire.get(&(id, wire)).map(|&stream| (stream, wire))
    }

    fn data(&mut self, id: LinkId, data: Data) -> Result<(), Fault> {
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let bytes = data.bytes.0;
        let length = bytes.len() as u64;
        let too_much = || Fault {
            reason: GoAwayReason::Credit,
            advice: format!("{length} bytes of data without credit"),
        };
        link.receive_credit = link.receive_credit.checked_sub(length).ok_or_else(too_much)?;
        let Some(&stream) = self.by_wire.get(&(id, data.stream)) else {
            link.owed += length;
            if link.given_up.len() >= GIVEN_UP_MAX {
                return Err(protocol("data of too many streams that are not there".to_owned()));
            }
            if link.given_up.insert(data.stream) {
                link.outbox.frame(Reset {
                    stream: data.stream,
                    reason: ResetReason::UnknownStream,
                    advice: Advice::default(),
                });
            }
            return Ok(());
        };
        let Some(s) = self.streams.get_mut(&stream) else { return Ok(()) };
        s.receive_credit = s.receive_credit.checked_sub(length).ok_or_else(too_much)?;
        s.counters.received += length;
        if s.given_up {
            // Its credit is of no use any more; the link's is.
            if !super::send::leaks_credit() {
                link.owed += length;
            }
            return Ok(());
        }
        s.held += length;
        if s.phase() == Phase::Parked {
            // The database spoke before the agent saw that the stream was to be parked.
            s.enter(Phase::Live);
        }
        self.events.push_back(Event::Data { stream, bytes });
        Ok(())
    }

    fn gone(&mut self, id: LinkId, gone: &Gone) {
        let Some(&stream) = self.by_wire.get(&(id, gone.stream)) else {
            if let Some(link) = self.links.get_mut(&id) {
                link.given_up.remove(&gone.stream);
            }
            return;
        };
        let Some(s) = self.remove(stream) else { return };
        let accepted = s.accepted(gone.nothing_delivered);
        self.events.push_back(Event::Gone { stream, accepted, reason: gone.reason });
    }
}

fn protocol(advice: String) -> Fault {
    Fault { reason: GoAwayReason::Protocol, advice }
}

fn check_credit(credit: u64) -> Result<(), Fault> {
    if credit <= TUNNEL_CREDIT_MAX.into() {
        return Ok(());
    }
    let advice = format!("{credit} bytes of credit, at most {TUNNEL_CREDIT_MAX}");
    Err(Fault { reason: GoAwayReason::Credit, advice })
}

/// A copy of its own, so that the message it came in can be let go.
fn own(mut offered: Offered) -> Offered {
    offered.blob.0 = Bytes::copy_from_slice(&offered.blob.0);
    offered
}
