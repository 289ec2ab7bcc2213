//! Links open, speak, fall silent, end.

use bytes::Bytes;
use pierhead_wire::time::Millis;
use pierhead_wire::tunnel::{
    Advice, Drain, DrainReason, Frames, GoAway, GoAwayReason, GoneReason, VERSION, VERSION_OLDEST,
    Welcome,
};

use super::Agent;
use super::dial::Loss;
use super::io::{Level, LinkNo, Output};
use super::limits::LINK_STEADY;
use super::link::{Copy, Link, Phase};
#[cfg(sabotage)]
use super::sabotage::{self, Bug};
use super::shutdown;
use super::stream;
use super::timers::Timer;
use super::window::Allowance;

/// What a link ends of: said to its coordinator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fault {
    pub(super) reason: GoAwayReason,
    pub(super) advice: String,
}

impl Fault {
    pub(super) fn protocol(advice: impl Into<String>) -> Self {
        Self { reason: GoAwayReason::Protocol, advice: advice.into() }
    }

    pub(super) fn credit(advice: impl Into<String>) -> Self {
        Self { reason: GoAwayReason::Credit, advice: advice.into() }
    }
}

impl Agent {
    pub(super) fn link_opened(&mut self, no: LinkNo) {
        if self.links.get(&no).is_some_and(|link| link.phase == Phase::Dialling) {
            self.greet(no);
        }
    }

    pub(super) fn link_refused(&mut self, no: LinkNo, denied: bool, detail: &str) {
        self.closing.remove(&no);
        let Some(link) = self.links.remove(&no) else { return };
        let name = self.name(link.database).to_owned();
        let text = if denied {
            format!(
                "turned away: {detail}; check PIERHEAD_URL, that database `{name}` is configured \
                 there with tunnel=agent, and that the token is one of its two"
            )
        } else {
            format!("cannot dial: {detail}")
        };
        self.log(Level::Warn, Some(no), Some(link.database), text);
        self.redial(&link, if denied { Loss::Denied } else { Loss::Failed });
    }

    pub(super) fn link_closed(&mut self, no: LinkNo, detail: &str) {
        self.closing.remove(&no);
        let Some(link) = self.links.get(&no) else { return };
        let (database, loss) = (link.database, self.loss(link));
        self.log(Level::Info, Some(no), Some(database), format!("link lost: {detail}"));
        self.lose_link(no, loss);
    }

    pub(super) fn loss(&self, link: &Link) -> Loss {
        let steady = |since| self.now.since(since) >= LINK_STEADY;
        if link.welcome_at.is_some_and(steady) { Loss::Steady } else { Loss::Failed }
    }

    pub(super) fn link_alive(&mut self, no: LinkNo) {
        if let Some(link) = self.links.get_mut(&no) {
            link.heard = self.now;
        }
    }

    pub(super) fn link_message(&mut self, no: LinkNo, message: Option<Bytes>) {
        self.link_alive(no);
        let Some(link) = self.links.get(&no) else { return };
        let database = link.database;
        self.count(database, |totals| totals.messages_in = totals.messages_in.saturating_add(1));
        let heard = message.ok_or_else(|| Fault::protocol("a text message, frames are binary"));
        if let Err(fault) = heard.and_then(|message| self.frames(no, message)) {
            let text = format!("link ended by the agent: {}", fault.advice);
            self.log(Level::Warn, Some(no), Some(database), text);
            self.end_link(no, Some((fault.reason, &fault.advice)), Loss::Failed);
        }
    }

