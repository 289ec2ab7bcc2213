//! Listens on a link at both ends, and knows what may be said there: states, credit, offers, wakes.
#![allow(clippy::wildcard_enum_match_arm, reason = "it listens for some of the frames")]

use std::collections::{BTreeMap, BTreeSet};

use pierhead_wire::tunnel::{Frame, GoAwayReason, Kind, LinkState, Sender, StreamId};

use crate::sim::answer::Broken;

/// The most credit that may be outstanding.
const CREDIT_MAX: i64 = 16 * 1024 * 1024;

/// Bytes of frames without data, and of headers, that may be under way.
const QUEUE_SPARE: usize = 512 * 1024;

/// What the object that last wrote to a stream of an agent's process calls its life.
pub(super) type Drivers = BTreeMap<(usize, u64, StreamId), u64>;

/// Credit as announced.
#[derive(Clone, Copy, Default, Debug)]
struct Window {
    link: i64,
    stream: i64,
}

/// What one end of a link knows.
#[derive(Debug)]
pub(super) struct Side {
    sender: Sender,
    state: LinkState,
    /// What this end lets the other send, and the other way round.
    mine: Window,
    theirs: Window,
    /// Bytes that this end may send.
    pub(super) may_send: i64,
    /// Bytes that the other end may send, for all this end knows.
    pub(super) may_come: i64,
    /// The same for each stream.
    streams: BTreeMap<StreamId, [i64; 2]>,
    unsettled: BTreeSet<StreamId>,
    /// It said go-away.
    silent: bool,
    /// It heard go-away.
    dismissed: bool,
    /// The copy at the other end (agent's side): epoch and life.
    pub(super) copy: Option<(u64, u64)>,
    /// Lives that the copy had before it slept.
    pub(super) former: BTreeSet<u64>,
}

/// Both ends.
#[derive(Debug)]
pub(super) struct Monitor {
    /// The agent's.
    pub(super) agent: Side,
    /// The object's.
    pub(super) object: Side,
    /// When the object said `wake`, while it was not answered.
    pub(super) woke_at: Option<u64>,
    /// The object was forced to sleep: what it noted is old.
    pub(super) tainted: bool,
    must_wake: bool,
}

impl Side {
    fn new(sender: Sender) -> Self {
        Self {
            sender,
            state: LinkState::New,
            mine: Window::default(),
            theirs: Window::default(),
            may_send: 0,
            may_come: 0,
            streams: BTreeMap::new(),
            unsettled: BTreeSet::new(),
            silent: false,
            dismissed: false,
            copy: None,
            former: BTreeSet::new(),
        }
    }

    /// Whether it was told that the link ends.
    pub(super) fn is_over(&self) -> bool {
        self.silent || self.dismissed
    }

    /// Whether it was granted more than half of its window again, as is due.
    pub(super) fn has_half(&self) -> bool {
        2 * self.may_send >= self.theirs.link
    }

    fn afresh(&mut self) {
        self.may_send = self.theirs.link;
        self.may_come = self.mine.link;
        self.streams.clear();
        self.unsettled.clear();
    }

    fn fresh_stream(&mut self, stream: StreamId) {
        self.streams.insert(stream, [self.theirs.stream, self.mine.stream]);
    }

    fn settle(&mut self, stream: StreamId) {
        self.unsettled.remove(&stream);
        if self.state == LinkState::Settling && self.unsettled.is_empty() {
            self.state = LinkState::Up;
        }
    }

    fn welcome(&mut self) {
        self.afresh_keeping_offers();
        self.state = if self.unsettled.is_empty() { LinkState::Up } else { LinkState::Settling };
    }

    fn afresh_keeping_offers(&mut self) {
        let unsettled = std::mem::take(&mut self.unsettled);
        self.afresh();
        self.unsettled = unsettled;
    }

    fn send(&mut self, stream: StreamId, bytes: usize) -> Result<(), Broken> {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.may_send -= bytes;
        let credit = match self.streams.get_mut(&stream) {
            Some([may_send, _]) => {
                *may_send -= bytes;
                *may_send
            }
            None => {
                let detail =
                    format!("{:?} sends data of {stream:?}, which it has not", self.sender);
                return Err(("2 one life", detail));
            }
        };
        if self.may_send < 0 || credit < 0 {
            let detail = format!(
                "{:?} sends {bytes} bytes of {stream:?}: link {}, stream {credit}",
                self.sender, self.may_send
            );
            return Err(("credit", detail));
        }
        Ok(())
    }

