//! What agents do: links come and go, streams are offered, refused, lost.

use std::sync::Arc;

use bytes::Bytes;
use pierhead_wire::tunnel::{GoneReason, Offered, RefusedReason, StreamId as WireId};

use crate::core::{Carrier, Engine};
use crate::ids::{LinkId, SessionId, StreamId};
use crate::io::{Level, Refusal, RefusalKind};
use crate::limits::LOST_TIMEOUT;
use crate::link::{Event, Lost, Portrait, Row, Terms};
use crate::pool::session::{Remote, Session, State, Why};
use crate::pool::timers::Target;
use crate::settings::Way;
use crate::time::{Instant, Millis, Reason};

impl Engine {
    /// Acts on everything that the links have to tell.
    #[inline]
    pub(super) fn link_events(&mut self) {
        while let Some(event) = self.links.poll_event() {
            self.link_event(event);
        }
    }

    fn link_event(&mut self, event: Event) {
        match event {
            Event::Await { link, within } => {
                let at = self.now + within;
                self.timers.set(Target::Link(link), Reason::LinkDeadline, at);
            }
            Event::Came { link } => self.timers.clear(Target::Link(link), Reason::LinkDeadline),
            Event::Up { link, offers, surplus } => self.link_up(link, &offers, &surplus),
            Event::Noted { link, rows, usable } => self.noted(link, &rows, usable),
            Event::Listed { link, streams } => {
                for offered in &streams {
                    self.consider(link, offered, false);
                }
            }
            Event::Draining { link } => self.agent_drains(link),
            Event::Down { link, terms, lost, detail } => {
                self.timers.clear_all(Target::Link(link));
                self.link_down(link, terms.as_ref(), &lost, &detail);
            }
            Event::Refused { stream, reason, advice } => {
                self.stream_refused(stream, &refusal(reason, &advice));
            }
            Event::Cancelled { stream, request, proved } => {
                self.cancelled(stream, request, proved);
            }
            Event::Described { stream, blob } => self.described(stream, blob),
            Event::Data { stream, bytes } => self.stream_data(stream, bytes),
            Event::Broken { stream, accepted, detail } => {
                self.stream_broken(stream, accepted, &detail);
            }
            Event::Gone { stream, accepted, reason } => {
                self.stream_closed(stream, false, accepted, gone_detail(reason));
            }
        }
    }

    /// An agent is here, with the sessions that it holds for this database.
    fn link_up(&mut self, link: LinkId, offers: &[Offered], surplus: &[WireId]) {
        self.timers.clear(Target::Link(link), Reason::LinkDeadline);
        let text = format!("{link}: up, {} sessions offered", offers.len() + surplus.len());
        self.log(Level::Info, None, None, text);
        self.forget_former_process(link);
        for &wire in surplus {
            self.decline(link, wire);
        }
        for offered in offers {
            self.consider(link, offered, true);
        }
        self.forget_unoffered(link);
        self.end_fallbacks();
    }

    /// Idle sessions of a tunnel that is used only while there is no agent keep the object awake.
    fn end_fallbacks(&mut self) {
        let fallback = |id: &SessionId| {
            let way = self.sessions.get(id).map(|s| s.way);
            way.is_some_and(|way| way != Way::Agent && self.is_fallback(way))
        };
        let ids: Vec<SessionId> = self.idle.iter().filter(|id| fallback(id)).copied().collect();
        for id in ids {
            self.end(id, Why::Fallback);
        }
    }

    /// An agent that was restarted holds nothing of what its former process held.
    fn forget_former_process(&mut self, link: LinkId) {
        let Some(terms) = self.links.terms(link) else { return };
        let former = |r: &Remote| {
            !r.instance.is_empty()
                && r.instance == terms.instance
                && r.life != terms.life
                && !self.links.has_life(r.life)
        };
        self.forget_away(&self.away_where(former));
    }

    /// What this process did not offer it has ended, or is about to; its own cap counts it.
    fn forget_unoffered(&mut self, link: LinkId) {
        let Some(terms) = self.links.terms(link) else { return };
        self.forget_away(&self.away_where(|remote| remote.life == terms.life));
    }

    fn away_where(&self, wanted: impl Fn(&Remote) -> bool) -> Vec<SessionId> {
        let away = |(&id, s): (&SessionId, &Session)| {
            s.away().filter(|(remote, _)| wanted(remote)).map(|_| id)
        };
        self.sessions.iter().filter_map(away).collect()
    }

    fn forget_away(&mut self, ids: &[SessionId]) {
        for &id in ids {
            self.forget_session(id);
        }
    }