    /// Acts on every frame of a message, up to the first fault or the link's end.
    fn frames(&mut self, no: LinkNo, message: Bytes) -> Result<(), Fault> {
        let wrong = |error: pierhead_wire::tunnel::FrameError| Fault::protocol(error.to_string());
        for frame in Frames::new(message).map_err(wrong)? {
            self.frame(no, frame.map_err(wrong)?)?;
            if !self.links.contains_key(&no) {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn welcome(&mut self, no: LinkNo, welcome: &Welcome) -> Result<(), Fault> {
        if !(VERSION_OLDEST..=VERSION).contains(&welcome.version) {
            let advice = format!(
                "version {} of the tunnel, the agent speaks {VERSION_OLDEST} to {VERSION}: update \
                 the older side",
                welcome.version
            );
            return Err(Fault { reason: GoAwayReason::Version, advice });
        }
        let Some(link) = self.links.get_mut(&no) else { return Ok(()) };
        let copy = Copy { epoch: welcome.epoch, object_life: welcome.object_life };
        link.phase = Phase::Welcome(copy);
        link.welcome_at = Some(self.now);
        link.peer_stream_window = welcome.stream_credit.0;
        link.peer_link_window = welcome.link_credit.0;
        link.allowance = Allowance::new(welcome.link_credit.0);
        let (database, offered) = (link.database, link.unsettled.len());
        self.timers.set(Timer::Link(no), self.now + self.settings.ping_every);
        self.forget_replaced(no);
        if !self.choose_copy(no) {
            return Ok(());
        }
        self.count(database, |totals| totals.links = totals.links.saturating_add(1));
        let text = format!("link up: epoch {}, {offered} parked streams offered", welcome.epoch);
        self.log(Level::Info, Some(no), Some(database), text);
        Ok(())
    }

    /// Asks for no more streams on a link.
    pub(super) fn say_drain(&mut self, no: LinkNo, deadline: Millis) {
        let Some(link) = self.links.get_mut(&no) else { return };
        if link.copy().is_none() || link.drain_out {
            return;
        }
        link.drain_out = true;
        if !link.drain_in {
            let deadline_ms = deadline.as_u32();
            self.put(no, Drain { reason: DrainReason::Shutdown, deadline_ms });
        }
    }

    /// Ends a link from our side: says why, closes, and dials again in its time.
    pub(super) fn end_link(&mut self, no: LinkNo, why: Option<(GoAwayReason, &str)>, loss: Loss) {
        if let Some((reason, advice)) = why {
            let advice = Advice::cut(advice);
            self.put(no, GoAway { reason, retry_after_ms: 0, advice });
            self.flush(no);
        }
        if self.links.contains_key(&no) {
            self.closing.insert(no);
            self.emit(Output::CloseLink { link: no });
        }
        self.lose_link(no, loss);
    }

    /// Forgets a link. Its parked streams are nobody's, the others end.
    fn lose_link(&mut self, no: LinkNo, loss: Loss) {
        let Some(link) = self.links.remove(&no) else { return };
        self.timers.clear(Timer::Link(no));
        for id in &link.streams {
            #[cfg(sabotage)]
            if sabotage::active(Bug::CapOnReconnect)
                && let Some(stream) = self.streams.get(id)
            {
                self.uncount(stream.conn);
            }
            let Some(stream) = self.streams.get_mut(id) else { continue };
            stream.owner = None;
            if let stream::Phase::Parked(parked) = &mut stream.phase {
                parked.lost_until = Some(self.now + self.settings.park_ttl);
                let (at, _) = parked.end();
                self.timers.set(Timer::Stream(*id), at);
            } else {
                self.end_stream(*id, GoneReason::Reset);
            }
        }
        if link.phase != Phase::Dialling
            && let Some(database) = self.database_mut(link.database)
        {
            database.ended.push_back(no.0);
            if database.ended.len() > pierhead_wire::limits::TUNNEL_REPLACES_MAX {
                database.ended.pop_front();
            }
        }
        if self.phase == shutdown::Phase::Running {
            self.offer_left(link.database);
        }
        self.redial(&link, loss);
    }

    /// A link is silent, or late with its `welcome`.
    pub(super) fn link_timer(&mut self, no: LinkNo) {
        let Some(link) = self.links.get_mut(&no) else { return };
        let silent_at = link.heard + self.settings.ping_every;
        if link.phase == Phase::Greeted {
            return self.dead(no, "no welcome in time");
        }
        if link.pinged.is_some_and(|at| link.heard < at) {
            return self.dead(no, "no sign of life");
        }
        if silent_at > self.now {
            link.pinged = None;
            self.timers.set(Timer::Link(no), silent_at);
        } else {
            link.pinged = Some(self.now);
            self.timers.set(Timer::Link(no), self.now + self.settings.pong_timeout);
            self.emit(Output::Ping { link: no });
        }
    }

    fn dead(&mut self, no: LinkNo, why: &str) {
        let Some(link) = self.links.get(&no) else { return };
        let (database, loss) = (link.database, self.loss(link));
        self.log(Level::Warn, Some(no), Some(database), format!("link ended by the agent: {why}"));
        self.end_link(no, Some((GoAwayReason::Liveness, why)), loss);
    }
}