    fn come(&mut self, stream: StreamId, bytes: usize) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.may_come -= bytes;
        if let Some([_, may_come]) = self.streams.get_mut(&stream) {
            *may_come -= bytes;
        }
    }

    fn grant(&mut self, stream: Option<StreamId>, bytes: u32) -> Result<(), Broken> {
        let (credit, window) = match stream {
            None => (&mut self.may_come, self.mine.link),
            Some(stream) => match self.streams.get_mut(&stream) {
                Some([_, may_come]) => (may_come, self.mine.stream),
                None => return Ok(()),
            },
        };
        *credit += i64::from(bytes);
        if *credit > window.min(CREDIT_MAX) {
            let detail = format!(
                "{:?} grants {bytes} on {stream:?}: {credit} are out, the window is {window}",
                self.sender
            );
            return Err(("credit", detail));
        }
        Ok(())
    }

    fn granted(&mut self, stream: Option<StreamId>, bytes: u32) {
        match stream {
            None => self.may_send += i64::from(bytes),
            Some(stream) => {
                if let Some([may_send, _]) = self.streams.get_mut(&stream) {
                    *may_send += i64::from(bytes);
                }
            }
        }
    }

    fn says(&self, frame: &Frame) -> Result<(), Broken> {
        let kind = frame.kind();
        if self.silent {
            return Err(("2 one life", format!("{:?} says {kind} after go-away", self.sender)));
        }
        if kind == Kind::Open && !self.unsettled.is_empty() {
            let detail = format!("open with {:?} unsettled", self.unsettled);
            return Err(("offers first", detail));
        }
        if !kind.allowed(self.sender, self.state) {
            let detail = format!("{:?} says {kind} in {:?}", self.sender, self.state);
            return Err(("2 one life", detail));
        }
        Ok(())
    }

    fn window(stream: u32, link: u32) -> Window {
        Window { link: i64::from(link), stream: i64::from(stream) }
    }

    /// The frames that mean the same whoever says them.
    fn said(&mut self, frame: &Frame) -> Result<(), Broken> {
        match frame {
            Frame::Data(data) => self.send(data.stream, data.bytes.0.len())?,
            Frame::Credit(credit) => self.grant(Some(credit.stream), credit.bytes.0)?,
            Frame::LinkCredit(credit) => self.grant(None, credit.bytes.0)?,
            Frame::Drain(_) => self.state = LinkState::Draining,
            Frame::GoAway(_) => self.silent = true,
            _ => {}
        }
        Ok(())
    }

    fn heard(&mut self, frame: &Frame) {
        match frame {
            Frame::Data(data) => self.come(data.stream, data.bytes.0.len()),
            Frame::Credit(credit) => self.granted(Some(credit.stream), credit.bytes.0),
            Frame::LinkCredit(credit) => self.granted(None, credit.bytes.0),
            Frame::Drain(_) => self.state = LinkState::Draining,
            Frame::GoAway(_) => self.dismissed = true,
            _ => {}
        }
    }
}

impl Default for Monitor {
    fn default() -> Self {
        Self {
            agent: Side::new(Sender::Agent),
            object: Side::new(Sender::Coordinator),
            woke_at: None,
            tainted: false,
            must_wake: false,
        }
    }
}

impl Monitor {
    /// A new life of the object found the link.
    pub(super) fn restored(&mut self, now: u64) {
        self.must_wake = true;
        self.woke_at = Some(now);
        self.object.afresh();
        if self.object.state != LinkState::New && self.object.state != LinkState::Greeted {
            self.object.state = LinkState::Up;
        }
    }

    /// Bytes that may be under way in a direction: all credit there is, frames without data, and
    /// what was sent before a wake.
    pub(super) fn queue_max(&self) -> usize {
        let credit = self.agent.mine.link.max(self.agent.theirs.link);
        2 * usize::try_from(credit).unwrap_or(0) + QUEUE_SPARE
    }

    /// Whether the object waits for something on it: offers to settle, a sign of life.
    pub(super) fn is_unfinished(&self) -> bool {
        self.woke_at.is_some() || !self.object.unsettled.is_empty()
    }

