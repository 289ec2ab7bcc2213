//! Frames with random values: what is written is read again.

use bytes::{Bytes, BytesMut};

use super::super::{
    Adopt, AgentLife, Amount, Blob, Cancel, Cancelled, Counters, Credit, Data, Database, Describe,
    Drain, DrainReason, Finish, Frame, GoAway, GoAwayReason, Gone, GoneReason, Hello, Here, Kind,
    LinkCredit, List, ListParked, Mode, Offer, Offered, Open, Opened, Options, Park, ParkedCount,
    Payload, Refused, RefusedReason, Release, Reset, ResetReason, StreamId, Text, Wake, Welcome,
};
use super::{encode, parse};

/// splitmix64: a seed reproduces every frame.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    /// Mostly short, sometimes the longest.
    fn size(&mut self, min: usize, max: usize) -> usize {
        match self.below(8) {
            0 => max,
            1 => min,
            _ => min + self.below((max - min).min(40) + 1),
        }
    }

    fn bytes(&mut self, min: usize, max: usize) -> Bytes {
        (0..self.size(min, max)).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    fn u8(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    fn u32(&mut self) -> u32 {
        u32::try_from(self.next() >> 32).unwrap()
    }

    fn text<const MAX: usize>(&mut self) -> Text<MAX> {
        let text: String =
            (0..self.size(0, MAX)).map(|_| ['a', 'ä', '漢'][self.below(3)]).collect();
        Text::cut(&text)
    }

    fn blob<const MAX: usize>(&mut self) -> Blob<MAX> {
        Blob(self.bytes(0, MAX))
    }

    fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    fn stream(&mut self) -> StreamId {
        StreamId { link: self.u32(), index: self.u32() }
    }

    fn counters(&mut self) -> Counters {
        Counters { sent: self.next(), received: self.next() }
    }

    fn amount(&mut self) -> Amount {
        Amount(1 + self.u32() % (16 << 20))
    }

    fn options(&mut self) -> Options {
        if self.flag() { Options::named(self.text::<64>().as_str()) } else { Options::default() }
    }

    fn database(&mut self) -> Database {
        let mode = Mode::from_code(self.u8());
        Database { name: self.text(), mode, cap: self.u32().to_le_bytes()[0].into() }
    }

    fn offered(&mut self, blob: usize) -> Offered {
        Offered {
            stream: self.stream(),
            counters: self.counters(),
            idle_left_ms: self.u32(),
            expires_in_ms: self.u32(),
            blob: Blob(self.bytes(0, blob)),
        }
    }

    fn hello(&mut self) -> Hello {
        let mut life = [0; 16];
        life.fill_with(|| self.u8());
        let replaces: Vec<u32> = (0..self.size(0, 64)).map(|_| self.u32()).collect();
        let databases: Vec<_> = (0..self.size(0, 64)).map(|_| self.database()).collect();
        Hello {
            newest: self.u8(),
            oldest: self.u8(),
            life: AgentLife(life),
            link: self.u32(),
            stream_credit: self.amount(),
            link_credit: self.amount(),
            replaces: List::new(&replaces).unwrap(),
            databases: List::new(&databases).unwrap(),
            parked: ParkedCount(u16::try_from(self.below(4_097)).unwrap()),
            options: self.options(),
        }
    }

    fn offer(&mut self) -> Offer {
        let (count, blob) =
            if self.flag() { (self.below(4), 4_096) } else { (self.size(0, 64), 200) };
        let streams: Vec<_> = (0..count).map(|_| self.offered(blob)).collect();
        Offer { number: self.u32(), left: self.u8().into(), streams: List::new(&streams).unwrap() }
    }

    fn frame(&mut self, kind: Kind) -> Frame {
        let stream = self.stream();
        match kind {
            Kind::Hello => self.hello().into(),
            Kind::Welcome => Welcome {
                version: self.u8(),
                epoch: self.next(),
                object_life: self.next(),
                stream_credit: self.amount(),
                link_credit: self.amount(),
                options: self.options(),
            }
            .into(),
            Kind::GoAway => GoAway {
                reason: GoAwayReason::from_code(self.u8()),
                retry_after_ms: self.u32(),
                advice: self.text(),
            }
            .into(),
            Kind::Drain => {
                Drain { reason: DrainReason::from_code(self.u8()), deadline_ms: self.u32() }.into()
            }
            Kind::Wake => {
                Wake { number: self.u32(), epoch: self.next(), object_life: self.next() }.into()
            }
            Kind::Here => Here { number: self.u32() }.into(),
            Kind::LinkCredit => LinkCredit { bytes: self.amount() }.into(),
            Kind::Open => Open { stream, database: self.text() }.into(),
            Kind::Opened => Opened { stream }.into(),
            Kind::Refused => {
                let reason = RefusedReason::from_code(self.u8());
                Refused { stream, reason, advice: self.text() }.into()
            }
            Kind::Data => Data { stream, bytes: Payload(self.bytes(1, 16_384)) }.into(),
            Kind::Credit => Credit { stream, bytes: self.amount() }.into(),
            Kind::Finish => Finish { stream }.into(),
            Kind::Reset => {
                let reason = ResetReason::from_code(self.u8());
                Reset { stream, reason, advice: self.text() }.into()
            }
            Kind::Gone => {
                let reason = GoneReason::from_code(self.u8());
                Gone { stream, nothing_delivered: self.flag(), reason }.into()
            }
            Kind::Describe => Describe { stream, cancel: self.blob(), blob: self.blob() }.into(),
            Kind::Park => Park {
                stream,
                counters: self.counters(),
                max_idle_ms: self.u32(),
                expires_in_ms: self.u32(),
            }
            .into(),
            Kind::Offer => self.offer().into(),
            Kind::Adopt => Adopt {
                stream,
                counters: self.counters(),
                describe: self.flag(),
                bytes: Payload(self.bytes(0, 16_384)),
            }
            .into(),
            Kind::Release => Release { stream }.into(),
            Kind::ListParked => ListParked { number: self.u32() }.into(),
            Kind::Cancel => Cancel { stream, request: self.u32() }.into(),
            Kind::Cancelled => {
                Cancelled { stream, request: self.u32(), proved: self.flag() }.into()
            }
        }
    }
}

#[test]
fn random_frames_are_read_as_they_were_written() {
    for seed in 0..300 {
        let mut random = Random(seed);
        for kind in Kind::ALL {
            let frame = random.frame(*kind);
            let bytes = encode(std::slice::from_ref(&frame));
            assert_eq!(parse(&bytes), Ok(vec![frame]), "seed {seed}, {kind}");
        }
    }
}

#[test]
fn random_runs_of_frames_are_read_in_order() {
    for seed in 1_000..1_300 {
        let mut random = Random(seed);
        let mut message = BytesMut::new();
        let mut frames = Vec::new();
        for _ in 0..1 + random.below(12) {
            let kind = Kind::ALL[random.below(Kind::ALL.len())];
            let frame = random.frame(kind);
            frame.encode(&mut message).unwrap();
            frames.push(frame);
        }
        assert_eq!(parse(&message), Ok(frames), "seed {seed}");
    }
}

#[test]
fn random_bytes_and_random_damage_never_panic() {
    for seed in 2_000..12_000 {
        let mut random = Random(seed);
        let noise = random.bytes(1, 100);
        drop(parse(&noise));
        let kind = Kind::ALL[random.below(Kind::ALL.len())];
        let mut message = encode(&[random.frame(kind)]);
        let at = random.below(message.len());
        message[at] ^= 1 << random.below(8);
        if let Ok(frames) = parse(&message)
            && frames.len() == 1
            && !message.is_empty()
            && Kind::from_code(message[0]).is_some()
        {
            assert_eq!(encode(&frames), message, "seed {seed}: one form only");
        }
    }
}
