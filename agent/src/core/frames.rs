//! What a coordinator says, frame by frame.

use pierhead_wire::time::Millis;
use pierhead_wire::tunnel::{Frame, GoAway, GoAwayReason, Here, StreamId, Wake};

use super::Agent;
use super::dial::Loss;
use super::io::{Level, LinkNo};
use super::link::Phase;
use super::links::Fault;
use super::window::{Allowance, Window};

impl Agent {
    /// Acts on one frame.
    pub(super) fn frame(&mut self, no: LinkNo, frame: Frame) -> Result<(), Fault> {
        let Some(link) = self.links.get(&no) else { return Ok(()) };
        let kind = frame.kind();
        if !link.may_receive(kind) {
            return Err(Fault::protocol(format!(
                "`{kind}` is not allowed now (docs/protocol.md, 2.10)"
            )));
        }
        match frame {
            Frame::Welcome(welcome) => self.welcome(no, &welcome)?,
            Frame::GoAway(go_away) => self.go_away(no, &go_away),
            Frame::Drain(_) => self.drain_received(no),
            Frame::Wake(wake) => self.wake(no, &wake),
            Frame::LinkCredit(credit) => self.link_credit(no, credit.bytes.0)?,
            Frame::Open(open) => self.open(no, &open)?,
            Frame::Data(data) => self.data(no, data.stream, data.bytes.0)?,
            Frame::Credit(credit) => self.credit(no, credit.stream, credit.bytes.0)?,
            Frame::Finish(finish) => self.finish(no, finish.stream),
            Frame::Reset(reset) => self.reset(no, &reset),
            Frame::Describe(describe) => self.describe(no, describe),
            Frame::Park(park) => self.park(no, &park),
            Frame::Adopt(adopt) => self.adopt(no, adopt)?,
            Frame::Release(release) => self.release(no, release.stream),
            Frame::ListParked(list) => {
                if list.number == 0 {
                    return Err(Fault::protocol("`list` with number 0"));
                }
                self.answer_list(no, list.number);
            }
            Frame::Cancel(cancel) => self.cancel(no, cancel.stream, cancel.request),
            // Only an agent says these: `may_receive` refuses them.
            Frame::Hello(_)
            | Frame::Here(_)
            | Frame::Opened(_)
            | Frame::Refused(_)
            | Frame::Gone(_)
            | Frame::Offer(_)
            | Frame::Cancelled(_) => {}
        }
        Ok(())
    }

    /// True if the stream is this link's.
    pub(super) fn owns(&self, no: LinkNo, id: StreamId) -> bool {
        self.streams.get(&id).is_some_and(|stream| stream.owner == Some(no))
    }

    fn go_away(&mut self, no: LinkNo, go_away: &GoAway) {
        let Some(link) = self.links.get(&no) else { return };
        let (database, loss) = (link.database, self.loss(link));
        let text = format!(
            "the coordinator ended the link ({:?}): {}",
            go_away.reason,
            go_away.advice.as_str()
        );
        self.log(Level::Info, Some(no), Some(database), text);
        let loss = match go_away.reason {
            _ if go_away.retry_after_ms > 0 => Loss::Advised(Millis(go_away.retry_after_ms.into())),
            GoAwayReason::StaleCopy => Loss::Stale,
            GoAwayReason::Version | GoAwayReason::NotConfigured => Loss::Denied,
            GoAwayReason::Replaced
            | GoAwayReason::Liveness
            | GoAwayReason::Shutdown
            | GoAwayReason::Storage => loss,
            GoAwayReason::Protocol
            | GoAwayReason::Credit
            | GoAwayReason::TooMany
            | GoAwayReason::Other(_) => Loss::Failed,
        };
        self.end_link(no, None, loss);
    }

    fn drain_received(&mut self, no: LinkNo) {
        let Some(link) = self.links.get_mut(&no) else { return };
        link.drain_in = true;
        let database = link.database;
        self.log(Level::Info, Some(no), Some(database), "the coordinator drains the link");
    }

    /// The coordinator has lost its memory: only what was parked counts.
    fn wake(&mut self, no: LinkNo, wake: &Wake) {
        let Some(link) = self.links.get_mut(&no) else { return };
        if let Phase::Welcome(copy) = &mut link.phase {
            link.former = Some(*copy);
            copy.epoch = wake.epoch;
            copy.object_life = wake.object_life;
        }
        // Whatever comes before `here` is ignored, also what was held back.
        link.put_first(Here { number: wake.number });
        link.window = Window::new(self.settings.link_window);
        link.allowance = Allowance::new(link.peer_link_window);
        link.unsettled.clear();
        link.said.clear();
        let streams: Vec<StreamId> = link.streams.iter().copied().collect();
        self.changed.link(no);
        self.forget_answers(no);
        for id in streams {
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            stream.link_debt = 0;
            if stream.parked().is_none() {
                self.end_stream(id, pierhead_wire::tunnel::GoneReason::Reset);
            }
        }
    }
}