    fn check_reason(&self, frame: &Frame) -> Result<(), Broken> {
        let Frame::GoAway(bye) = frame else { return Ok(()) };
        let fault = matches!(bye.reason, GoAwayReason::Protocol | GoAwayReason::Credit);
        if fault && !self.tainted {
            return Err(("protocol", format!("a link ends: {:?} {:?}", bye.reason, bye.advice)));
        }
        Ok(())
    }

    /// The object says something.
    pub(super) fn object_says(&mut self, frame: &Frame) -> Result<(), Broken> {
        if self.must_wake {
            self.must_wake = false;
            if !matches!(frame, Frame::Wake(_) | Frame::GoAway(_)) {
                return Err(("wake", format!("the first word of a new life is {}", frame.kind())));
            }
        }
        self.check_reason(frame)?;
        self.object.says(frame)?;
        match frame {
            Frame::Welcome(welcome) => {
                let window = Side::window(welcome.stream_credit.0, welcome.link_credit.0);
                self.object.mine = window;
                self.object.welcome();
            }
            Frame::Open(open) => self.object.fresh_stream(open.stream),
            Frame::Adopt(adopt) => {
                self.object.fresh_stream(adopt.stream);
                self.object.settle(adopt.stream);
                self.object.send(adopt.stream, adopt.bytes.0.len())?;
            }
            Frame::Release(release) => self.object.settle(release.stream),
            Frame::Reset(reset) => {
                self.object.streams.remove(&reset.stream);
            }
            _ => {}
        }
        self.object.said(frame)
    }

    /// The object hears something.
    pub(super) fn object_hears(&mut self, frame: &Frame) {
        let waking = self.woke_at.is_some();
        if waking && !matches!(frame, Frame::Here(_) | Frame::Drain(_) | Frame::GoAway(_)) {
            return;
        }
        match frame {
            Frame::Hello(hello) => {
                self.object.state = LinkState::Greeted;
                self.object.theirs = Side::window(hello.stream_credit.0, hello.link_credit.0);
            }
            Frame::Offer(offer) if self.object.state == LinkState::Greeted => {
                self.object.unsettled.extend(offer.streams.iter().map(|s| s.stream));
            }
            // An agent that drains lives.
            Frame::Here(_) | Frame::Drain(_) => self.woke_at = None,
            Frame::Gone(gone) => {
                self.object.settle(gone.stream);
                self.object.streams.remove(&gone.stream);
            }
            Frame::Refused(refused) => {
                self.object.streams.remove(&refused.stream);
            }
            _ => {}
        }
        self.object.heard(frame);
    }

    /// The agent says something.
    pub(super) fn agent_says(&mut self, frame: &Frame) -> Result<(), Broken> {
        self.check_reason(frame)?;
        self.agent.says(frame)?;
        match frame {
            Frame::Hello(hello) => {
                self.agent.state = LinkState::Greeted;
                self.agent.mine = Side::window(hello.stream_credit.0, hello.link_credit.0);
            }
            Frame::Offer(offer) if self.agent.state == LinkState::Greeted => {
                self.agent.unsettled.extend(offer.streams.iter().map(|s| s.stream));
            }
            Frame::Gone(gone) => {
                self.agent.settle(gone.stream);
                self.agent.streams.remove(&gone.stream);
            }
            Frame::Refused(refused) => {
                self.agent.streams.remove(&refused.stream);
            }
            _ => {}
        }
        self.agent.said(frame)
    }

    /// The agent hears something.
    pub(super) fn agent_hears(&mut self, frame: &Frame) {
        match frame {
            Frame::Welcome(welcome) => {
                self.agent.theirs = Side::window(welcome.stream_credit.0, welcome.link_credit.0);
                self.agent.welcome();
                self.agent.copy = Some((welcome.epoch, welcome.object_life));
            }
            Frame::Wake(wake) => {
                self.agent.afresh();
                if self.agent.state == LinkState::Settling {
                    self.agent.state = LinkState::Up;
                }
                self.agent.former.extend(self.agent.copy.map(|(_, life)| life));
                self.agent.copy = Some((wake.epoch, wake.object_life));
            }
            Frame::Open(open) => self.agent.fresh_stream(open.stream),
            Frame::Adopt(adopt) => {
                self.agent.fresh_stream(adopt.stream);
                self.agent.settle(adopt.stream);
                self.agent.come(adopt.stream, adopt.bytes.0.len());
            }
            Frame::Release(release) => self.agent.settle(release.stream),
            _ => {}
        }
        self.agent.heard(frame);
    }
}
