//! A stream socket to a database, of either family: what a connection's task needs of it.
//!
//! TLS to the database will be a third kind. Whatever it does, [`Socket::read_now`] must see every
//! byte that has arrived, because a session may be parked only while there is none.

use std::cell::RefCell;
use std::io::{self, IoSlice, Read as _};
use std::mem::MaybeUninit;
use std::net::Shutdown;

use bytes::Bytes;
use socket2::SockRef;
use tokio::io::{Interest, Ready};
use tokio::net::{TcpStream, UnixStream};

use crate::limits::READ_BYTES_MAX;

/// A stream socket, of either family.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// What reading gave.
pub(super) enum Read {
    Bytes(Bytes),
    /// Nothing has arrived.
    Nothing,
    End,
}

thread_local! {
    /// Where bytes are read to before they are copied into a buffer of exactly their size: what
    /// counts against a budget is the buffer behind the bytes.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES_MAX]);
}

fn read_up_to(max: usize, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<Read> {
    SCRATCH.with_borrow_mut(|scratch| {
        let room = max.min(scratch.len());
        let room = scratch.get_mut(..room).unwrap_or_default();
        match read(room) {
            Ok(0) => Ok(Read::End),
            Ok(bytes) => {
                Ok(Read::Bytes(Bytes::copy_from_slice(room.get(..bytes).unwrap_or_default())))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Read::Nothing),
            Err(error) => Err(error),
        }
    })
}

impl Socket {
    pub(super) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        match self {
            Self::Tcp(socket) => socket.ready(interest).await,
            Self::Unix(socket) => socket.ready(interest).await,
        }
    }

    fn raw(&self) -> SockRef<'_> {
        match self {
            Self::Tcp(socket) => SockRef::from(socket),
            Self::Unix(socket) => SockRef::from(socket),
        }
    }

    /// Reads after `ready`.
    pub(super) fn try_read(&self, max: usize) -> io::Result<Read> {
        read_up_to(max, |room| match self {
            Self::Tcp(socket) => socket.try_read(room),
            Self::Unix(socket) => socket.try_read(room),
        })
    }

    /// Asks the operating system itself: what tokio knows of a socket may be a turn old.
    pub(super) fn read_now(&self, max: usize) -> io::Result<Read> {
        read_up_to(max, |room| (&*self.raw()).read(room))
    }

    /// Whether neither a byte nor an end has arrived.
    pub(super) fn is_quiet(&self) -> io::Result<bool> {
        match self.raw().peek(&mut [MaybeUninit::uninit()]) {
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error),
        }
    }

    pub(super) fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.try_write_vectored(slices),
            Self::Unix(socket) => socket.try_write_vectored(slices),
        }
    }

    pub(super) fn shutdown_write(&self) -> io::Result<()> {
        self.raw().shutdown(Shutdown::Write)
    }
}
