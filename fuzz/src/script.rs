//! What the targets for links share: a script read from the fuzzer's bytes, and frames made from it.

use bytes::{Bytes, BytesMut};
use pierhead_wire::tunnel::{
    Adopt, Advice, AgentLife, Amount, Blob, Cancel, Cancelled, Counters, Credit, Data, Database,
    Describe, Drain, DrainReason, Finish, Frame, GoAway, GoAwayReason, Gone, GoneReason, Hello,
    Here, LinkCredit, List, ListParked, Mode, Name, Offer, Offered, Open, Opened, Options, Park,
    ParkedCount, Payload, Refused, RefusedReason, Release, Reset, ResetReason, StreamId, Wake,
    Welcome,
};

/// The fuzzer's bytes, taken one after the other; zeros behind their end.
pub struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    pub fn below(&mut self, bound: u8) -> u8 {
        self.byte() % bound.max(1)
    }

    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// A number that is small more often than not.
    pub fn number(&mut self) -> u32 {
        match self.below(4) {
            0 | 1 => u32::from(self.below(8)),
            2 => u32::from(u16::from_be_bytes([self.byte(), self.byte()])),
            _ => u32::from_be_bytes([self.byte(), self.byte(), self.byte(), self.byte()]),
        }
    }

    pub fn bytes(&mut self) -> Bytes {
        let length = usize::from(self.byte()).min(self.0.len());
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        Bytes::copy_from_slice(taken)
    }

    pub fn stream(&mut self) -> StreamId {
        StreamId { link: u32::from(self.below(4)), index: u32::from(self.below(6)) }
    }

    fn amount(&mut self) -> Amount {
        Amount(self.number().clamp(1, 16_777_216))
    }

    fn counters(&mut self) -> Counters {
        Counters { sent: self.number().into(), received: self.number().into() }
    }

    fn offered(&mut self, blob: &Bytes) -> Offered {
        Offered {
            stream: self.stream(),
            counters: self.counters(),
            idle_left_ms: self.number(),
            expires_in_ms: self.number(),
            blob: Blob(if self.flag() { blob.clone() } else { self.bytes() }),
        }
    }

    /// A frame of any kind. `blob` and `reply` are what an honest peer could have said last.
    pub fn frame(&mut self, blob: &Bytes, reply: &[Bytes]) -> Frame {
        match self.below(26) {
            0 => self.hello().into(),
            1 => Welcome {
                version: if self.below(8) == 0 { self.byte() } else { 1 },
                epoch: self.number().into(),
                object_life: self.number().into(),
                stream_credit: self.amount(),
                link_credit: self.amount(),
                options: Options::named("fuzz"),
            }
            .into(),
            2 => GoAway {
                reason: GoAwayReason::from_code(self.byte()),
                retry_after_ms: self.number(),
                advice: Advice::cut("fuzz"),
            }
            .into(),
            3 => Drain { reason: DrainReason::Shutdown, deadline_ms: self.number() }.into(),
            4 => Wake {
                number: self.number(),
                epoch: self.number().into(),
                object_life: self.number().into(),
            }
            .into(),
            5 => Here { number: self.number() }.into(),
            6 => LinkCredit { bytes: self.amount() }.into(),
            7 | 8 => Open { stream: self.stream(), database: Name::cut("main") }.into(),
            9 => Opened { stream: self.stream() }.into(),
            10 => Refused {
                stream: self.stream(),
                reason: RefusedReason::from_code(self.byte()),
                advice: Advice::cut("fuzz"),
            }
            .into(),
            11 => {
                let (stream, bytes) = (self.stream(), self.bytes());
                if bytes.is_empty() {
                    return Finish { stream }.into();
                }
                Data { stream, bytes: Payload(bytes) }.into()
            }
            12..=14 => {
                let which = usize::from(self.byte());
                let stream = self.stream();
                match reply.get(which % reply.len().max(1)) {
                    Some(bytes) => Data { stream, bytes: Payload(bytes.clone()) }.into(),
                    None => Opened { stream }.into(),
                }
            }
            15 => Credit { stream: self.stream(), bytes: self.amount() }.into(),
            16 => Finish { stream: self.stream() }.into(),
            17 => Reset {
                stream: self.stream(),
                reason: ResetReason::from_code(self.byte()),
                advice: Advice::cut("fuzz"),
            }
            .into(),
            18 => Gone {
                stream: self.stream(),
                nothing_delivered: self.flag(),
                reason: GoneReason::from_code(self.byte()),
            }
            .into(),
            19 => Describe {
                stream: self.stream(),
                cancel: Blob(self.bytes()),
                blob: Blob(if self.flag() { blob.clone() } else { self.bytes() }),
            }
            .into(),
            20 => Park {
                stream: self.stream(),
                counters: self.counters(),
                max_idle_ms: self.number(),
                expires_in_ms: self.number(),
            }
            .into(),
            21 => {
                let streams: Vec<Offered> =
                    (0..self.below(4)).map(|_| self.offered(blob)).collect();
                let streams = List::new(&streams).expect("few");
                Offer { number: self.number(), left: u16::from(self.below(3)), streams }.into()
            }
            22 => Adopt {
                stream: self.stream(),
                counters: self.counters(),
                describe: self.flag(),
                bytes: Payload(self.bytes()),
            }
            .into(),
            23 => Release { stream: self.stream() }.into(),
            24 => ListParked { number: self.number().max(1) }.into(),
            _ if self.flag() => Cancel { stream: self.stream(), request: self.number() }.into(),
            _ => Cancelled { stream: self.stream(), request: self.number(), proved: self.flag() }
                .into(),
        }
    }

    pub fn hello(&mut self) -> Hello {
        let database = Database { name: Name::cut("main"), mode: Mode::Pipe, cap: 20 };
        let replaces: Vec<u32> = (0..self.below(3)).map(|_| u32::from(self.below(4))).collect();
        Hello {
            newest: 1,
            oldest: 1,
            life: AgentLife([self.below(2); 16]),
            link: u32::from(self.below(4)),
            stream_credit: self.amount(),
            link_credit: self.amount(),
            replaces: List::new(&replaces).expect("few"),
            databases: List::new(&[database]).expect("one"),
            parked: ParkedCount(u16::from(self.below(4))),
            options: Options::agent("fuzz", "host", self.number()),
        }
    }

    /// A message: raw bytes, or a few frames, now and then cut short.
    pub fn message(&mut self, blob: &Bytes, reply: &[Bytes]) -> Bytes {
        if self.below(16) == 0 {
            return self.bytes();
        }
        let mut out = BytesMut::new();
        for _ in 0..=self.below(3) {
            self.frame(blob, reply).encode(&mut out).expect("within limits");
        }
        if self.below(32) == 0 {
            out.truncate(usize::from(self.byte()));
        }
        out.freeze()
    }
}
