//! Peers that do the least that a database could do: one sends everything back, one sends as many
//! bytes as it is asked for. The floors of the benchmark are measured against them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::net::Server;

/// Bytes read or written at once.
const PIECE: usize = 64 << 10;

/// A peer on a free loopback port, on a thread of its own; ends with its value.
#[derive(Debug)]
pub struct Peer(Server);

impl Peer {
    /// Sends back whatever comes.
    pub fn echo() -> io::Result<Self> {
        Self::start("echo", |stream| async { drop(echo(stream).await) })
    }

    /// For every eight bytes, a number N with its highest byte first, sends N bytes.
    pub fn source() -> io::Result<Self> {
        Self::start("source", |stream| async { drop(pour(stream).await) })
    }

    fn start<F>(name: &'static str, serve: fn(TcpStream) -> F) -> io::Result<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Ok(Self(Server::start(name, (Ipv4Addr::LOCALHOST, 0).into(), serve)?))
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.0.addr()
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    while let count @ 1.. = stream.read(&mut piece).await? {
        stream.write_all(&piece[..count]).await?;
    }
    Ok(())
}

async fn pour(mut stream: TcpStream) -> io::Result<()> {
    let piece = vec![b'x'; PIECE];
    loop {
        let mut left = stream.read_u64().await?;
        while left > 0 {
            let count = left.min(PIECE as u64);
            stream.write_all(&piece[..count as usize]).await?;
            left -= count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_sends_back_and_one_pours() {
        let (echo, source) = (Peer::echo().unwrap(), Peer::source().unwrap());
        let mut stream = TcpStream::connect(echo.addr()).await.unwrap();
        stream.write_all(b"ahoy").await.unwrap();
        let mut back = [0; 4];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"ahoy");

        let mut stream = TcpStream::connect(source.addr()).await.unwrap();
        for count in [100_000, 3] {
            stream.write_u64(count).await.unwrap();
            let mut poured = vec![0; count as usize];
            stream.read_exact(&mut poured).await.unwrap();
            assert!(poured.iter().all(|byte| *byte == b'x'));
        }
    }
}
