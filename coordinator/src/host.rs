//! What the driver needs done: the trait, and its implementation by the JavaScript shell.

use bytes::{Bytes, BytesMut};
use js_sys::Uint8Array;
use pierhead_engine::ids::{ClientId, LinkId, StreamId};
use pierhead_engine::io::Level;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::config::{Dial, TcpTls};

/// Does what the engine says. No method calls back into the driver before it returns.
pub(crate) trait Host {
    /// Milliseconds since 1970, by a clock that may be set back.
    fn epoch_ms(&self) -> u64;
    fn open(&self, stream: StreamId, dial: &Dial);
    fn write(&self, stream: StreamId, bytes: &[Bytes]);
    fn start_tls(&self, stream: StreamId);
    fn grant(&self, stream: StreamId, bytes: usize);
    fn close(&self, stream: StreamId);
    fn answer(&self, client: ClientId, bytes: &[Bytes]);
    fn begin_answer(&self, client: ClientId, bytes: &[Bytes]);
    fn write_answer(&self, client: ClientId, bytes: &[Bytes], end: bool);
    fn probe(&self, client: ClientId);
    fn write_socket(&self, client: ClientId, bytes: &[Bytes]);
    fn grant_socket(&self, client: ClientId, bytes: usize);
    fn close_socket(&self, client: ClientId);
    fn send_link(&self, link: LinkId, message: &[Bytes]);
    fn close_link(&self, link: LinkId, reason: &str);
    fn attach(&self, link: LinkId, attachment: &Bytes);
    fn raise_epoch(&self);
    /// Replaces the timer by one that fires in so many milliseconds.
    fn wake_in(&self, ms: u64);
    /// Replaces the alarm by one that fires at this time, even if the object has been evicted.
    fn wake_later(&self, epoch_ms: u64);
    fn log(&self, level: Level, text: &str);
}

#[wasm_bindgen]
extern "C" {
    /// The methods of classes `Shell`, `Calls`, `Sockets` and `Links` that `js/coordinator.mjs`
    /// lends. None throws.
    #[derive(Clone)]
    pub type Shell;

    #[wasm_bindgen(method)]
    pub(crate) fn born(this: &Shell) -> bool;
    #[wasm_bindgen(method)]
    fn carry(this: &Shell, stream: f64, transport: &Transport);
    #[wasm_bindgen(method)]
    fn write(this: &Shell, stream: f64, bytes: Uint8Array);
    #[wasm_bindgen(method)]
    fn grant(this: &Shell, stream: f64, bytes: f64);
    #[wasm_bindgen(method, js_name = startTls)]
    fn start_tls(this: &Shell, stream: f64);
    #[wasm_bindgen(method)]
    fn close(this: &Shell, stream: f64);
    #[wasm_bindgen(method)]
    fn answer(this: &Shell, client: f64, bytes: Uint8Array);
    #[wasm_bindgen(method, js_name = beginAnswer)]
    fn begin_answer(this: &Shell, client: f64, bytes: Uint8Array);
    #[wasm_bindgen(method, js_name = writeAnswer)]
    fn write_answer(this: &Shell, client: f64, bytes: Uint8Array, end: bool);
    #[wasm_bindgen(method)]
    fn probe(this: &Shell, client: f64);
    #[wasm_bindgen(method, js_name = writeSocket)]
    fn write_socket(this: &Shell, client: f64, bytes: Uint8Array);
    #[wasm_bindgen(method, js_name = grantSocket)]
    fn grant_socket(this: &Shell, client: f64, bytes: f64);
    #[wasm_bindgen(method, js_name = closeSocket)]
    fn close_socket(this: &Shell, client: f64);
    #[wasm_bindgen(method, js_name = sendLink)]
    fn send_link(this: &Shell, link: f64, message: Uint8Array);
    #[wasm_bindgen(method, js_name = closeLink)]
    fn close_link(this: &Shell, link: f64, reason: &str);
    #[wasm_bindgen(method)]
    fn attach(this: &Shell, link: f64, attachment: Uint8Array);
    #[wasm_bindgen(method, js_name = raiseEpoch)]
    fn raise_epoch(this: &Shell);
    #[wasm_bindgen(method, js_name = wakeIn)]
    fn wake_in(this: &Shell, ms: f64);
    #[wasm_bindgen(method, js_name = wakeLater)]
    fn wake_later(this: &Shell, epoch_ms: f64);
    #[wasm_bindgen(method)]
    fn log(this: &Shell, level: &str, text: &str);
}