    /// Takes an offered session over, or lets its agent end it.
    fn consider(&mut self, link: LinkId, offered: &Offered, waits: bool) {
        let wire = offered.stream;
        let portrait = Portrait::decode(offered.blob.0.clone(), &self.settings, self.fingerprint);
        if let Some(portrait) = &portrait {
            self.learn(portrait);
        }
        if self.links.knows(link, wire) {
            return;
        }
        if self.links.is_elsewhere(link, wire) {
            // Offers on two links cross. If the other link is lost, the hello that replaces it
            // offers the session again.
            if waits {
                self.decline(link, wire);
            }
            return;
        }
        if let Some(id) = self.known_away(link, wire) {
            self.resume(link, id, offered);
            return;
        }
        let alive = offered.idle_left_ms > 0 && offered.expires_in_ms > 0;
        let Some(portrait) = portrait.filter(|_| alive) else { return self.decline(link, wire) };
        let idle_until = self.now + Millis(offered.idle_left_ms.into());
        let expires = self.now + Millis(offered.expires_in_ms.into());
        let Some(id) = self.seat_parked(idle_until, expires) else {
            return self.decline(link, wire);
        };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.parameters = portrait.parameters;
        session.cancel_key = portrait.cancel_key;
        let stream = session.stream;
        self.links.adopt(link, stream, (wire, offered.counters), false, true);
    }

    /// One session shows what all are like: nobody who starts up need wait for another to open.
    fn learn(&mut self, portrait: &Portrait) {
        if self.parameters.is_none() {
            self.parameters = Some(Arc::new(portrait.parameters.clone()));
            self.greet();
        }
    }

    /// The session that was lost with its link and is offered again.
    fn known_away(&self, link: LinkId, wire: WireId) -> Option<SessionId> {
        let life = self.links.terms(link)?.life;
        self.away_where(|r| r.life == life && r.wire == wire).first().copied()
    }

