//! One exchange with a coordinator, with a deadline that holds also when the coordinator does not.

use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::{Either, select};
use js_sys::Uint8Array;
use pierhead_wire::envelope::{AnswerError, AnswerReader, Options, Outcome, Record, RequestId};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use worker::Delay;

use crate::Error;
use crate::error::Kind;
use crate::result::Collector;
use crate::rpc::{self, Alive, Peer, Reader, platform};
use crate::statement::{self, Script};

/// How much longer than the coordinator a caller waits: the coordinator's own refusal says more than
/// a missed deadline, and needs a trip to arrive.
const GRACE: Duration = Duration::from_secs(1);

/// How long an abort may take to arrive. An invocation that ends sooner takes the call with it.
const ABORT_TIME: Duration = Duration::from_millis(250);

/// An exchange of which nothing was sent.
pub(crate) struct Unsent {
    peer: Rc<Peer>,
    id: RequestId,
    timeout: Duration,
    request: BytesMut,
}

impl Unsent {
    /// Builds the request.
    pub(crate) fn new(
        peer: Rc<Peer>,
        timeout: Duration,
        options: &Options,
        script: &Script<'_>,
    ) -> Result<Self, Error> {
        let id = random_id()?;
        let remaining_ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX).max(1);
        let request = statement::request(remaining_ms, id, options, script)?;
        Ok(Self { peer, id, timeout, request })
    }

    /// Sends it and waits for the answer's beginning.
    pub(crate) async fn send(self) -> Result<Exchange, Error> {
        let Self { peer, id, timeout, request } = self;
        let mut exchange = Exchange {
            peer,
            id,
            alive: Alive::new(),
            deadline: Deadline::new(timeout.saturating_add(GRACE)),
            source: Source::Whole,
            answer: AnswerReader::new(),
            over: false,
        };
        exchange.ask(&request).await?;
        Ok(exchange)
    }
}

/// An exchange under way. Dropped before its outcome, it is aborted.
pub(crate) struct Exchange {
    peer: Rc<Peer>,
    id: RequestId,
    alive: Alive,
    deadline: Deadline,
    source: Source,
    answer: AnswerReader,
    /// Whether there is nothing left that an abort could end.
    over: bool,
}

enum Source {
    /// Everything that there is has been pushed to the reader.
    Whole,
    Stream {
        reader: Reader,
        /// Disposed together with the exchange.
        stream: JsValue,
    },
}

impl Exchange {
    async fn ask(&mut self, request: &[u8]) -> Result<(), Error> {
        let call = self.peer.start(request, &self.alive)?;
        let answer = self.deadline.within(async { call.await.map_err(platform) }).await;
        let answer = self.note_failure(answer).await?;
        match answer.dyn_into::<Uint8Array>() {
            Ok(bytes) => {
                self.over = true;
                self.answer.push(bytes.to_vec().into());
                rpc::dispose(&bytes);
            }
            Err(stream) if stream.is_object() => {
                let reader = Reader::new(stream.clone())?;
                self.source = Source::Stream { reader, stream };
            }
            Err(_) => return Err(AnswerError::NoOutcome.into()),
        }
        Ok(())
    }

    /// Reads the whole answer.
    pub(crate) async fn collect(&mut self, collector: &mut Collector) -> Result<Outcome, Error> {
        loop {
            match self.next().await? {
                Record::Data(data) => collector.push(&data)?,
                Record::Outcome(outcome) => return Ok(outcome),
            }
        }
    }

    /// The next record; the last one is the outcome.
    pub(crate) async fn next(&mut self) -> Result<Record, Error> {
        loop {
            match self.answer.next()? {
                Some(Record::Outcome(outcome)) => {
                    self.over = true;
                    self.end().await?;
                    return Ok(Record::Outcome(outcome));
                }
                Some(data) => return Ok(data),
                None => match self.read().await? {
                    Some(bytes) => self.answer.push(bytes),
                    None => return Err(AnswerError::NoOutcome.into()),
                },
            }
        }
    }

    /// Reads to the end behind the outcome, so that nothing is left open.
    async fn end(&mut self) -> Result<(), Error> {
        // How the stream ends after its outcome does not change the outcome.
        if let Ok(Some(bytes)) = self.read().await {
            self.answer.push(bytes);
        }
        Ok(self.answer.finish()?)
    }

    async fn read(&mut self) -> Result<Option<Bytes>, Error> {
        let Source::Stream { reader, .. } = &mut self.source else { return Ok(None) };
        let bytes = self.deadline.within(reader.read()).await;
        Ok(self.note_failure(bytes).await?.map(Bytes::from))
    }

    /// A missed deadline is told to the coordinator; where the platform failed there is nobody to
    /// tell.
    async fn note_failure<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &result {
            if matches!(error.kind(), Kind::Deadline { .. })
                && let Some(abort) = self.stop()
            {
                select(abort, Box::pin(Delay::from(ABORT_TIME))).await;
            }
            self.over |= matches!(error.kind(), Kind::Platform(_));
        }
        result
    }

    /// Stops what is under way; the call that does so is on its way when this returns.
    fn stop(&mut self) -> Option<JsFuture> {
        if std::mem::replace(&mut self.over, true) {
            return None;
        }
        if let Source::Stream { reader, .. } = &self.source {
            reader.cancel_and_forget();
        }
        self.peer.start_abort(self.id.0)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(abort) = self.stop() {
            rpc::forget(abort);
        }
        if let Source::Stream { stream, .. } = &self.source {
            rpc::dispose(stream);
        }
    }
}

struct Deadline {
    timer: Pin<Box<Delay>>,
    after: Duration,
}

impl Deadline {
    fn new(after: Duration) -> Self {
        // Timers count milliseconds in 31 bits.
        let after = after.min(Duration::from_millis(i32::MAX.unsigned_abs().into()));
        Self { timer: Box::pin(Delay::from(after)), after }
    }

    /// Waits for `future`, but not beyond the deadline.
    async fn within<T>(
        &mut self,
        future: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        match select(pin!(future), &mut self.timer).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => Err(Error::new(Kind::Deadline { after: self.after })),
        }
    }
}

fn random_id() -> Result<RequestId, Error> {
    let mut id = [0; 16];
    getrandom::fill(&mut id)
        .map_err(|_| Error::request("the platform's source of random bytes failed"))?;
    Ok(RequestId(id))
}
