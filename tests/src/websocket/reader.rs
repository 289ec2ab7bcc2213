//! Reads messages from frames.

use std::io;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::frame::{BINARY, CLOSE, CONTINUATION, Header, PING, PONG, TEXT, unmask};

/// A message or control frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Message {
    /// A binary message, without the bytes beyond the reader's limit.
    Binary {
        /// What was kept.
        payload: Bytes,
        /// How many bytes were thrown away.
        lost: u64,
    },
    /// A text message, cut like a binary one.
    Text(Bytes),
    /// A ping with its payload.
    Ping(Bytes),
    /// A pong.
    Pong,
    /// The peer began the closing handshake, with its code if it gave one.
    Close(Option<u16>),
}

/// Reads messages, keeping at most a fixed number of bytes of each.
#[derive(Debug)]
pub struct MessageReader<R> {
    io: R,
    buffer: BytesMut,
    keep: usize,
    masked: bool,
    message: BytesMut,
    lost: u64,
    /// Opcode of the message under way.
    kind: u8,
}

impl<R: AsyncRead + Unpin> MessageReader<R> {
    /// Reads from `io`, starting with the bytes in `buffer`; keeps `keep` bytes of each message.
    /// `masked`: the peer is a client, which must mask its frames (a server must not).
    pub fn new(io: R, buffer: BytesMut, keep: usize, masked: bool) -> Self {
        Self { io, buffer, keep, masked, message: BytesMut::new(), lost: 0, kind: BINARY }
    }

    /// What it reads from; bytes read ahead are not in it.
    pub(crate) fn get_mut(&mut self) -> &mut R {
        &mut self.io
    }

    /// The next message; `None` at the end of the stream, also in the middle of a frame.
    /// Not safe to cancel.
    pub async fn next(&mut self) -> io::Result<Option<Message>> {
        loop {
            let Some(header) = self.header().await? else { return Ok(None) };
            if header.mask.is_some() != self.masked {
                return Err(io::Error::other("WebSocket frame masked by the wrong side"));
            }
            if header.opcode >= CLOSE {
                return self.control(header).await;
            }
            if header.opcode != CONTINUATION {
                self.kind = header.opcode;
            }
            if !self.data(header).await? {
                return Ok(None);
            }
            if header.last {
                return Ok(Some(self.finish()));
            }
        }
    }

    fn finish(&mut self) -> Message {
        let payload = self.message.split().freeze();
        let lost = std::mem::take(&mut self.lost);
        if self.kind == TEXT { Message::Text(payload) } else { Message::Binary { payload, lost } }
    }

    async fn header(&mut self) -> io::Result<Option<Header>> {
        loop {
            if let Some(header) = Header::parse(&self.buffer).map_err(io::Error::other)? {
                self.buffer.advance(header.size);
                return Ok(Some(header));
            }
            if !self.fill().await? {
                return Ok(None);
            }
        }
    }

    /// Reads the payload of a data frame; false at the end of the stream.
    async fn data(&mut self, header: Header) -> io::Result<bool> {
        let mut done = 0;
        while done < header.payload {
            if self.buffer.is_empty() && !self.fill().await? {
                return Ok(false);
            }
            let here = (header.payload - done).min(self.buffer.len() as u64) as usize;
            let mut part = self.buffer.split_to(here);
            if let Some(mask) = header.mask {
                unmask(&mut part, mask, done);
            }
            done += here as u64;
            let kept = here.min(self.keep - self.message.len());
            self.message.extend_from_slice(&part[..kept]);
            self.lost += (here - kept) as u64;
        }
        Ok(true)
    }

    async fn control(&mut self, header: Header) -> io::Result<Option<Message>> {
        if header.payload > 125 {
            return Err(io::Error::other("WebSocket control frame above 125 bytes"));
        }
        while (self.buffer.len() as u64) < header.payload {
            if !self.fill().await? {
                return Ok(None);
            }
        }
        let mut payload = self.buffer.split_to(header.payload as usize);
        if let Some(mask) = header.mask {
            unmask(&mut payload, mask, 0);
        }
        Ok(Some(match header.opcode {
            CLOSE => Message::Close(payload.first_chunk().map(|code| u16::from_be_bytes(*code))),
            PING => Message::Ping(payload.freeze()),
            PONG => Message::Pong,
            _ => return Err(io::Error::other("WebSocket frame with an unknown opcode")),
        }))
    }

    async fn fill(&mut self) -> io::Result<bool> {
        self.buffer.reserve(16 << 10);
        Ok(self.io.read_buf(&mut self.buffer).await? > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::put_frame;
    use super::*;

    const MASK: Option<[u8; 4]> = Some([9, 8, 7, 6]);

    fn read(bytes: BytesMut, keep: usize) -> Vec<Message> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut reader = MessageReader::new(&bytes[..], BytesMut::new(), keep, true);
            let mut messages = Vec::new();
            while let Some(message) = reader.next().await.unwrap() {
                messages.push(message);
            }
            messages
        })
    }

    #[test]
    fn keeps_the_start_of_a_long_message_and_then_reads_on() {
        let mut bytes = BytesMut::new();
        put_frame(&mut bytes, BINARY, &[5; 100], MASK);
        put_frame(&mut bytes, PING, b"p", MASK);
        put_frame(&mut bytes, BINARY, b"next", MASK);
        let expected = [
            Message::Binary { payload: Bytes::from(vec![5; 64]), lost: 36 },
            Message::Ping(Bytes::from("p")),
            Message::Binary { payload: Bytes::from("next"), lost: 0 },
        ];
        assert_eq!(read(bytes, 64), expected);
    }

    #[test]
    fn joins_fragments_around_a_control_frame() {
        let mut bytes = BytesMut::new();
        put_frame(&mut bytes, BINARY, b"ab", MASK);
        bytes[0] &= 0x7f;
        put_frame(&mut bytes, PONG, b"", MASK);
        put_frame(&mut bytes, CONTINUATION, b"cd", MASK);
        let whole = Message::Binary { payload: Bytes::from("abcd"), lost: 0 };
        assert_eq!(read(bytes, 64), [Message::Pong, whole]);
    }
}