    /// A session that this life knows goes on where it was, if nothing was lost on the way.
    fn resume(&mut self, link: LinkId, id: SessionId, offered: &Offered) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let same = session
            .away()
            .is_some_and(|(remote, _)| remote.parked && remote.counters == offered.counters);
        if !same || session.expires <= self.now {
            self.forget_session(id);
            return self.decline(link, offered.stream);
        }
        session.written = 0;
        session.taken = 0;
        session.owed = 0;
        session.idle_until = self.now + Millis(offered.idle_left_ms.into());
        let stream = session.stream;
        self.counters.adopted += 1;
        self.enter(id, Why::OfferedAgain, |seat| State::Parked { seat });
        self.links.adopt(link, stream, (offered.stream, offered.counters), false, true);
        self.idle.push(id);
    }

    fn decline(&mut self, link: LinkId, wire: WireId) {
        self.counters.declined += 1;
        self.links.decline(link, wire);
    }

    /// A place in the pool for a session that an agent holds, if there is one.
    fn seat_parked(&mut self, idle_until: Instant, expires: Instant) -> Option<SessionId> {
        let seat = self.budget.seat()?;
        let id = SessionId(self.next_id());
        let stream = StreamId(self.next_id());
        self.sessions.insert(id, Session::adopted(stream, seat, idle_until, expires));
        self.streams.insert(stream, Carrier::Session(id));
        self.counters.adopted += 1;
        self.idle.push(id);
        Some(id)
    }

    /// The object woke: what it noted of a link's sessions is taken up again.
    fn noted(&mut self, link: LinkId, rows: &[Row], usable: bool) {
        for row in rows {
            let alive = row.idle_until > self.now && row.expires > self.now;
            let seat = (usable && alive).then(|| self.seat_parked(row.idle_until, row.expires));
            let session = seat.flatten().and_then(|id| self.sessions.get(&id));
            match session.map(|s| s.stream) {
                Some(stream) => {
                    self.links.adopt(link, stream, (row.wire, row.counters), true, false);
                }
                None => self.decline(link, row.wire),
            }
        }
    }

    fn described(&mut self, stream: StreamId, blob: Bytes) {
        let Some(id) = self.session_of(stream) else { return };
        match Portrait::decode(blob, &self.settings, self.fingerprint) {
            Some(portrait) => {
                self.learn(&portrait);
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.parameters = portrait.parameters;
                    session.cancel_key = portrait.cancel_key;
                }
            }
            None => self.wrong(id, "described as of another configuration"),
        }
    }

    /// Its parked streams end; what is at work goes on.
    fn agent_drains(&mut self, link: LinkId) {
        self.timers.clear(Target::Link(link), Reason::LinkDeadline);
        self.log(Level::Info, None, None, format!("{link}: its agent takes no new work"));
        let here = |id: &SessionId| {
            let session = self.sessions.get(id);
            session.is_some_and(|s| self.links.link_of(s.stream) == Some(link))
        };
        let idle: Vec<SessionId> = self.idle.iter().filter(|id| here(id)).copied().collect();
        for id in idle {
            self.end(id, Why::AgentDrains);
        }
    }

    /// A link is lost: what its agent holds parked is away; what was at work is ended by the
    /// agent, and counted until that is certain enough.
    fn link_down(&mut self, link: LinkId, terms: Option<&Terms>, lost: &[Lost], detail: &str) {
        let Some(terms) = terms else {
            return self.log(Level::Warn, None, None, format!("{link}: not accepted: {detail}"));
        };
        self.counters.links_lost += 1;
        let text = format!("{link}: lost with {} sessions: {detail}", lost.len());
        self.log(Level::Info, None, None, text);
        if self.links.count() == 0 {
            self.alone_since = self.now;
        }
        for one in lost {
            if let Some(id) = self.session_of(one.stream) {
                self.lost_with_link(id, terms, one, detail);
            }
        }
    }

    fn lost_with_link(&mut self, id: SessionId, terms: &Terms, one: &Lost, detail: &str) {
        let Some((_, work)) = self.what_was_lost(id, one.accepted, detail) else { return };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        // A purge that was not sent for want of credit is still to be made.
        session.purge |= one.parked && session.is_busy();
        let ending = matches!(session.state(), State::Ending { .. } | State::Opening { .. });
        let parked = one.parked && !ending;
        let until = if parked {
            (self.now + terms.park_ttl).min(session.idle_until).min(session.expires)
        } else {
            self.now + LOST_TIMEOUT
        };
        let remote = Remote {
            life: terms.life,
            instance: terms.instance.clone(),
            wire: one.wire,
            counters: one.counters,
            parked,
        };
        self.idle.retain(|&other| other != id);
        self.timers.clear_all(Target::Session(id));
        self.enter(id, Why::LinkLost, |seat| State::Away { seat, until, remote: Box::new(remote) });
        if !self.away.contains(&id) {
            self.away.push(id);
        }
        self.settle_loss(id, work, detail);
    }

    /// An agent gave a stream up, or the database closed it: the agent says when it is gone.
    fn stream_broken(&mut self, stream: StreamId, accepted: u64, detail: &str) {
        let Some(id) = self.session_of(stream) else { return };
        let Some((was, work)) = self.what_was_lost(id, accepted, detail) else { return };
        self.log(Level::Info, Some(id), None, format!("broken while {was}: {detail}"));
        self.end(id, Why::Broken);
        self.settle_loss(id, work, detail);
    }
}

fn refusal(reason: RefusedReason, advice: &str) -> Refusal {
    let (kind, what) = match reason {
        RefusedReason::Cap => (RefusalKind::Full, "the agent's cap on connections is reached"),
        RefusedReason::Connect => (RefusalKind::Unreachable, "the agent was refused a connection"),
        RefusedReason::Timeout => (RefusalKind::Unreachable, "the agent got no answer in time"),
        RefusedReason::UnknownDatabase => {
            (RefusalKind::Failed, "the agent serves no database of this name")
        }
        RefusedReason::Draining => (RefusalKind::Failed, "the agent is shutting down"),
        RefusedReason::Unsettled => (RefusalKind::Full, "the agent waits for its offers"),
        RefusedReason::Tls => (RefusalKind::Unreachable, "the agent's TLS to the database failed"),
        RefusedReason::Other(_) => (RefusalKind::Failed, "the agent opened no connection"),
    };
    let detail = if advice.is_empty() { what.to_owned() } else { format!("{what}: {advice}") };
    Refusal { kind, detail }
}

fn gone_detail(reason: GoneReason) -> &'static str {
    match reason {
        GoneReason::Unknown => "the agent does not know it",
        GoneReason::Idle => "idle for too long at its agent",
        GoneReason::Expired => "too old",
        GoneReason::Database => "the database ended it",
        GoneReason::Released => "released",
        GoneReason::Finished => "finished",
        GoneReason::Reset => "ended by its agent",
        GoneReason::Orphan => "the database did not end it in time",
        GoneReason::Draining => "its agent is shutting down",
        GoneReason::Counters => "bytes were lost on the way to its agent",
        GoneReason::Other(_) => "ended by its agent for a reason of a later release",
    }
}
