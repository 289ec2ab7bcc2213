//! Exchanges beside the sockets.

use bytes::Bytes;
use pierhead_engine::ids::ClientId;
use pierhead_engine::io::Input;
use pierhead_engine::limits::ANSWER_UNTAKEN_MAX;
use pierhead_wire::envelope::{Options, Request, RequestId, Status};

use super::events::Event;
use super::plan::{Client, Kind};
use super::{Who, World};
use crate::sim::answer;
use crate::sim::caller::Caller;
use crate::sim::expect::Expected;
use crate::sim::rng::Rng;

/// How late a simulated shell's timer may be, in milliseconds, and one more.
pub(super) const LATE: u64 = 25;

/// One exchange and its place in the plan.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) number: u64,
    pub(super) id: ClientId,
    pub(super) caller: Caller,
}

/// The exchange of this client, if it is one.
pub(super) fn of(client: &Client, noise: &mut Rng) -> Option<Exchange> {
    let Kind::Exchange { script, remaining, reset } = &client.kind else { return None };
    let id: [u8; 16] = noise.bytes();
    let request = Request {
        remaining_ms: *remaining,
        id: RequestId(id),
        options: Options {
            caller: (!client.class.is_empty()).then(|| client.class.to_owned()),
            reset: *reset,
            ..Options::default()
        },
        protocol: Bytes::from(script.protocol.clone()),
    };
    let expected = Expected::of(script);
    let mut caller = Caller::new(script.clone(), expected, request.encode().freeze());
    caller.request_id = id;
    caller.remaining = u64::from(*remaining);
    caller.slow_reader = client.slow_reader;
    Some(Exchange { number: client.number, id: ClientId(0), caller })
}

impl World {
    pub(super) fn exchange_comes(&mut self, index: usize) {
        let id = self.next_client(Who::Exchange(index));
        let exchange = &mut self.exchanges[index];
        exchange.id = id;
        exchange.caller.came = Some(self.now);
        let (request, number) = (exchange.caller.request.clone(), exchange.number);
        if let Some(place) = self.plan.clients.iter().position(|c| c.number == number) {
            self.count_asked(place);
        }
        self.feed(Input::ClientOpened { client: id, request, lease: None });
    }

    pub(super) fn answered(&mut self, id: ClientId, bytes: &[Bytes], streamed: bool, end: bool) {
        if let Some(Who::Request(index)) = self.whose(id) {
            return self.lease_answered(index, id, bytes, streamed, end);
        }
        let Some(Who::Exchange(index)) = self.whose(id) else {
            return self.broken("2 one life", format!("an answer for {id}, which asked nothing"));
        };
        let exchange = &mut self.exchanges[index];
        if !exchange.caller.is_open() {
            return self.broken("2 one life", format!("an answer for {id}, which is finished"));
        }
        if let Err((rule, how)) = exchange.caller.take(bytes, streamed, end) {
            return self.broken(rule, format!("{id}: {how}"));
        }
        if streamed && exchange.caller.untaken > 0 && !exchange.caller.reading {
            exchange.caller.reading = true;
            self.after(1, Event::Take(index));
        }
        if end {
            self.judge_exchange(index);
        }
    }

    pub(super) fn take_answer(&mut self, index: usize) {
        let exchange = &mut self.exchanges[index];
        exchange.caller.reading = false;
        let bytes = std::mem::take(&mut exchange.caller.untaken);
        let client = exchange.id;
        self.feed(Input::ClientTook { client, bytes });
    }

    fn judge_exchange(&mut self, index: usize) {
        let exchange = &self.exchanges[index];
        let Some(outcome) = exchange.caller.outcome.clone() else { return };
        answer::cover(&exchange.caller, &outcome, &mut self.coverage);
        let (number, caller) = (exchange.number, &exchange.caller);
        let limit = match caller.remaining {
            0 => self.plan.settings.query_timeout.0,
            ms => ms,
        };
        let took = self.now - caller.came.unwrap_or(self.now);
        let served = !matches!(outcome.status, Status::Refused | Status::OutcomeUnknown);
        let costly = caller.script.kind == crate::sim::script::Kind::CopyMess;
        let excused = caller.expected.is_none() || caller.remaining > 0 || served || costly;
        let excused = excused || self.now > self.plan.settings.query_timeout.0;
        // Where nothing holds the database back, an answer of this size may come faster than anybody
        // reads.
        let large = caller.expected.as_ref().is_some_and(|e| e.answer.len() > ANSWER_UNTAKEN_MAX);
        let outran = large && !self.plan.holds_back() && outcome.sqlstate.as_str() == "53200";
        let excused = excused || outran;
        let verdict = answer::judge(caller, number, &outcome, &self.db);
        if let Err((rule, detail)) = verdict {
            self.broken(rule, format!("exchange {number}: {detail}; {outcome:?}"));
        } else if took > limit + LATE {
            self.broken("deadline", format!("exchange {number}: after {took} ms of {limit}"));
        } else if self.plan.quiet && !self.trouble && !excused {
            self.broken("quiet", format!("exchange {number} was not served: {outcome:?}"));
        }
    }
}
