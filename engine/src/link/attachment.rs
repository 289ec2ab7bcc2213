//! What is kept with a link's WebSocket while the object hibernates: enough to go on without
//! asking the agent anything.
//!
//! ```text
//! format 1 · fingerprint 8 · epoch 8 · agent life 16 · link 4 · last index 4
//! · windows 4 x 4 · park ttl 4 · instance (length 1, text) · more 1
//! · rows of 32: stream 8 · sent 8 · received 8 · idle until 4 · expires 4   (seconds since 1970)
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};
use pierhead_wire::tunnel::{AgentLife, Counters, StreamId as WireId};

use crate::limits::ATTACHMENT_BYTES_MAX;
use crate::link::blob::Fingerprint;
use crate::time::{Instant, Millis};

const FORMAT: u8 = 1;
const ROW: usize = 32;

/// What a link's hello and welcome said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Terms {
    pub(crate) life: AgentLife,
    /// The link's number at the agent.
    pub(crate) number: u32,
    /// Names the agent across restarts.
    pub(crate) instance: String,
    /// How long the agent holds parked streams without a link.
    pub(crate) park_ttl: Millis,
    /// What may be sent on a stream, and on the link, before the first grant.
    pub(crate) send: Windows,
    /// What the agent may send.
    pub(crate) receive: Windows,
}

/// Credit before the first grant, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Windows {
    pub(crate) stream: u32,
    pub(crate) link: u32,
}

/// A parked session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Row {
    pub(crate) wire: WireId,
    pub(crate) counters: Counters,
    pub(crate) idle_until: Instant,
    pub(crate) expires: Instant,
}

/// All of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Attachment {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) epoch: u64,
    pub(crate) terms: Terms,
    pub(crate) last_index: u32,
    /// There are parked sessions that found no room here: the agent has to be asked.
    pub(crate) more: bool,
    pub(crate) rows: Vec<Row>,
}

impl Attachment {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u8(FORMAT);
        out.put_slice(&self.fingerprint.0);
        out.put_u64(self.epoch);
        out.put_slice(&self.terms.life.0);
        out.put_u32(self.terms.number);
        out.put_u32(self.last_index);
        for windows in [self.terms.send, self.terms.receive] {
            out.put_u32(windows.stream);
            out.put_u32(windows.link);
        }
        out.put_u32(self.terms.park_ttl.as_u32());
        let end = self.terms.instance.floor_char_boundary(u8::MAX.into());
        let instance = self.terms.instance.get(..end).unwrap_or_default();
        out.put_u8(u8::try_from(instance.len()).unwrap_or_default());
        out.put_slice(instance.as_bytes());
        let room = ATTACHMENT_BYTES_MAX.saturating_sub(out.len() + 1) / ROW;
        out.put_u8(u8::from(self.more || self.rows.len() > room));
        for row in self.rows.iter().take(room) {
            out.put_u32(row.wire.link);
            out.put_u32(row.wire.index);
            out.put_u64(row.counters.sent);
            out.put_u64(row.counters.received);
            out.put_u32(seconds(row.idle_until));
            out.put_u32(seconds(row.expires));
        }
        out.freeze()
    }

    /// Reads it back; `None` if it is of another format, or was never written.
    pub(crate) fn decode(mut from: Bytes) -> Option<Self> {
        if from.try_get_u8().ok()? != FORMAT {
            return None;
        }
        let mut fingerprint = [0; 8];
        from.try_copy_to_slice(&mut fingerprint).ok()?;
        let epoch = from.try_get_u64().ok()?;
        let mut life = [0; 16];
        from.try_copy_to_slice(&mut life).ok()?;
        let number = from.try_get_u32().ok()?;
        let last_index = from.try_get_u32().ok()?;
        let send = take_windows(&mut from)?;
        let receive = take_windows(&mut from)?;
        let park_ttl = Millis(from.try_get_u32().ok()?.into());
        let length = usize::from(from.try_get_u8().ok()?);
        if length > from.len() {
            return None;
        }
        let instance = String::from_utf8(from.split_to(length).to_vec()).ok()?;
        let more = from.try_get_u8().ok()? != 0;
        let mut rows = Vec::with_capacity(from.len() / ROW);
        while from.has_remaining() {
            rows.push(take_row(&mut from)?);
        }
        let life = AgentLife(life);
        let terms = Terms { life, number, instance, park_ttl, send, receive };
        let fingerprint = Fingerprint(fingerprint);
        Some(Self { fingerprint, epoch, terms, last_index, more, rows })
    }
}

fn take_windows(from: &mut Bytes) -> Option<Windows> {
    Some(Windows { stream: from.try_get_u32().ok()?, link: from.try_get_u32().ok()? })
}

fn take_row(from: &mut Bytes) -> Option<Row> {
    let wire = WireId { link: from.try_get_u32().ok()?, index: from.try_get_u32().ok()? };
    let counters = Counters { sent: from.try_get_u64().ok()?, received: from.try_get_u64().ok()? };
    let idle_until = moment(from.try_get_u32().ok()?);
    Some(Row { wire, counters, idle_until, expires: moment(from.try_get_u32().ok()?) })
}

fn seconds(at: Instant) -> u32 {
    u32::try_from(at.0 / 1000).unwrap_or(u32::MAX)
}

fn moment(seconds: u32) -> Instant {
    Instant(u64::from(seconds) * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attachment(rows: u32) -> Attachment {
        let row = |index| Row {
            wire: WireId { link: 7, index },
            counters: Counters { sent: 1 << 40, received: 5 },
            idle_until: Instant(90_000),
            expires: Instant(1_800_000_000_000),
        };
        Attachment {
            fingerprint: Fingerprint([1; 8]),
            epoch: 5,
            terms: Terms {
                life: AgentLife([2; 16]),
                number: 7,
                instance: "db-host".into(),
                park_ttl: Millis(60_000),
                send: Windows { stream: 1, link: 2 },
                receive: Windows { stream: 3, link: 4 },
            },
            last_index: 9,
            more: false,
            rows: (1..=rows).map(row).collect(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for rows in [0, 3] {
            let written = attachment(rows);
            assert_eq!(Attachment::decode(written.encode()), Some(written));
        }
        assert_eq!(Attachment::decode(Bytes::new()), None);
        assert_eq!(Attachment::decode(attachment(1).encode().slice(..50)), None);
    }

    #[test]
    fn what_finds_no_room_is_asked_for() {
        let bytes = attachment(1000).encode();
        assert!(bytes.len() <= ATTACHMENT_BYTES_MAX, "{}", bytes.len());
        let read = Attachment::decode(bytes).unwrap();
        assert!(read.more);
        assert!(read.rows.len() > 480, "{}", read.rows.len());
    }
}
