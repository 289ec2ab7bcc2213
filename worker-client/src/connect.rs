//! A socket for drivers that speak PostgreSQL's protocol themselves.

use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use worker::Socket;

use crate::rpc::{RawSocket, forget_promise, platform};
use crate::{Database, Error, terms};

impl Database {
    /// Opens a socket to the coordinator, for a driver that speaks PostgreSQL's protocol itself, from
    /// its start-up message on. It is `AsyncRead` and `AsyncWrite` of `tokio`:
    ///
    /// ```ignore
    /// let mut config = tokio_postgres::Config::new();
    /// config.user("app").dbname(db.name());
    /// let (client, connection) = config.connect_raw(db.connect()?, NoTls).await?;
    /// worker::wasm_bindgen_futures::spawn_local(async { drop(connection.await) });
    /// ```
    ///
    /// There is no TLS in it: it does not leave the platform. The coordinator answers the start-up, so
    /// nobody waits for the database. A session is held for a transaction at a time, or as long as the
    /// socket is open with the start-up option `-c pierhead.mode=session`. Settings of
    /// [`with_settings`](Self::with_settings) are not made on it, so a handle that has or requires any
    /// refuses.
    ///
    /// # Errors
    /// When the binding cannot be used, or the handle has settings.
    pub fn connect(&self) -> Result<Socket, Error> {
        if self.settings.is_any() {
            return Err(Error::request(
                "settings cannot be made on a socket, whose driver begins its own transactions; \
                 connect with a handle that has and requires none",
            ));
        }
        let (raw, direct) = self.socket()?;
        // The gateway says itself who is calling.
        if direct && self.options.caller.is_some() {
            put_ahead(&raw, &terms::packet(&self.options))?;
        }
        Ok(Socket::from(raw))
    }
}

/// Writes what goes ahead of the driver's first bytes, which the stream keeps in order.
fn put_ahead(socket: &RawSocket, bytes: &[u8]) -> Result<(), Error> {
    let writer = socket.writable().and_then(|stream| stream.get_writer()).map_err(platform)?;
    let chunk = JsValue::from(Uint8Array::from(bytes));
    forget_promise(&writer.write_with_chunk(&chunk).into());
    writer.release_lock();
    Ok(())
}