#[wasm_bindgen(module = "/js/websocket.mjs")]
extern "C" {
    /// A stream of either kind.
    type Transport;

    #[wasm_bindgen(js_name = openWebSocket)]
    fn open_websocket(
        events: &Shell,
        stream: f64,
        url: &str,
        access_id: Option<&str>,
        access_secret: Option<&str>,
    ) -> Transport;
}

#[wasm_bindgen(module = "/js/tcp.mjs")]
extern "C" {
    #[wasm_bindgen(js_name = openTcp)]
    fn open_tcp(events: &Shell, stream: f64, host: &str, port: u16, secure: &str) -> Transport;
}

impl Host for Shell {
    fn epoch_ms(&self) -> u64 {
        js_sys::Date::now() as u64
    }

    fn open(&self, stream: StreamId, dial: &Dial) {
        let number = js_number(stream.0);
        let transport = match dial {
            Dial::WebSocket { url, access } => {
                let access = access.as_ref();
                let id = access.map(|token| token.client_id.expose());
                let secret = access.map(|token| token.client_secret.expose());
                open_websocket(self, number, url, id, secret)
            }
            Dial::Tcp { host, port, tls } => {
                let secure = match tls {
                    TcpTls::Off => "off",
                    TcpTls::On => "on",
                    TcpTls::StartTls => "starttls",
                };
                open_tcp(self, number, host, *port, secure)
            }
        };
        self.carry(number, &transport);
    }

    fn write(&self, stream: StreamId, bytes: &[Bytes]) {
        self.write(js_number(stream.0), js_bytes(bytes));
    }

    fn start_tls(&self, stream: StreamId) {
        self.start_tls(js_number(stream.0));
    }

    fn grant(&self, stream: StreamId, bytes: usize) {
        self.grant(js_number(stream.0), bytes as f64);
    }

    fn close(&self, stream: StreamId) {
        self.close(js_number(stream.0));
    }

    fn answer(&self, client: ClientId, bytes: &[Bytes]) {
        self.answer(js_number(client.0), js_bytes(bytes));
    }

    fn begin_answer(&self, client: ClientId, bytes: &[Bytes]) {
        self.begin_answer(js_number(client.0), js_bytes(bytes));
    }

    fn write_answer(&self, client: ClientId, bytes: &[Bytes], end: bool) {
        self.write_answer(js_number(client.0), js_bytes(bytes), end);
    }

    fn probe(&self, client: ClientId) {
        self.probe(js_number(client.0));
    }

    fn write_socket(&self, client: ClientId, bytes: &[Bytes]) {
        self.write_socket(js_number(client.0), js_bytes(bytes));
    }

    fn grant_socket(&self, client: ClientId, bytes: usize) {
        self.grant_socket(js_number(client.0), bytes as f64);
    }

    fn close_socket(&self, client: ClientId) {
        self.close_socket(js_number(client.0));
    }

    fn send_link(&self, link: LinkId, message: &[Bytes]) {
        self.send_link(js_number(link.0), js_bytes(message));
    }

    fn close_link(&self, link: LinkId, reason: &str) {
        self.close_link(js_number(link.0), reason);
    }

    fn attach(&self, link: LinkId, attachment: &Bytes) {
        self.attach(js_number(link.0), Uint8Array::from(attachment.as_ref()));
    }

    fn raise_epoch(&self) {
        self.raise_epoch();
    }

    fn wake_in(&self, ms: u64) {
        self.wake_in(js_number(ms));
    }

    fn wake_later(&self, epoch_ms: u64) {
        self.wake_later(js_number(epoch_ms));
    }

    fn log(&self, level: Level, text: &str) {
        let level = match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
        };
        self.log(level, text);
    }
}

/// A number as JavaScript has it; exact below 2^53, which no counter of ours reaches.
fn js_number(number: u64) -> f64 {
    number as f64
}

/// One fresh buffer of JavaScript's own: the platform sends from it after this call has returned,
/// when wasm memory may have moved.
fn js_bytes(list: &[Bytes]) -> Uint8Array {
    match list {
        [one] => Uint8Array::from(one.as_ref()),
        many => {
            let mut joined = BytesMut::with_capacity(many.iter().map(Bytes::len).sum());
            for bytes in many {
                joined.extend_from_slice(bytes);
            }
            Uint8Array::from(joined.as_ref())
        }
    }
}
